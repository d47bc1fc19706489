"""Write docs/keeper/concepts.md, its tables by running what decides: `python docs/generate/keeper_concepts.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from evergrant.keeper.connection import Connection, Health, Intent, Origin, Reason, Record, Step
from evergrant.keeper.decision.answer import read
from evergrant.keeper.decision.doubt import Probed, resolve
from evergrant.keeper.decision.health import ALLOWED, REFRESHING, SERVING, TOLD
from evergrant.keeper.decision.letter import LETTERED
from evergrant.keeper.decision.outcome import Case, Missing, Unreachable, settle
from evergrant.keeper.event import MEANING
from evergrant.keeper.exchange import Answer
from evergrant.keeper.provider.model import Provider, Retry, ReuseEffect, Rotates

PAGE: Final = Path(__file__).parent.parent / "keeper" / "concepts.md"
NOW: Final = 1_000_000
HOUR: Final = 3_600

RECORD: Final = Record(
    "con", version=3, access_token=b"a", refresh_token=b"r", fingerprint="f", sent_at=NOW - HOUR // 2,
    expires_at=NOW + HOUR // 2, origin=Origin.PROVIDER,
)  # fmt: skip
INTENT: Final = Intent("int", "con", "main", 3, "f", 1, NOW - 30, NOW, "no")
CONNECTION: Final = Connection("con", "", "app", "example", "ada", "ada", version=3, health=Health.ACTIVE)
STRICT: Final = Provider(
    "example", "Example", rotates=Rotates.ALWAYS, retry=Retry.NO, reuse_effect=ReuseEffect.REJECTED
)
FATAL: Final = replace(STRICT, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED)
TELLING: Final = replace(STRICT, kills_old_access_token=True, probe_url="https://api.example.com/me")


class Doubt(NamedTuple):
    """One row: what is known, and everything that the decision is given."""

    known: str
    provider: Provider = STRICT
    intent: Intent = INTENT
    record: Record = RECORD
    more: dict[str, Any] | None = None


DOUBTS: Final = (
    Doubt("the vault holds other tokens than the note was about", record=replace(RECORD, version=4)),
    Doubt("the answer was written down, and can be read", intent=replace(INTENT, step=Step.ANSWERED),
          more={"readable": True}),
    Doubt("the provider declared this token dead meanwhile", record=replace(RECORD, dead=("f",))),
    Doubt("it asked us to wait, or our own pause is not over", more={"not_before": NOW + 60}),
    Doubt("a spent token stays good there (`safe`)", replace(STRICT, retry=Retry.SAFE)),
    Doubt("it stays good until its successor is used", replace(STRICT, retry=Retry.UNTIL_SUCCESSOR_USED)),
    Doubt("it may be repeated for 60 s, and 30 have passed", replace(STRICT, retry=Retry.WINDOW, grace=60)),
    Doubt("it may be repeated for 20 s, and 30 have passed", replace(STRICT, retry=Retry.WINDOW, grace=20)),
    Doubt("sending it again would end the user's other connections", FATAL),
    Doubt("the same, but the old access token tells that it was not spent",
          replace(TELLING, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED), more={"probed": Probed.ALIVE}),
    Doubt("nobody knows what this provider does, first time", replace(STRICT, retry=Retry.UNKNOWN)),
    Doubt("the same, and it was repeated once already", replace(STRICT, retry=Retry.UNKNOWN),
          replace(INTENT, replays=1)),
    Doubt("a refresh kills the old access token there: it has not been tried", TELLING),
    Doubt("the same: it still works", TELLING, more={"probed": Probed.ALIVE}),
    Doubt("the same: it is dead", TELLING, more={"probed": Probed.DEAD}),
    Doubt("no second chance is promised, and the access token is good for a while"),
    Doubt("no second chance is promised, and the access token has ended", record=replace(RECORD, expires_at=NOW - 1)),
)  # fmt: skip
_WAYS: Final = {
    "commit": "commit the answer", "close": "nothing to do", "replay": "send the same token once more",
    "probe": "try the old access token at a cheap address", "wait": "wait, and serve the access token on",
    "give_up": "send nothing; the user connects again",
}  # fmt: skip


def doubts() -> Iterator[str]:
    """How a doubt ends, each row decided now."""
    yield "| what is known | what is done | because (audit trail) |\n|---|---|---|"
    for row in DOUBTS:
        found = resolve(row.intent, row.record, row.provider, NOW, **(row.more or {}))
        reason = f", `{found.reason}`" if found.reason else ""
        yield f"| {row.known} | **{_WAYS[found.way.value]}**{reason} | `{found.why}` |"


JSON: Final = {"content-type": "application/json"}
TOKENS: Final = {"access_token": "new", "refresh_token": "next", "expires_in": 3600}
ANSWERS: Final = (
    ("200 with tokens", Answer(200, JSON, json.dumps(TOKENS).encode(), NOW)),
    ("200 without a refresh token", Answer(200, JSON, b'{"access_token": "new", "expires_in": 3600}', NOW)),
    ("200 with something that is no answer (a captive portal)",
     Answer(200, {"content-type": "text/html"}, b"<html>", NOW)),
    ("200, cut off in the middle", Answer(200, JSON, b'{"access_token": "n', NOW)),
    ("400 `invalid_grant`", Answer(400, JSON, b'{"error": "invalid_grant"}', NOW)),
    ("400 `interaction_required`", Answer(400, JSON, b'{"error": "interaction_required"}', NOW)),
    ("400 `invalid_scope`", Answer(400, JSON, b'{"error": "invalid_scope"}', NOW)),
    ("401 `invalid_client`", Answer(401, JSON, b'{"error": "invalid_client"}', NOW)),
    ("400 that no table knows", Answer(400, JSON, b'{"error": "something_new"}', NOW)),
    ("429, come back in 60 s", Answer(429, {**JSON, "retry-after": "60"}, b"{}", NOW)),
    ("500", Answer(500, JSON, b"{}", NOW)),
    ("503", Answer(503, JSON, b"{}", NOW)),
)  # fmt: skip
_VERDICTS: Final = {
    "Granted": "tokens", "Dead": "the grant is dead", "Interaction": "the user has to do something",
    "ClientRefused": "our client is refused", "ScopeRefused": "the scope is refused", "Busy": "later",
    "Unknown": "nobody can tell",
}  # fmt: skip


def classified() -> Iterator[str]:
    """What each answer means and what becomes of an active connection, decided now."""
    yield "| what came | it means | health afterwards | reason |\n|---|---|---|---|"
    case = Case(CONNECTION, RECORD, {"main": RECORD}, STRICT, INTENT, NOW, 0.5, 5, HOUR)
    yield _ended("no connection, no name, no TLS", "it was never sent", case, Unreachable("no connection"))
    yield _ended("no answer after it was sent", "nobody can tell", case, Missing("no answer"))
    for came, answer in ANSWERS:
        verdict = read(STRICT, answer, records=("main",), asked=())
        fitting = replace(case, fingerprint="g") if came == "200 with tokens" else case
        yield _ended(came, _VERDICTS[type(verdict).__name__], fitting, verdict)


def _ended(came: str, means: str, case: Case, ending: Any) -> str:
    after = settle(case, ending).connection
    return f"| {came} | {means} | `{after.health}` | {f'`{after.reason}`' if after.reason else '-'} |"


_HEALTH: Final = {
    Health.PENDING_CONSENT: "somebody was sent to the provider and has not come back",
    Health.ACTIVE: "it works",
    Health.DEGRADED: "the last refresh failed for now; the next one comes by itself",
    Health.IN_DOUBT: "a refresh token may have been spent, and the answer is missing",
    Health.NEEDS_REAUTH: "only the user can repair it",
    Health.SUSPENDED_CLIENT: "the provider refuses our client, whoever the user is",
    Health.QUARANTINED: "an operator, or evidence of misuse, has stopped it",
    Health.REVOKING: "it was disconnected here, and the provider is being told",
    Health.REVOKED: "it is over, and its tokens are shredded",
}


def edges() -> Iterator[str]:
    """Every health, what is done in it, and what it may become."""
    yield "| health | meaning | tokens handed out | refreshed | may become |\n|---|---|---|---|---|"
    for health, meaning in _HEALTH.items():
        onward = ", ".join(f"`{one}`" for one in Health if one in ALLOWED[health])
        serves, renews = ("yes" if health in found else "no" for found in (SERVING, REFRESHING))
        yield f"| `{health}` | {meaning} | {serves} | {renews} | {onward} |"


_REASONS: Final = {
    Reason.GRANT_DEAD: "the provider says that the refresh token will never work again",
    Reason.GRANT_DEAD_UNEXPLAINED: "the same, although nobody here spent it twice: stolen, or somebody else has it",
    Reason.VAULT_RESTORED: "the provider refused a token that came out of a backup: it had been rotated after that",
    Reason.GRANT_LOST: "a refresh was cut off, and repeating it was useless or would have done harm",
    Reason.IDLE_LIMIT: "nobody used it for as long as the provider allows",
    Reason.HARD_LIMIT: "the consent has run out; nobody could have prolonged it",
    Reason.INTERACTION_REQUIRED: "the provider wants the user: a new password, a second factor, new terms",
    Reason.SCOPE_MISSING: "the user has not allowed what is asked for",
    Reason.NO_REFRESH_TOKEN: "the access token ended, and there is nothing to renew it with",
    Reason.ACCOUNT_CHANGED: "an answer named another account; nothing of it was kept",
    Reason.CLIENT_REFUSED: "our id or secret is wrong, expired or withdrawn",
    Reason.PROVIDER_UNREACHABLE: "no connection to the provider",
    Reason.PROVIDER_BUSY: "the provider asks to come back later",
    Reason.ANSWER_UNREADABLE: "an answer that no table knows",
    Reason.REFRESH_IN_DOUBT: "sent, and not answered",
    Reason.RECORD_UNREADABLE: "a sealed value does not open: the wrong key, or the row was changed",
    Reason.MISUSE: "signs of misuse, and `keeper.quarantine` is on",
    Reason.BY_USER: "the user disconnected it",
    Reason.BY_OPERATOR: "an operator did it",
    Reason.REVOKED_AT_PROVIDER: "the user withdrew it at the provider",
}


def reasons() -> Iterator[str]:
    """Every reason that is stored with a connection."""
    yield "| reason | meaning |\n|---|---|"
    yield from (f"| `{reason}` | {_REASONS[reason]} |" for reason in Reason if reason)


def told() -> Iterator[str]:
    """Every event of the audit trail, and which of them become letters."""
    yield "| event | meaning | webhook |\n|---|---|---|"
    yield from (f"| `{what}` | {meaning} | {'yes' if what in LETTERED else ''} |" for what, meaning in MEANING.items())


TEXT: Final = """\
# What the keeper does, and why

