"""What an answer of a token endpoint means: one pure function for every status, every body and every provider.

Any bytes end in a named verdict. What differs between providers is in their facts: where members are, which answers
mean a dead grant, which mean that our client is refused (RFC 6749 section 5).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from evergrant.domain.secret import Secret
from evergrant.keeper.decision.body import Members, Unreadable, at, harmless, members, number, text_at
from evergrant.keeper.decision.lifetime import claims_of, end_of, seconds_at
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
from evergrant.keeper.exchange import Answer, date_of
from evergrant.keeper.provider.model import Dpop, ErrorShape, Provider, Reply, TokenRecord

LONGEST_WAIT: Final = 86_400
DPOP: Final = "DPoP"
_TYPES: Final = {"": "Bearer", "bearer": "Bearer", "dpop": DPOP}
BOUND_TYPES: Final = frozenset({"mac", "dpop", "pop", "n_a"})
"""Types whose tokens are worth nothing as bearer tokens."""
_OK: Final = range(200, 300)
_REFUSED: Final = range(400, 500)
_TIMED_OUT: Final = 408
_TOO_MANY: Final = 429
_SERVER: Final = 500

_CODES: Final[Mapping[str, type[Dead | Interaction | ClientRefused | ScopeRefused]]] = {
    "invalid_grant": Dead,
    "expired_token": Dead,
    "access_denied": Dead,
    "invalid_client": ClientRefused,
    "unauthorized_client": ClientRefused,
    "invalid_scope": ScopeRefused,
}
"""What the codes of RFC 6749 section 5.2 and RFC 8628 section 3.5 mean where a provider's facts say nothing else."""
_LATER: Final = frozenset({"temporarily_unavailable", "slow_down", "authorization_pending"})


def read(provider: Provider, answer: Answer, *, records: Sequence[str], asked: tuple[str, ...]) -> Verdict:
    """The meaning of *answer*. *records*: the names of the token records it should bring; *asked*: the scope.

    A reply without `scope` means that what was asked is granted. Raises nothing.
    """
    try:
        found = members(answer.body, answer.headers.get("content-type", ""))
    except Unreadable:
        return _of_status(answer, "unreadable_answer", "")
    code, detail = _code_of(found, failed=answer.status not in _OK), _detail_of(found)
    if answer.status not in _OK:
        return _refusal(provider, answer, found, code, detail)
    granted = _granted(provider, answer, found, records, asked)
    if granted is not None and not code:
        return granted
    if granted is None and (code or _not_ok(provider, found)):
        return _refusal(provider, answer, found, code or "not_ok", detail)
    return Unknown("no_access_token" if granted is None else "tokens_and_error", detail)


def _not_ok(provider: Provider, found: Members) -> bool:
    return any(record.reply.ok and at(found, record.reply.ok) is False for record in provider.records)


# ---- refusals


def _refusal(provider: Provider, answer: Answer, found: Members, code: str, detail: str) -> Verdict:
    """One row per question, in this order: the provider's own answers before the RFC's, codes before statuses."""
    if any(_matches(shape, answer, found, code, detail) for shape in provider.dead_grant):
        return Dead(code, detail)
    if any(_matches(shape, answer, found, code, detail) for shape in provider.client_errors):
        return ClientRefused(code, detail)
    if code in provider.reauth_errors or text_at(found, "suberror") in provider.reauth_errors:
        return Interaction(code, detail)
    if code in _LATER:
        return _busy(answer, code, detail)
    meaning = _CODES.get(code)
    if meaning is not None and answer.status < _SERVER:
        return meaning(code, detail)
    return _of_status(answer, code, detail)


def _of_status(answer: Answer, code: str, detail: str) -> Verdict:
    """What a status alone says. A refusal in the 400s spends nothing; what timed out on the way may have."""
    if answer.status == _TOO_MANY or (answer.status >= _SERVER and "retry-after" in answer.headers):
        return _busy(answer, code or f"http_{answer.status}", detail)
    named = f"http_{answer.status}" if not code or (code == "unreadable_answer" and answer.status not in _OK) else code
    # A body with HTTP 200 that names an error nobody knows is a refusal too, as at GitHub and Slack.
    known_refusal = answer.status in _OK and code not in {"", "unreadable_answer"}
    refused = (answer.status in _REFUSED and answer.status != _TIMED_OUT) or known_refusal
    return Unknown(named, detail, spent=not refused)


def _busy(answer: Answer, code: str, detail: str) -> Busy:
    return Busy(code, retry_after(answer), detail, server_side=answer.status >= _SERVER)


def retry_after(answer: Answer) -> int:
    """The seconds of `Retry-After` (RFC 9110 section 10.2.3), 0 when there is none, a day at most."""
    text = answer.headers.get("retry-after", "")
    seconds = number(text)
    if seconds is None:
        instant = date_of(text)
        seconds = instant - (answer.date or answer.sent_at) if instant else 0
    return int(min(max(seconds, 0), LONGEST_WAIT))


def _matches(shape: ErrorShape, answer: Answer, found: Members, code: str, detail: str) -> bool:
    if shape.status is not None and shape.status != answer.status:
        return False
    if shape.error is not None and shape.error != code:
        return False
    if shape.description_contains is not None:
        said = _description(found) or detail
        if shape.description_contains.lower() not in said.lower():
            return False
    if any(at(found, path) != value for path, value in shape.members.items()):
        return False
    return shape != _ANYTHING


