"""Lifetimes that nobody tells: asked for once, kept, carried on."""

from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Origin
from evergrant.keeper.service.learn import end_in
from evergrant.testing.chaos import PLAIN
from tests.keeper.living import living

UNTOLD = replace(PLAIN, access_lifetime=None, expires_in_present=False)


async def test_a_lifetime_is_learned_from_introspection_once_and_holds_for_the_tokens_after_it() -> None:
    clock = FixedClock()
    async with living(UNTOLD, "no_expires_in", clock=clock) as life:
        await life.connect(expires_in=1, origin=Origin.UNKNOWN)
        await life.keeper.lease("here", "user-42")
        record = (await life.vault.load("", "con_user-42")).records["main"]
        assert record.origin is Origin.INTROSPECTION
        learned = record.expires_at - record.sent_at
        clock.advance(learned)
        await life.keeper.lease("here", "user-42")
        record = (await life.vault.load("", "con_user-42")).records["main"]
        assert (record.version, record.origin) == (3, Origin.INTROSPECTION)
        assert record.expires_at == record.sent_at + learned


async def test_without_an_answer_the_lifetime_stays_an_assumption() -> None:
    async with living(replace(UNTOLD, introspect_url=""), "no_expires_in") as life:
        await life.connect(expires_in=1)
        await life.keeper.lease("here", "user-42")
        assert (await life.vault.load("", "con_user-42")).records["main"].origin is Origin.UNKNOWN


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ({"active": True, "exp": 1900}, 1900), ({"active": True, "exp": "1900"}, 1900), ({"active": True}, 0),
        ({"active": False, "exp": 1900}, 0), ({"active": "true", "exp": 1900}, 0), ({"active": True, "exp": 900}, 0),
        ({"active": True, "exp": 1e300}, 0),
    ],
)  # fmt: skip
def test_k_10_only_an_end_in_the_future_is_learned(said: dict[str, object], end: int) -> None:
    assert end_in(said, 1000, 0) == end


def test_k_20_a_provider_with_a_wrong_clock_teaches_no_wrong_lifetime() -> None:
    assert end_in({"active": True, "exp": 6900}, 1000, 5000) == 1900
