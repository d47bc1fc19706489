"""Two nodes, one housekeeper: one that is frozen loses the job, and wakes up to find that it has (attack O-18)."""

import os
import signal
from contextlib import contextmanager

import pytest

from evergrant.domain.reason import Reason
from tests.faults.client import PUBLIC, Wanted, furnish, refresh
from tests.faults.judging import ENDED, Look
from tests.faults.place import group, wait_for
from tests.postgres.nodes import noded

pytestmark = pytest.mark.needs("postgres")
DAY = 86_400
FAMILIES = 12


@contextmanager
def frozen(place):
    """A node that stands still, as in a virtual machine that is moved."""
    for pid in group(place.pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in group(place.pid):
            os.kill(pid, signal.SIGCONT)


def test_o_18_a_frozen_housekeeper_is_replaced_and_changes_nothing_when_it_wakes(tmp_path, postmaster, database):
    url = postmaster.url(database=database)

    def lease():
        rows = postmaster.ask("SELECT document FROM evergrant.lease", database=database)
        return rows[0][0].decode() if rows else ""

    def fence() -> int:
        return int(lease().partition('"fence":')[2].partition(",")[0].rstrip("}"))

    def owner() -> str:
        return lease().partition('"owner":"')[2].partition('"')[0]

    with noded(tmp_path, url, 2, EVERGRANT_HOUSEKEEPING_INTERVAL="1s") as nodes:
        holders = furnish(nodes[0].data, Wanted((PUBLIC,), each=FAMILIES), url)
        nodes[0].start()
        assert wait_for(lease, 20)
        nodes[1].start()
        first, before = owner(), fence()
        with frozen(nodes[0]):
            assert wait_for(lambda: owner() != first, 30), "nobody took over"
            second = owner()
            assert fence() == before + 1
            for node in nodes:
                (node.folder / "clock").write_text(str(60 * DAY))
            looks = [Look(url, holder.family) for holder in holders]
            assert wait_for(lambda: all(Look(url, each.family).row["ended_at"] for each in looks), 30)
        last = lease()
        assert wait_for(lambda: lease() != last, 20)
        assert refresh(nodes[0], holders[0]).status == 400, "awake again"
        for _ in range(3):
            last = lease()
            assert wait_for(lambda last=last: lease() != last, 20)
            assert (owner(), fence()) == (second, before + 1), "the one that slept took it back"
        for holder in holders:
            look = Look(url, holder.family)
            assert len(look.told(ENDED)) == 1
            assert look.row["reason"] == Reason.IDLE
        nodes[1].terminate()
        assert wait_for(lambda: owner() == first, 30), "the first one keeps house again"
        assert fence() == before + 2
