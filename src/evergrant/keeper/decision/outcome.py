"""What becomes of a connection after a refresh, one function per verdict: values in, values out, nothing sealed here.

The record that comes back still holds the sealed tokens it came with; whoever commits seals `tokens` into it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from evergrant.keeper.connection import Connection, Health, Intent, Origin, Reason, Record
from evergrant.keeper.decision.doubt import latest_replay
from evergrant.keeper.decision.health import event, moved
from evergrant.keeper.decision.verdict import (
    Busy,
    ClientRefused,
    Dead,
    Granted,
    Interaction,
    ScopeRefused,
    Tokens,
    Unknown,
    Verdict,
)
from evergrant.keeper.decision.window import pause
from evergrant.keeper.event import Event, What
from evergrant.keeper.provider.model import Provider, Retry, Rotates

MOST_DEAD: Final = 8
UNTIL_USED: Final = 30 * 86_400
"""How long a predecessor is kept where it lives until its successor is used and no other end is known."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The request surely never arrived."""

    detail: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The request may have arrived; there is no answer. *until*: when it is worth looking again, 0 for soon."""

    detail: str
    until: int = 0


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A doubt that must not be resolved by another try."""

    reason: Reason
    why: str


Ending = Verdict | Unreachable | Missing | GaveUp


@dataclass(frozen=True, slots=True)
class Settled:
    """What to commit. *outcome*: how the intent is closed; empty when it stays open. *tokens*: to seal in *record*."""

    connection: Connection
    record: Record
    outcome: str
    events: tuple[Event, ...] = ()
    tokens: Tokens | None = None
    keep_access: bool = False
    """The new access token must not be served: the old one stays."""
    previous_until: int = 0
    """Until when the predecessor of the refresh token is kept; 0 to drop it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision about an ending stands on. *fingerprint*: of the refresh token in the reply, empty if none.

    *lot*: a number from 0 to 1, *least* and *most*: the bounds of the back-off in seconds.
    """

    connection: Connection
    record: Record
    records: Mapping[str, Record]
    provider: Provider
    intent: Intent
    now: int
    lot: float
    least: int
    most: int
    fingerprint: str = ""
    certain: bool = True
    """Whether our clock is to be trusted with saying that a limit has passed."""


def settle(case: Case, ending: Ending) -> Settled:
    """The outcome of one spend. The connection's version is one higher in every case."""
    risen = replace(case.connection, version=case.connection.version + 1)
    return _ROWS[type(ending)](replace(case, connection=risen), ending)


# ---- tokens came


def _granted(case: Case, granted: Granted) -> Settled:
    tokens = granted.tokens[case.record.name]
    refused = _other_account(case, granted)
    if refused:
        return _subject_refused(case, refused)
    rotated = bool(case.fingerprint) and case.fingerprint != case.record.fingerprint
    record = _record_after(case, tokens, rotated=rotated)
    scope = _scope_after(case, tokens)
    connection = replace(
        case.connection,
        failures=0,
        retry_at=0,
        granted_scope=scope,
        subject=case.connection.subject or granted.subject,
        label=case.connection.label or granted.label,
        fields={**case.connection.fields, **granted.fields},
    )
    events = [event(What.REFRESHED, connection, case.now, detail="rotated" if rotated else "same_refresh_token")]
    if set(tokens.scope) != set(case.record.scope) and case.record.scope:
        events.append(event(What.SCOPE_CHANGED, connection, case.now, detail=_drift(case.record, tokens)))
    if tokens.unusable:
        connection = replace(connection, failures=connection.failures + 1, retry_at=case.now + _pause(case))
        connection, edge = moved(
            connection, Health.DEGRADED, Reason.ANSWER_UNREADABLE, case.now, detail=tokens.unusable
        )
    elif connection.health in _STAYS:
        edge = ()
    else:
        connection, edge = moved(connection, Health.ACTIVE, Reason.NONE, case.now)
    return Settled(
        connection,
        record,
        "refreshed",
        (*events, *edge),
        tokens,
        keep_access=bool(tokens.unusable),
        previous_until=_previous_until(case) if rotated else 0,
    )


