"""What a shared vault's watch concludes from two looks: what others have committed, and when the database came back."""

import pytest

from evergrant.keeper.vault.comparing import Held, after_outage
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.keeper.vault.postgres.watch import BLIND, FAR_OFF, Snapshot, Watch, appeared


@pytest.mark.parametrize(
    ("before", "after", "own", "is_news"),
    [
        ("10:10:", "10:10:", set(), False),
        ("10:10:", "11:11:", set(), True),
        ("10:10:", "11:11:", {10}, False),
        ("10:10:", "12:12:", {10}, True),
        ("10:12:10", "12:12:", set(), True),
        ("10:12:10", "12:12:", {10}, False),
        ("10:12:10", "10:13:10", {12}, False),
        ("10:12:10", "10:13:10,12", set(), False),
        ("10:12:10,11", "10:14:10,13", {11, 12}, False),
        ("10:12:10,11", "10:14:10,13", {11}, True),
        ("900:900:", "10:10:", set(), True),
        ("10:10:", "900000:900000:", set(range(10, 900_000)), True),
    ],
)
def test_only_what_others_made_visible_is_news(before, after, own, is_news):
    assert appeared(Snapshot.read(before), Snapshot.read(after), own) is is_news


class Database:
    """What a watch sees: a snapshot and a time, or nothing while it is away."""

    def __init__(self):
        self.seen, self.away, self.chained = ("10:10:", 1_000.0), False, 0

    def look(self):
        if self.away:
            raise VaultUnavailable("away")
        return self.seen

    def chain(self):
        self.chained += 1


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def watch(database):
    made = Watch(database.look, database.chain, every=3_600)  # its own looks are far off: the test makes them
    yield made
    made.close()


def test_the_number_rises_once_for_a_commit_of_ours_and_once_for_one_of_others(watch, database):
    first = watch.stamp()
    watch.committed(10)
    mine = watch.stamp()
    assert mine != first
    database.seen = ("11:11:", 1_001.0)
    watch._turn()
    assert watch.stamp() == mine
    database.seen = ("12:12:", 1_002.0)
    watch._turn()
    assert watch.stamp() != mine
    assert database.chained == 2


def test_memory_is_believed_while_the_database_is_away_and_not_for_ever(watch, database):
    before, database.away = watch.stamp(), True
    watch._every = BLIND / 3
    for _ in range(2):
        watch._turn()
    assert watch.stamp() == before
    watch._turn()
    assert watch.stamp() != before


def test_when_the_database_is_back_everything_may_have_changed_and_claims_count_from_then(watch, database):
    assert watch.back_at() == 1_000.0
    before, database.away = watch.stamp(), True
    watch._turn()
    assert watch.back_at() == FAR_OFF
    database.away, database.seen = False, ("10:10:", 1_500.0)
    watch._turn()
    assert (watch.stamp() != before, watch.back_at()) == (True, 1_500.0)


def test_a_watch_that_is_closed_says_so(database):
    watch = Watch(database.look, database.chain, every=3_600)
    watch.close()
    with pytest.raises(VaultUnavailable):
        watch.stamp()


@pytest.mark.parametrize(
    ("until", "back_at", "seen"),
    [(100, 0, 100), (100, 200, 240), (150, 121, 161), (150, 120, 150), (230, 200, 230)],
)
def test_keep_inv_2_a_claim_from_before_an_outage_lasts_its_length_from_the_return(until, back_at, seen):
    held = Held("holder", 7, until, 30)
    assert after_outage(held, back_at).until == seen
    assert after_outage(held._replace(owner="", until=0), back_at).until == 0