Generated by `make docs`; the tables are made by running the code that decides.

A *connection* is one account at one provider. It holds a refresh token, sealed, and hands out *leases*: access tokens
that work now. A *client* is an application that you have registered at a provider. Callers never see a refresh token.

## One refresh, step by step

A refresh token that rotates can be spent once. Whoever spends it and loses the answer has lost the account. So:

1. **Claim.** One refresher at a time holds the right to spend, across threads, processes and hosts that share the
   vault. The claim outlasts the longest time that a request and its commit can take.
2. **Intent.** A durable note says which token is about to be spent. If it cannot be written, nothing is sent.
3. **One request.** One POST with a deadline inside the claim: no redirects, no hidden retries, no second way of
   authenticating tried.
4. **Journal.** The answer is written down, sealed, before anybody tries to understand it.
5. **Commit.** New tokens, closed note, audit entry and webhook in one transaction, only if nothing newer is there.
6. **Serve.** Callers get the token after the commit, never before.

A process may die between any two of these steps. Whoever comes next finds the note and knows what may have happened.

## How a doubt ends

The note is open, its writer is gone, and nobody knows whether the token was spent. The rows are tried from top to
bottom.

{doubts}

A token is never sent again in a loop: pauses grow, and only a definite answer ends the connection. An outage of the
provider, however long, asks nothing of a user.

