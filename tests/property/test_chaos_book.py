"""Whatever a client presents in whatever order, the chaos provider's ledger tells what really became of it."""

import asyncio
import json
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.clock import FixedClock
from evergrant.testing.chaos import Chaos, Outcome
from evergrant.testing.chaos.ledger import fingerprint
from evergrant.testing.chaos.site import Site
from evergrant.testing.chaos.spending import SERVED
from evergrant.testing.chaos.wire import Request
from tests.testing.chaos.caller import basic

RULES: Final = (
    "strict_one_shot", "replay_window", "previous_window", "until_successor_used", "daily_rotation", "never_rotates",
    "client_user_kill", "early_refusal:seconds=30", "slots:most=2", "kills_access_token",
)  # fmt: skip
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["present", "grant", "wait", "withdraw"]), st.integers(0, 60)), min_size=3, max_size=25
)


def present(chaos: Chaos, site: Site, token: str) -> dict[str, object]:
    form = f"grant_type=refresh_token&refresh_token={token}".encode()
    headers = {
        "authorization": basic(chaos.client_id, chaos.client_secret),
        "content-type": "application/x-www-form-urlencoded",
    }
    answer = asyncio.run(site.handle(Request("POST", "/token", {}, headers, form)))
    return json.loads(answer.body) if answer.status == 200 else {}


@given(rules=st.lists(st.sampled_from(RULES), max_size=2, unique=True), steps=STEPS)
@settings(max_examples=150)
def test_the_ledger_tells_what_really_became_of_every_token(rules: list[str], steps: list[tuple[str, int]]) -> None:
    clock = FixedClock()
    chaos = Chaos("plain", rules, clock=clock, seed=1)
    chaos._state.origin = "http://127.0.0.1:1"
    site, ledger = Site(chaos._state), chaos.ledger
    tokens = [chaos.grant("ada").refresh_token]
    for what, number in steps:
        if what == "grant":
            tokens.append(chaos.grant(f"user-{number % 3}").refresh_token)
        elif what == "wait":
            clock.advance(number)
        elif what == "withdraw" and number % 7 == 0:
            chaos.withdraw("ada")
        elif what == "present":
            ended = dict(ledger.ended)
            token = tokens[number % len(tokens)]
            told = present(chaos, site, token)
            seen = ledger.refreshes[-1]
            before = ledger.refreshes[:-1]
            spent = any(one.outcome is Outcome.ROTATED and one.token == seen.token for one in before)
            assert seen.token == fingerprint(token)
            assert seen.second == spent
            assert (seen.outcome in SERVED) == bool(told)
            assert not (told and seen.grant in ended)
            assert (seen.outcome is Outcome.ROTATED) <= (not spent)
            assert set(seen.killed) == set(ledger.ended) - set(ended)
            if told.get("refresh_token"):
                tokens.append(str(told["refresh_token"]))
    assert set(ledger.alive) | set(ledger.ended) == set(ledger.granted)
    assert ledger.rotations == len({one.token for one in ledger if one.outcome is Outcome.ROTATED})
