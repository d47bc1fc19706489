"""The next release rolls out over one schema change while clients refresh: expand, both together, contract (O-12)."""

import asyncio

import psycopg
import pytest

from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, codes, furnish, redeem, refresh
from tests.faults.history import stored_wrongs, wrongs
from tests.faults.storm import Storm
from tests.postgres.failing_over import under_way
from tests.postgres.next_release import CONTRACTS
from tests.postgres.nodes import noded, told

pytestmark = pytest.mark.needs("postgres")
NEXT = "tests.postgres.next_release"


def test_o_11_o_12_old_and_new_release_run_together_over_a_schema_change_and_no_client_notices(
    tmp_path, postmaster, database
):
    url = postmaster.url(database=database)

    def turns() -> int:
        return int(postmaster.ask("SELECT sum(turns) FROM evergrant.family", database=database)[0][0])

    with noded(tmp_path, url, 2) as (old, new):
        new.module = NEXT
        holders = furnish(old.data, Wanted((PUBLIC, CONFIDENTIAL), each=8, people=2), url)
        fresh = codes(old.data, holders[0], 2, url)
        old.start()

        async def upgrade(storm: Storm) -> None:
            await under_way(storm)
            # Somebody reads for long, as a backup does: the schema's change waits for it, and nobody for the change.
            with psycopg.connect(url) as reader:
                reader.execute("SELECT count(*) FROM evergrant.family")
                starting = asyncio.create_task(asyncio.to_thread(new.start))
                await asyncio.sleep(2)
                await under_way(storm)
                assert not starting.done()
            await starting
            for _ in range(3):
                await under_way(storm)
            assert turns() > 0, "the new one was asked for nothing"
            begun = await asyncio.to_thread(redeem, old, holders[0], fresh[0])
            assert begun.status == 200, "the old one begins families beside the new one"
            assert (await asyncio.to_thread(refresh, new, holders[0], begun.token)).status == 200
            assert await asyncio.to_thread(old.terminate) == 0
            await under_way(storm)
            new.environment[CONTRACTS] = "1"
            assert "needed" in await asyncio.to_thread(told, new, "migrate", module=NEXT)
            for _ in range(2):
                await under_way(storm)

        storm = Storm(old, holders, [1] * len(holders), 1, 0.05, others=(new,))
        asyncio.run(storm.rage(upgrade))
        assert [wrong for history in storm.histories for wrong in wrongs(history)] == []
        assert stored_wrongs(url, storm.histories) == []
        assert storm.counts.longest_wait < 10
        assert redeem(new, holders[0], fresh[1]).status == 200
        assert not old.try_to_start(), "an old release on a database that it would harm"
        assert "made by a newer release" in old.log.read_text()
        new.restart()
        assert refresh(new, holders[1]).status == 200
