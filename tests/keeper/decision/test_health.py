"""How health moves, and what is told about it."""

from itertools import product

import pytest

from evergrant.keeper.connection import Connection, Health, Reason
from evergrant.keeper.decision.health import ALLOWED, TOLD, moved
from evergrant.keeper.decision.letter import letter, lettered
from evergrant.keeper.event import What


def connection(health: Health, reason: Reason = Reason.NONE) -> Connection:
    return Connection("con_1", "t", "c", "p", "a", "u", health=health, reason=reason, detail="first")


@pytest.mark.parametrize(("before", "after"), list(product(Health, Health)))
def test_every_edge_is_an_event_and_nothing_else_moves(before: Health, after: Health) -> None:
    found, events = moved(connection(before, Reason.MISUSE), after, Reason.BY_USER, 100, detail="second")
    if before is not after and after in ALLOWED[before]:
        assert found.health is after
        assert found.changed_at == 100
        assert [one.what for one in events] == [TOLD[after]]
    else:
        assert found.health is before
        assert events == ()


def test_only_an_operator_or_an_end_leaves_a_quarantine() -> None:
    assert ALLOWED[Health.QUARANTINED] == {Health.ACTIVE, Health.REVOKING, Health.REVOKED}


def test_that_the_user_must_come_back_is_told_once_and_its_first_reason_stays() -> None:
    needs, _ = moved(connection(Health.ACTIVE), Health.NEEDS_REAUTH, Reason.GRANT_DEAD, 1)
    again, events = moved(needs, Health.NEEDS_REAUTH, Reason.GRANT_LOST, 2)
    assert (again.reason, events) == (Reason.GRANT_DEAD, ())


@pytest.mark.parametrize("passing", [Health.DEGRADED, Health.IN_DOUBT, Health.SUSPENDED_CLIENT])
def test_keep_inv_3_a_passing_fault_never_covers_that_the_user_must_come_back(passing: Health) -> None:
    assert passing not in ALLOWED[Health.NEEDS_REAUTH]


def test_a_letter_says_who_what_and_why_and_a_recovery_nobody_heard_of_is_not_announced() -> None:
    after, (event,) = moved(connection(Health.ACTIVE), Health.NEEDS_REAUTH, Reason.GRANT_DEAD, 7)
    assert lettered(event)
    body = letter(event, after, "evt_1").body
    assert b'"type":"connection.needs_reauth"' in body
    assert b'"reason":"grant_dead"' in body
    _, (back,) = moved(connection(Health.DEGRADED), Health.ACTIVE, Reason.NONE, 8)
    assert (back.what, back.reason, lettered(back)) == (What.RESTORED, "degraded", False)
    _, (back,) = moved(connection(Health.NEEDS_REAUTH), Health.ACTIVE, Reason.NONE, 8)
    assert lettered(back)
