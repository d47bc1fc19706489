"""The decision table after a restored backup or a failover that lost commits: an operator's event, never theft."""

import pytest

from evergrant.domain.epoch import Epoch
from evergrant.domain.event import What
from evergrant.domain.policy import Policy
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Ask, Presented, Settlement, Successor, Verdict, decide
from evergrant.testing import specimens

NOW = specimens.NOW
KNOWN, LOST, OTHER = (bytes([n]) * 32 for n in (1, 2, 9))
SUCCESSOR = Successor(b"\x04" * 32, b"sealed under what was presented")
ROTATE, REUSABLE = Policy(), Policy(rotate=False)
RESTORED = Epoch().following(heads_trusted=False)
FAILED_OVER = Epoch().following(heads_trusted=True)
GENERATION = 5


def presented(generation: int, digest: bytes, epoch: Epoch, policy: Policy = ROTATE, **changes) -> Settlement:
    """What presenting a token does to a family whose row the store remembers at generation 5."""
    born = changes.pop("born", 0)
    head = specimens.head(
        generation=GENERATION, digest=KNOWN, predecessor=OTHER, spent_at=NOW - 9, overlap_end=NOW + 51, sealed=b"s",
        epoch=born,
    )  # fmt: skip
    family = specimens.family(head=head, binding=changes.get("binding", ""))
    ask = Ask(family.client_id, network="203.0.113.5", agent="made-up/2", epoch=epoch)._replace(**changes)
    return decide(family, Presented(family.id, generation, digest), ask, SUCCESSOR, policy, NOW)


PROOFS = [{"authenticated": True}, {"binding": "jkt:holder"}]


@pytest.mark.parametrize(("generation", "digest"), [(GENERATION, KNOWN), (GENERATION - 1, OTHER), (9, LOST), (2, LOST)])
def test_o_13_after_a_restore_an_unbound_public_client_signs_in_again_and_nobody_is_called_a_thief(generation, digest):
    settlement = presented(generation, digest, RESTORED)
    assert (settlement.verdict, settlement.refusal) == (Verdict.REFUSE, Refusal.RESTORED)
    assert settlement.ended is not None
    assert settlement.ended.reason is Reason.RESTORED
    assert settlement.notice is None
    assert [event.what for event in settlement.events] == [What.FAMILY_ENDED]


@pytest.mark.parametrize("proof", PROOFS)
def test_o_13_after_a_restore_a_client_that_proves_itself_goes_on_from_what_the_row_knows(proof):
    settlement = presented(GENERATION, KNOWN, RESTORED, **proof)
    assert settlement.verdict is Verdict.ROTATE
    assert (settlement.head.generation, settlement.head.epoch) == (GENERATION + 1, 1)


@pytest.mark.parametrize("epoch", [RESTORED, FAILED_OVER])
@pytest.mark.parametrize("proof", PROOFS)
def test_o_03_o_13_a_lost_successor_is_adopted_from_a_client_that_proves_itself(proof, epoch):
    settlement = presented(9, LOST, epoch, **proof)
    assert settlement.verdict is Verdict.ROTATE
    head = settlement.head
    assert (head.generation, head.predecessor, head.epoch) == (10, LOST, 1)
    assert (head.sealed, head.repeats) == (SUCCESSOR.sealed, 0)
    adopted, rotated = settlement.events
    assert (adopted.what, adopted.generation) == (What.FAMILY_ADOPTED, 9)
    assert "5" in adopted.detail
    assert (rotated.what, rotated.generation) == (What.FAMILY_ROTATED, 10)


def test_o_03_a_reusable_token_ahead_of_its_row_becomes_its_head():
    settlement = presented(9, LOST, RESTORED, REUSABLE, authenticated=True)
    assert settlement.verdict is Verdict.REFRESH
    assert (settlement.head.generation, settlement.head.digest, settlement.head.epoch) == (9, LOST, 1)


@pytest.mark.parametrize("proof", [{}, *PROOFS])
def test_o_03_without_a_declared_loss_a_token_ahead_of_its_row_is_an_alarm_and_the_family_unharmed(proof):
    settlement = presented(9, LOST, Epoch(), **proof)
    assert (settlement.verdict, settlement.refusal) == (Verdict.REFUSE, Refusal.AHEAD)
    assert (settlement.head, settlement.ended, settlement.notice) == (None, None, None)
    assert [event.what for event in settlement.events] == [What.FAMILY_AHEAD]


@pytest.mark.parametrize("proof", [{}, *PROOFS])
def test_o_03_a_family_that_has_spoken_since_the_loss_is_believed_no_more_than_any_other(proof):
    assert presented(9, LOST, RESTORED, born=1, **proof).refusal is Refusal.AHEAD
    assert presented(GENERATION, KNOWN, RESTORED, born=1, **proof).verdict is Verdict.ROTATE


def test_o_03_after_a_failover_an_unbound_public_head_goes_on_for_almost_none_of_them_lost_anything():
    settlement = presented(GENERATION, KNOWN, FAILED_OVER)
    assert (settlement.verdict, settlement.head.epoch) == (Verdict.ROTATE, 1)
    repeat = presented(GENERATION - 1, OTHER, FAILED_OVER)
    assert (repeat.verdict, repeat.head.epoch) == (Verdict.REPEAT, 0)


def test_o_03_after_a_failover_the_lost_successor_of_an_unbound_public_client_ends_its_family_without_a_notice():
    """Ahead of its row, or beside the successor that its predecessor was given once more: two hold the family."""
    for settlement in (presented(9, LOST, FAILED_OVER), presented(GENERATION, LOST, FAILED_OVER, born=1)):
        assert (settlement.refusal, settlement.ended.reason) == (Refusal.RESTORED, Reason.RESTORED)
        assert settlement.notice is None
    bound = presented(GENERATION, LOST, FAILED_OVER, born=1, authenticated=True)
    assert (bound.refusal, bound.ended) == (Refusal.FORGED, None)


def test_o_13_a_failover_after_a_restore_makes_no_head_of_before_the_restore_good():
    later = RESTORED.following(heads_trusted=True)
    assert later == Epoch(2, 1)
    assert presented(GENERATION, KNOWN, later).refusal is Refusal.RESTORED
    assert presented(GENERATION, KNOWN, later, born=1).verdict is Verdict.ROTATE


def test_o_13_what_is_checked_before_a_token_is_spent_is_checked_before_one_is_adopted():
    wide = presented(9, LOST, RESTORED, authenticated=True, scope="admin")
    assert (wide.refusal, wide.head) == (Refusal.SCOPE, None)
    other = presented(9, LOST, RESTORED, authenticated=True, client_id="cli_other")
    assert (other.refusal, other.head) == (Refusal.WRONG_CLIENT, None)


def test_o_13_a_process_that_has_not_heard_of_a_loss_takes_no_family_back_behind_it():
    settlement = presented(GENERATION, KNOWN, Epoch(), born=1)
    assert settlement.head.epoch == 1