_STAYS: Final = frozenset({Health.QUARANTINED, Health.REVOKING, Health.REVOKED})


def _record_after(case: Case, tokens: Tokens, *, rotated: bool) -> Record:
    old, provider = case.record, case.provider
    restarts = rotated and bool(provider.hard_restarts_on_rotation)
    hard = tokens.hard_end if tokens.hard_said or restarts or not old.refresh_hard_end else old.refresh_hard_end
    record = replace(
        old,
        version=old.version + 1,
        scope=tokens.scope,
        refresh_idle_end=tokens.idle_end,
        refresh_hard_end=hard,
        refreshed_at=case.now,
        restored_from=0,
    )
    if tokens.unusable:
        return record
    end, origin = _end_after(case, tokens)
    if hard and end > hard:
        end = hard
    return replace(record, token_type=tokens.token_type, sent_at=tokens.sent_at, expires_at=end, origin=origin)


def _end_after(case: Case, tokens: Tokens) -> tuple[int, Origin]:
    """The end of the new access token: learned lifetimes carry over where the reply says nothing."""
    old = case.record
    learned = old.origin in {Origin.OBSERVED, Origin.INTROSPECTION} and old.expires_at > old.sent_at
    if learned and tokens.origin in {Origin.UNKNOWN, Origin.CATALOG}:
        return tokens.sent_at + old.expires_at - old.sent_at, old.origin
    return tokens.expires_at, tokens.origin


def _scope_after(case: Case, tokens: Tokens) -> tuple[str, ...]:
    others = [record.scope for name, record in case.records.items() if name != case.record.name]
    return tuple(dict.fromkeys([*tokens.scope, *(one for scope in others for one in scope)]))


def _drift(old: Record, tokens: Tokens) -> str:
    gone = sorted(set(old.scope) - set(tokens.scope))
    new = sorted(set(tokens.scope) - set(old.scope))
    return " ".join([*(f"-{one}" for one in gone), *(f"+{one}" for one in new)])[:400]


def _previous_until(case: Case) -> int:
    retry, grace = case.provider.retry, case.provider.grace or 0
    if retry is Retry.UNTIL_SUCCESSOR_USED:
        return case.now + (grace or UNTIL_USED)
    return case.now + grace if grace else 0


def _other_account(case: Case, granted: Granted) -> str:
    """What in the answer names another account or issuer than before, empty when nothing does (K-08)."""
    issuer = granted.id_claims.get("iss")
    known = case.provider.issuer
    if known and "{" not in known and isinstance(issuer, str) and issuer != known:
        return "issuer"
    single = all(len(record.reply.subject) <= 1 for record in case.provider.records)
    told = granted.subject if single or granted.id_claims.get("sub") else ""
    if told and case.connection.subject and told != case.connection.subject:
        return "subject"
    return ""


def _subject_refused(case: Case, what: str) -> Settled:
    connection = _failed(case)
    told = event(What.SUBJECT_REFUSED, connection, case.now, reason=Reason.ACCOUNT_CHANGED.value, detail=what)
    connection, edge = moved(connection, Health.NEEDS_REAUTH, Reason.ACCOUNT_CHANGED, case.now, detail=what)
    return Settled(connection, case.record, "subject_refused", (told, *edge))


# ---- tokens did not come


def _failed(case: Case, after: int = 0) -> Connection:
    failures = case.connection.failures + 1
    wait = after or pause(failures, case.least, case.most, case.lot)
    return replace(case.connection, failures=failures, retry_at=case.now + wait)


def _pause(case: Case) -> int:
    return pause(case.connection.failures + 1, case.least, case.most, case.lot)


def _dead(case: Case, dead: Dead) -> Settled:
    return _over(case, why_dead(case), dead.code, "dead")


