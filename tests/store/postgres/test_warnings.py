"""What a server warns of: a commit that no standby has is told to nobody, and any other warning is the operator's."""

import re
import shutil
import subprocess

import psycopg
import pytest

from evergrant.domain.rotation import Settlement, Verdict
from evergrant.store.postgres import PostgresStore
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import put_families, row
from tests import tools
from tests.cluster import PATIENCE, Cluster, as_server

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]
# Transactions of one file of pg_xact; the server warns for the last forty million before they run out.
SEGMENT = 1 << 20
LEFT = 30_000_000


def _rotate(family):
    return Settlement(Verdict.ROTATE, family, family.head._replace(generation=family.head.generation + 1))


def _age(cluster):
    """Let nearly all numbers of transactions be used up."""
    cluster.stop_process()
    data = str(cluster.folder / "data")
    control = subprocess.run(
        as_server([str(tools.postgres() / "pg_controldata"), data]), check=True, capture_output=True, text=True
    ).stdout
    oldest = int(re.search(r"oldestXID:\s+(\d+)", control)[1])
    segment = (oldest + (1 << 31) - LEFT) // SEGMENT
    file = cluster.folder / "data" / "pg_xact" / f"{segment:04X}"
    file.write_bytes(bytes(SEGMENT // 4))
    shutil.chown(file, "postgres")
    command = [str(tools.postgres() / "pg_resetwal"), "-x", str(segment * SEGMENT), "-D", data]
    subprocess.run(as_server(command), check=True, capture_output=True, timeout=PATIENCE)
    cluster.run()


async def test_a_server_that_wants_to_be_vacuumed_is_not_taken_for_one_that_has_not_committed():
    """It warns with every transaction, millions before it stops: until then everybody goes on."""
    cluster = Cluster.start()
    try:
        url = cluster.database()
        store, family = PostgresStore.open(url), specimens.family()
        await put_families(store, family)
        await store.close()
        _age(cluster)
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE evergrant.write_gate IN SHARE UPDATE EXCLUSIVE MODE")  # autovacuum waits
            warned = []
            with psycopg.connect(url, autocommit=True) as third:
                third.add_notice_handler(lambda told: warned.append(told.message_primary))
                third.execute("SELECT pg_current_xact_id()")
            assert "must be vacuumed within" in warned[0]
            store = PostgresStore.open(url)
            for _ in range(2):
                await store.settle(family.id, _rotate)
                await store.write(lambda tx: tx.turn())
            assert (await row(store, family.id)).head.generation == family.head.generation + 2
            await store.close()
    finally:
        cluster.stop()
