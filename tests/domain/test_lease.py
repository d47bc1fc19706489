"""Who has a lease, who may take it, and who finds out that it went on."""

from evergrant.domain.lease import Lease, kept, taken

MINE, THEIRS = "node-1:7:aaaa", "node-2:7:bbbb"


def test_o_18_a_lease_is_one_owners_until_its_end_and_then_the_next_ones_with_a_new_fence():
    mine = taken(None, "house", MINE, 1_000, 60)
    assert mine == Lease("house", MINE, 1, 1_060)
    assert taken(mine, "house", THEIRS, 1_059, 60) is None
    theirs = taken(mine, "house", THEIRS, 1_060, 60)
    assert theirs == Lease("house", THEIRS, 2, 1_120)
    assert kept(theirs, mine, 1_061, 60) is None, "whoever wakes up late is fenced"
    assert kept(theirs, theirs, 1_061, 60) == Lease("house", THEIRS, 2, 1_121)


def test_o_18_the_same_owner_keeps_its_fence_and_a_lease_nobody_took_is_still_good_after_its_end():
    mine = taken(None, "house", MINE, 1_000, 60)
    assert taken(mine, "house", MINE, 1_030, 60).fence == 1
    assert kept(mine, mine, 5_000, 60) == Lease("house", MINE, 1, 5_060)
    assert kept(None, mine, 1_001, 60) is None


def test_o_09_a_lease_written_by_a_clock_that_was_put_back_since_binds_nobody():
    far = taken(None, "house", MINE, 90_000, 60)
    assert taken(far, "house", THEIRS, 1_000, 60) == Lease("house", THEIRS, 2, 1_060)
