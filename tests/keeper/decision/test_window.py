"""When a token is renewed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.connection import Origin, Record
from evergrant.keeper.decision.window import Need, need, pause, safe_until, servable, spacing, window
from evergrant.keeper.provider.model import Limits
from evergrant.testing.chaos import PLAIN

NOW = 1_700_000_000


def record(life: int = 3600, **members: object) -> Record:
    base = Record(
        "con_1", version=1, access_token=b"a", refresh_token=b"r", sent_at=NOW, expires_at=NOW + life,
        origin=Origin.PROVIDER, refreshed_at=NOW,
    )  # fmt: skip
    return replace(base, **members)  # type: ignore[arg-type]


def test_a_token_is_tried_early_and_insisted_on_late() -> None:
    one = record()
    frame = window(one, PLAIN)
    assert NOW + 2700 <= frame.advisory_at <= NOW + 3100
    assert frame.mandatory_at == NOW + 3480
    assert need(one, PLAIN, frame.advisory_at - 1) is Need.NOTHING
    assert need(one, PLAIN, frame.advisory_at) is Need.ADVISORY
    assert need(one, PLAIN, frame.mandatory_at) is Need.MANDATORY


@given(st.integers(0, 400 * 86_400), st.text(max_size=10), st.integers(0, 10**7))
def test_the_windows_open_in_order_and_never_after_the_end(life: int, name: str, idle: int) -> None:
    one = record(life, connection_id=name, refresh_idle_end=NOW + idle if idle else 0)
    frame = window(one, PLAIN)
    assert NOW <= frame.advisory_at <= frame.mandatory_at <= frame.end
    assert NOW <= safe_until(one) <= one.expires_at


@pytest.mark.parametrize(("life", "margin"), [(3600, 10), (60, 6), (9, 1), (4, 1), (3, 0)])
def test_a_token_is_handed_out_until_a_request_with_it_may_still_arrive_in_time(life: int, margin: int) -> None:
    one = record(life)
    assert safe_until(one) == one.expires_at - margin
    assert servable(one, one.expires_at - margin - 1)
    assert not servable(one, one.expires_at - margin)


def test_k_19_connections_that_end_together_are_renewed_apart() -> None:
    begun = sorted(window(record(connection_id=f"con_{number}"), PLAIN).advisory_at for number in range(1000))
    assert begun[-1] - begun[0] > 300
    assert max(begun.count(second) for second in set(begun)) < 20
    assert window(record(), PLAIN) == window(record(), PLAIN)


def test_where_a_refresh_kills_the_old_token_it_comes_late() -> None:
    gentle = window(record(), replace(PLAIN, kills_old_access_token=True))
    assert gentle.advisory_at >= NOW + 3600 - 2 * PLAIN.mandatory_most


def test_a_provider_that_refuses_early_is_asked_when_it_takes_it() -> None:
    exact = replace(PLAIN, refresh_not_before=570)
    one = record(600)
    assert need(one, exact, NOW + 560) is Need.NOTHING
    assert need(one, exact, NOW + 571) is not Need.NOTHING
    zoho = replace(PLAIN, limits=Limits(refreshes=10, per=600))
    assert spacing(zoho) == 60


def test_k_20_a_record_from_the_future_is_renewed_and_not_trusted_for_ever() -> None:
    assert need(record(), PLAIN, NOW - 10_000) is Need.ADVISORY


def test_an_unused_refresh_token_is_used_before_it_goes_idle() -> None:
    one = record(400 * 86_400, refresh_idle_end=NOW + 60 * 86_400)
    assert need(one, PLAIN, NOW + 31 * 86_400) is Need.ADVISORY
    assert need(one, PLAIN, NOW + 29 * 86_400) is Need.NOTHING


def test_nothing_is_renewed_without_a_refresh_token_or_without_an_end() -> None:
    assert need(record(refresh_token=b""), PLAIN, NOW + 10**6) is Need.NOTHING
    assert need(record(origin=Origin.NEVER, expires_at=0), PLAIN, NOW + 10**9) is Need.NOTHING
    assert servable(record(origin=Origin.NEVER, expires_at=0), NOW + 10**9)
    assert not servable(record(), NOW + 3600)
    assert not servable(record(access_token=b""), NOW)


@given(st.integers(-5, 10**6), st.floats(0, 1))
def test_k_18_a_pause_grows_has_a_bound_and_is_never_zero(failures: int, lot: float) -> None:
    assert 1 <= pause(failures, 5, 900, lot) <= 900
    assert pause(3, 5, 900, 1.0) == 20
    assert pause(3, 5, 900, 0.0) == 10
