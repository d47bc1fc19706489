"""Errors as answers: one table from what the keeper raises to a status and a code, and one shape for all of them.

The shape is `application/problem+json` (RFC 9457) with members of our own: `code` for programs, `sentence` for people.
"""

from typing import Final, NamedTuple

from msgspec import Struct, json

from evergrant.keeper.connection import Reason
from evergrant.keeper.errors import (
    AlreadyConnected,
    BadRequest,
    CallbackRefused,
    KeeperError,
    NeedsReauth,
    NotUsable,
    RefreshInProgress,
    TryLater,
    UnknownConnection,
    UnknownProvider,
    VaultTrouble,
)
from evergrant.keeper.vault.port import Fenced, Missing, Taken, VaultUnavailable
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import NO_SNIFF, NO_STORE, Answer, Header, retry_after

MEDIA: Final = "application/problem+json"
_HEADERS: Final[tuple[Header, ...]] = ((b"content-type", MEDIA.encode()), *NO_STORE, NO_SNIFF)
LATER: Final = 5
_UNAVAILABLE: Final = 503


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was not done, and what to do about it."""

    status: int
    code: str
    """For programs; the list of codes is closed."""
    sentence: str
    """For people; holds no secret."""
    reason: str = ""
    """Why the connection is as it is, or the code of a refused callback."""
    health: str = ""
    retry_after: int = 0
    """Seconds; the same as in the Retry-After header."""
    reconnect: str = ""
    """Where to send the user, when only the user can repair it."""
    near: tuple[str, ...] = ()
    """Names that are like the one that does not exist; of the same tenant only."""
    error_id: str = ""
    """Finds the line in the operator's log."""

    def __repr__(self) -> str:
        return f"<problem {self.code}>"


class Row(NamedTuple):
    """How one kind of error is answered."""

    status: int
    code: str


TABLE: Final[dict[type[Exception], Row]] = {
    UnknownConnection: Row(404, "unknown_connection"),
    UnknownProvider: Row(404, "unknown_client"),
    Missing: Row(404, "unknown_connection"),
    NeedsReauth: Row(409, "needs_reauth"),
    NotUsable: Row(409, "not_usable"),
    AlreadyConnected: Row(409, "already_connected"),
    Taken: Row(409, "already_connected"),
    Fenced: Row(409, "changed_meanwhile"),
    CallbackRefused: Row(409, "callback_refused"),
    RefreshInProgress: Row(503, "refresh_in_progress"),
    VaultTrouble: Row(503, "vault_trouble"),
    VaultUnavailable: Row(503, "vault_trouble"),
    TryLater: Row(503, "try_later"),
    BadRequest: Row(400, "bad_request"),
    KeeperError: Row(409, "refused"),
}
TOLD: Final = tuple(TABLE)
"""What is answered by this table; whatever else is raised is a fault of ours."""
_SENTENCES: Final[dict[type[Exception], str]] = {
    VaultUnavailable: "the vault does not answer at the moment; nothing was changed",
    Fenced: "it was changed by somebody else in the same moment; read it again",
}
CODES: Final = (
    *dict.fromkeys(row.code for row in TABLE.values()),
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "unreadable",
    "too_large",
    "unsupported_media_type",
    "server_error",
)


def of(error: Exception) -> Problem:
    """The problem that *error* is; one of `TOLD`."""
    kind = next(kind for kind in type(error).__mro__ if kind in TABLE)
    status, code = TABLE[kind]
    reason = getattr(error, "reason", Reason.NONE)
    health = getattr(error, "health", None)
    wait = getattr(error, "after", LATER if status == _UNAVAILABLE else 0)
    return Problem(
        status=status,
        code=code,
        sentence=_SENTENCES.get(kind, str(error)),
        reason=getattr(error, "code", "") or reason.value,
        health=health.value if health is not None else "",
        retry_after=max(wait, 1) if status == _UNAVAILABLE else 0,
        reconnect=getattr(error, "reconnect", ""),
        near=tuple(getattr(error, "near", ())),
    )


def answer(problem: Problem, *headers: Header) -> Answer:
    """A problem as an answer."""
    wait = (retry_after(problem.retry_after),) if problem.retry_after else ()
    return Answer(problem.status, (*_HEADERS, *wait, *headers), json.encode(problem))


_STATUS: Final = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    500: "server_error",
}


def refusal(error: Refused, error_id: str) -> Answer:
    """What the HTTP room refuses before an operation is reached."""
    code = _STATUS.get(error.status, "server_error" if error.code is Code.SERVER_ERROR else "unreadable")
    wait = LATER if error.status == _UNAVAILABLE else 0
    return answer(
        Problem(status=error.status, code=code, sentence=error.description, error_id=error_id, retry_after=wait)
    )
