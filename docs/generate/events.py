"""Write docs/reference/events.md from the vocabulary of the audit trail: `python docs/generate/events.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evergrant.domain.event import MEANING, What
from evergrant.domain.reason import Reason, Refusal

PAGE: Final = Path(__file__).parent.parent / "reference" / "events.md"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/events.py from src/evergrant/domain/event.py and reason.py; edit there, not here. -->

# Events

The audit trail is written in the same transaction as what it tells, so neither exists without the other. Events carry
identifiers, networks and user agents, never a secret, and are kept for `audit.retention`. Read them with
`evergrant event list`, as they happen with `--follow`.

An event has a number that is never given twice, an instant (`at`, seconds since the epoch), its kind (`what`), and,
where they apply, the ids of client, account, family and session, the generation of the refresh token, the network and
agent it came from, a `reason` and a `detail`.

| what | meaning |
|---|---|"""

_REASONS: Final = """
## Reasons

Why something ended is stored once, with the end itself, in `reason`. On `family.ended`, `families.ended` and
`session.ended` it is one of:
"""

_REFUSALS: Final = """
A refused refresh ends nothing unless it says so. The `reason` of `family.refused`, `family.forged` and `family.ahead`
is the reason why the family had ended, or one of:
"""


def render() -> str:
    """Return the whole page."""
    rows = [f"| `{what.value}` | {MEANING[what]} |" for what in What]
    return "\n".join([_INTRODUCTION, *rows, _REASONS, _words(Reason), _REFUSALS, _words(Refusal), ""])


def _words(words: type[Reason | Refusal]) -> str:
    return ", ".join(f"`{word.value}`" for word in words) + "."


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
