"""Write docs/reference/chaos.md from the one table of modes: `python docs/generate/chaos.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evergrant.testing.chaos import MODES, Mode, Outcome
from evergrant.testing.chaos.mode import Kind, Occasion

PAGE: Final = Path(__file__).parent.parent / "reference" / "chaos.md"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/chaos.py from src/evergrant/testing/chaos/modes.py; edit there, not here. -->

# The chaos provider

A real HTTP authorization server for tests. It behaves like any provider that is shipped, by that provider's data, and
misbehaves in the modes below. How to use it: [try your own client](../try-your-client.md).

- `evergrant chaos --provider ID --mode MODE …` runs it as a process ([command line](command-line.md#chaos));
- `async with Chaos("slack", ["lost_reply:times=1"]) as chaos:` runs it in a test, `with beside(…) as chaos:` in a test
  that is not async; both are in `evergrant.testing.chaos`;
- without a provider it is `plain`: an OpenID provider by the book, whose refresh tokens are good once.

It listens on loopback alone, keeps everything in memory, and lets everybody consent. With a seed its tokens and its
chances are the same each time; with `EVERGRANT_TEST_CLOCK` its time is that of a file.

What a provider's data do not say is taken strictly: it rotates, a spent token is refused, access tokens live an hour.

## Asking for a mode

A mode is written `NAME` or `NAME:setting=value,setting=value`; values are JSON, or plain text. Every mode takes:

| setting | meaning |
|---|---|
| `times=N` | for the next N requests that it is about; then it is gone |
| `chance=P` | each time with this probability, from 0 to 1 |
| `on=OCCASION` | what it is about: {occasions}, several joined by `+`, or `any` |

Rules and shapes hold for every request, faults for refresh requests, unless `on` says otherwise; with `times` or
`chance` rules and shapes are about refresh requests, too. Several modes are applied in their order, and the last one
wins.
"""

_KINDS: Final = {
    Kind.RULE: ("Rules", "What a refresh token is good for."),
    Kind.SHAPE: ("Shapes", "How the same thing is said."),
    Kind.FAULT: ("Faults", "What goes wrong: after the refresh was done, in what is said of it, or before it."),
}  # fmt: skip

_CONTROL: Final = """\
## Controlling it from outside

Below `/chaos` on the same address, with the control token as bearer. Faults never happen here.

| request | body | what it does |
|---|---|---|
| `GET /chaos/modes` | | say what is in force, with the times that are left |
| `POST /chaos/modes` | `{"modes": ["lost_reply:times=1"]}` | put modes in force, after those there are |
| `PUT /chaos/modes` | the same | put these in force and no other |
| `DELETE /chaos/modes` | | put none in force |
| `POST /chaos/grants` | `{"user": "ada", "scope": "read write"}` | make a grant without a browser; its id and reply |
| `POST /chaos/withdraw` | `{"user": "ada"}` | end every grant of a user, as they might |
| `POST /chaos/end-access` | `{"user": "ada"}` | end a user's access tokens before their time, and nothing else |
| `POST /chaos/device` | `{"user_code": "…", "user": "ada", "allow": true}` | answer for the person at a device |
| `POST /chaos/release` | | let go of the replies that `held_reply` holds now |
| `GET /chaos/ledger` | | tell the ledger |

## The ledger

What a judge needs, with fingerprints in place of tokens (the first sixteen digits of the SHA-256).

| member | meaning |
|---|---|
| `refreshes` | refresh requests that arrived |
| `rotations` | refresh tokens spent for a successor |
| `refreshes_per_rotation` | 1.0 for a client that never asks twice |
| `second_spends` | requests with a token that had been spent, whether or not the provider forgave them |
| `most_in_flight` | the most requests with one token that were under way at once |
| `astray` | requests with a secret that went where a redirect led |
| `grants`, `alive`, `killed` | grants made, living, and ended by a second spend |
| `ended` | each grant that ended, and why: `reuse`, `evicted`, `revoked`, `withdrawn`, `code used twice` |
| `outcomes` | how many requests came to what |
| `requests` | every request: `number`, `at`, `token`, `outcome`, `grant`, `successor`, `second`, `killed`, `modes` … |

An outcome is one of:
"""


def render() -> str:
    """Return the whole page."""
    occasions = ", ".join(f"`{one}`" for one in Occasion)
    parts = [_INTRODUCTION.replace("{occasions}", occasions)]
    for kind, (title, line) in _KINDS.items():
        parts += [f"## {title}\n\n{line}\n", *_table(kind), ""]
    words = ", ".join(f"`{one}`" for one in Outcome)
    return "\n".join([*parts, _CONTROL + words + ".", ""])


def _table(kind: Kind) -> Iterator[str]:
    yield "| mode | settings | what happens |\n|---|---|---|"
    for mode in MODES.values():
        if mode.kind is kind:
            yield f"| `{mode.name}` | {_settings(mode)} | {mode.sentence} |"


def _settings(mode: Mode) -> str:
    return ", ".join(f"`{name}={json.dumps(value)}`" for name, value in mode.takes.items())


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