def why_dead(case: Case) -> Reason:
    """Why a provider may have declared this refresh token dead, from our own ledger."""
    record, now = case.record, case.now
    if record.refresh_hard_end and now >= record.refresh_hard_end and case.certain:
        return Reason.HARD_LIMIT
    if record.refresh_idle_end and now >= record.refresh_idle_end and case.certain:
        return Reason.IDLE_LIMIT
    if record.restored_from and case.provider.rotates is not Rotates.NEVER:
        return Reason.VAULT_RESTORED
    if case.intent.replays or case.connection.health is Health.IN_DOUBT:
        return Reason.GRANT_LOST
    if case.provider.rotates is Rotates.ALWAYS and record.version > 1:
        return Reason.GRANT_DEAD_UNEXPLAINED
    return Reason.GRANT_DEAD


def _over(case: Case, reason: Reason, detail: str, outcome: str) -> Settled:
    connection, edge = moved(_failed(case), Health.NEEDS_REAUTH, reason, case.now, detail=detail)
    fingerprint = case.intent.fingerprint
    dead = tuple(dict.fromkeys([*case.record.dead, fingerprint]))[-MOST_DEAD:]
    return Settled(connection, replace(case.record, dead=dead), outcome, edge)


def _gave_up(case: Case, ending: GaveUp) -> Settled:
    return _over(case, ending.reason, ending.why, "gave_up")


def _interaction(case: Case, asked: Interaction) -> Settled:
    connection, edge = moved(
        _failed(case), Health.NEEDS_REAUTH, Reason.INTERACTION_REQUIRED, case.now, detail=asked.code
    )
    return Settled(connection, case.record, "interaction_required", edge)


def _scope_refused(case: Case, refused: ScopeRefused) -> Settled:
    connection, edge = moved(_failed(case), Health.NEEDS_REAUTH, Reason.SCOPE_MISSING, case.now, detail=refused.code)
    return Settled(connection, case.record, "scope_refused", edge)


def _client_refused(case: Case, refused: ClientRefused) -> Settled:  # noqa: ARG001 - a row of the table
    """The connection is not to blame: it only waits; its client's own row is suspended."""
    waiting = replace(case.connection, retry_at=case.now + case.least)
    return Settled(waiting, case.record, "client_refused")


def _busy(case: Case, busy: Busy) -> Settled:
    connection = _failed(case, busy.after)
    last = latest_replay(case.intent, case.provider) if busy.server_side else 0
    if last > case.now:
        connection = replace(connection, retry_at=min(connection.retry_at, last))
    connection, edge = moved(connection, Health.DEGRADED, Reason.PROVIDER_BUSY, case.now, detail=busy.code)
    return Settled(connection, case.record, "busy", edge)


def _unreachable(case: Case, ending: Unreachable) -> Settled:
    connection, edge = moved(
        _failed(case), Health.DEGRADED, Reason.PROVIDER_UNREACHABLE, case.now, detail=ending.detail
    )
    return Settled(connection, case.record, "not_sent", edge)


def _unknown(case: Case, unknown: Unknown) -> Settled:
    if unknown.spent:
        return _doubt(case, unknown.code)
    connection, edge = moved(_failed(case), Health.DEGRADED, Reason.ANSWER_UNREADABLE, case.now, detail=unknown.code)
    return Settled(connection, case.record, "refused", edge)


def _missing(case: Case, ending: Missing) -> Settled:
    return _doubt(case, ending.detail, ending.until)


def _doubt(case: Case, detail: str, until: int = 0) -> Settled:
    connection = _failed(case)
    if until > case.now:
        connection = replace(connection, retry_at=until)
    last = latest_replay(case.intent, case.provider)
    if last > case.now:
        connection = replace(connection, retry_at=min(connection.retry_at, last))
    connection, edge = moved(connection, Health.IN_DOUBT, Reason.REFRESH_IN_DOUBT, case.now, detail=detail)
    return Settled(connection, case.record, "", edge)


_ROWS: Final[Mapping[type[Any], Callable[[Case, Any], Settled]]] = {
    Granted: _granted,
    Dead: _dead,
    Interaction: _interaction,
    ClientRefused: _client_refused,
    ScopeRefused: _scope_refused,
    Busy: _busy,
    Unknown: _unknown,
    Unreachable: _unreachable,
    Missing: _missing,
    GaveUp: _gave_up,
}