_ANYTHING: Final = ErrorShape()
_WORD: Final = re.compile(r"[a-z]+(_[a-z]+){0,7}")
_CODE_NAMES: Final = ("code", "type", "errorType", "error", "status")


def _code_of(found: Members, *, failed: bool) -> str:
    """The error code, wherever it is: text, an object's code, a list's first; `code` at the top of a failure."""
    error = found.get("error") or found.get("errors")
    if isinstance(error, list):
        error = error[0] if error else ""
    if isinstance(error, Mapping):
        error = next((error[name] for name in _CODE_NAMES if isinstance(error.get(name), str)), "error")
    if isinstance(error, bool | int | float):
        error = "error" if error else ""
    if not error and failed:
        error = next((found[name] for name in ("code", "errorCode") if isinstance(found.get(name), str)), "")
    if not isinstance(error, str):
        return ""
    return error if _WORD.fullmatch(error) else harmless(error)


def _description(found: Members) -> str:
    error = found.get("error")
    inside = error.get("message") if isinstance(error, Mapping) else None
    for said in (found.get("error_description"), found.get("message"), inside):
        if isinstance(said, str) and said:
            return said
    return ""


def _detail_of(found: Members) -> str:
    return harmless(_description(found))


# ---- tokens


def _granted(
    provider: Provider, answer: Answer, found: Members, records: Sequence[str], asked: tuple[str, ...]
) -> Granted | None:
    tokens: dict[str, Tokens] = {}
    replies: list[Reply] = []
    for record in provider.records:
        if record.name not in records:
            continue
        reply = _reply_of(record, found, alone=len(records) == 1)
        pair = _tokens(provider, answer, found, reply, asked)
        if pair is not None:
            tokens[record.name] = pair
            replies.append(reply)
    if not tokens:
        return None
    claims = claims_of(text_at(found, "id_token"))
    subject = text_at(claims, "sub") or _first(found, [path for reply in replies for path in reply.subject])
    label = _first(found, [path for reply in replies for path in reply.label]) or text_at(claims, "email")
    kept = {path.rpartition(".")[2]: text_at(found, path) for reply in replies for path in reply.keep}
    return Granted(tokens, subject, label, {name: value for name, value in kept.items() if value}, claims)


def _reply_of(record: TokenRecord, found: Members, *, alone: bool) -> Reply:
    """Where this record's members are: a refresh of one record may answer at the top level."""
    nested = record.reply
    if text_at(found, nested.access_token) or not (alone and record.flat_on_refresh):
        return nested
    flat = Reply()
    return replace(
        nested,
        access_token=flat.access_token,
        refresh_token=flat.refresh_token,
        expires_in=flat.expires_in,
        scope=flat.scope,
        token_type=flat.token_type,
    )


def _tokens(provider: Provider, answer: Answer, found: Members, reply: Reply, asked: tuple[str, ...]) -> Tokens | None:
    access = at(found, reply.access_token)
    if not isinstance(access, str) or not access:
        return None
    given = at(found, reply.refresh_token)
    refresh = Secret(given) if isinstance(given, str) and given else None
    sent_at = answer.sent_at
    expires_at, origin = end_of(found, reply, provider, access, sent_at=sent_at, date=answer.date)
    idle = seconds_at(found, reply.refresh_idle) or (provider.refresh_idle or 0)
    hard_said = seconds_at(found, reply.refresh_hard)
    hard = hard_said or (provider.refresh_hard or 0)
    kind = text_at(found, reply.token_type)
    return Tokens(
        access=Secret(access),
        refresh=refresh,
        expires_at=expires_at,
        origin=origin,
        token_type="Bearer"
        if kind.lower() in {"", "bearer"}
        else DPOP
        if kind.lower() == DPOP.lower()
        else harmless(kind),
        sent_at=sent_at,
        scope=_scope(at(found, reply.scope), provider.scope_separator) or asked,
        idle_end=sent_at + idle if idle else 0,
        hard_end=sent_at + hard if hard else 0,
        hard_said=bool(hard_said),
        unusable=_unusable(provider, access, kind),
    )


def _unusable(provider: Provider, access: str, kind: str) -> str:
    if provider.dpop is Dpop.REQUIRED and kind.lower() != DPOP.lower():
        return "a token that is bound to no key, though the provider's facts demand one (RFC 9449 section 5)"
    if provider.dpop is not Dpop.REQUIRED and kind.lower() in BOUND_TYPES:
        return f"token_type {kind.lower()} was not asked for"
    if not access.isascii() or not access.isprintable() or " " in access:
        return "the access token holds marks that no header can carry"
    return ""


def _scope(said: object, separator: str) -> tuple[str, ...]:
    """The scope in the order of the reply; lists, commas and blanks all occur."""
    if isinstance(said, list):
        return tuple(dict.fromkeys(one for one in said if isinstance(one, str) and one))
    if not isinstance(said, str):
        return ()
    parts = said.replace(separator or " ", " ").split()
    if len(parts) == 1 and "," in parts[0]:
        parts = parts[0].split(",")
    return tuple(dict.fromkeys(part for part in parts if part))


def _first(found: Members, paths: Sequence[str]) -> str:
    return next((value for value in (text_at(found, path) for path in paths) if value), "")