## What an answer means

A strict provider that rotates and promises nothing; an active connection whose access token is good for half an hour.

{classified}

`invalid_grant` is believed only after the vault was read again: if another refresher has rotated meanwhile, its token
is taken. What a provider says in its own words ([how providers differ](providers-differ.md)) comes before these
codes.

## Health

{edges}

{health_told}

While an access token is good it is handed out, even if its refresh token is known to be dead: a caller in the middle
of its work is not stopped early.

## Reasons

{reasons}

## What is told

{told}

Each line of the audit trail carries the digest of the one before, so that a line cannot be taken out unnoticed.

## What nobody can promise

**The provider cannot be fenced.** A claim keeps two of our refreshers from spending at once, and a fence keeps a late
one from overwriting. Neither stops a request that has left already. What closes that gap is time: the request's
deadline ends before the claim does. Where a process is frozen for longer than that between the last look at the clock
and the send, two requests with one token can reach a provider; the second is then answered as the provider answers a
doubt.

**A strict provider can lose a grant without anybody's fault.** Where it rotates, promises no second answer, and the
answer is lost on the way, nobody can get that token again. The keeper tells the user at once, with the reason
`grant_lost`.

**Another program with the same refresh token** (a copy, an old script) looks like a thief, and one of the two is
locked out. Import a token only after whoever refreshed it has stopped.
"""


def render() -> str:
    """The whole page."""
    arrivals = ", ".join(f"`{health}`: `{what}`" for health, what in TOLD.items())
    return TEXT.format(
        doubts="\n".join(doubts()), classified="\n".join(classified()), edges="\n".join(edges()),
        health_told=f"Arriving at one of them is an event: {arrivals}.", reasons="\n".join(reasons()),
        told="\n".join(told()),
    )  # fmt: skip


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
