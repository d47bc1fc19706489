"""A real server whose wall clock is stepped while it runs: it waits, changes nothing, and recovers (attack O-09)."""

import asyncio
from pathlib import Path

import pytest

from evergrant.domain.event import What
from tests.attacks.processes import Presented, families_of, present, request, server, signed_in
from tests.issuing import Held

pytestmark = pytest.mark.long
YEAR = 365 * 86_400


def ask(port: int, held: Held) -> Presented:
    async def once() -> Presented:
        return await present(port, request(held), asyncio.Barrier(1))

    return asyncio.run(once())


def test_o_09_a_stepped_clock_is_503_with_retry_after_until_it_is_put_right_or_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    monkeypatch.setenv("EVERGRANT_TEST_CLOCK", str(clock))
    one, other = asyncio.run(signed_in(tmp_path, 2))
    with server(tmp_path, 1) as port:
        clock.write_text(f"0 {2 * YEAR}")
        refused = ask(port, one)
        assert (refused.status, refused.members["error"]) == (503, "temporarily_unavailable")
        assert b"retry-after: " in refused.head
        clock.write_text("0 0")
        found = ask(port, one)
        assert found.status == 200
        clock.write_text(f"600 {2 * YEAR}")
        assert ask(port, other).status == 503
        clock.write_text(f"1200 {2 * YEAR}")
        assert ask(port, other).members["error"] == "invalid_grant"
    families, trail = asyncio.run(families_of(tmp_path, [one, other]))
    assert [family.ended is None for family in families] == [True, False]
    assert families[0].head.generation == 1
    assert (trail[What.FAMILY_REFUSED], trail[What.FAMILY_ENDED]) == (2, 1)
