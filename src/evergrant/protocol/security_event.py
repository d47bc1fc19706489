"""Security events (RFC 8417): what they say, to streams (SSF and CAEP 1.0) and to clients (back-channel logout 1.0).

What lives here: claims, the transmitter's metadata, and what a receiver asks. What must not: keys, sending, storing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json

from evergrant.domain.receiver import Method, Status, Stream
from evergrant.protocol.error import Code, Refused

SESSION_REVOKED: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CREDENTIAL_CHANGE: Final = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
VERIFICATION: Final = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM_UPDATED: Final = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
LOGOUT: Final = "http://schemas.openid.net/event/backchannel-logout"
SUPPORTED: Final = (SESSION_REVOKED, CREDENTIAL_CHANGE)
SET_JWT: Final = "secevent+jwt"
LOGOUT_JWT: Final = "logout+jwt"
# Back-channel logout section 2.4: at most two minutes.
LOGOUT_SECONDS: Final = 120
MOST_SETS: Final = 100
MOST_TEXT: Final = 2_000
MOST_NAME: Final = 256
VERIFICATION_SECONDS: Final = 60


def session_subject(issuer: str, account_id: str, session_id: str) -> dict[str, Any]:
    """One session of one person (RFC 9493 section 3.2.1, SSF section 3.2: a complex subject)."""
    return {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": issuer, "sub": account_id},
        "session": {"format": "opaque", "id": session_id},
    }


def person_subject(issuer: str, account_id: str) -> dict[str, Any]:
    """A person, and so all their sessions."""
    return {"format": "iss_sub", "iss": issuer, "sub": account_id}


def event_claims(subject: Mapping[str, Any], kind: str, members: Mapping[str, Any]) -> str:
    """The claims of an event that do not depend on when and to whom it is sent, as JSON."""
    return json.encode({"sub_id": subject, "events": {kind: members}}).decode()


def logout_claims(account_id: str, session_id: str) -> str:
    """The claims of a logout token, as `event_claims` (section 2.4: `sub` and `sid`, never a nonce)."""
    return json.encode({"sub": account_id, "sid": session_id, "events": {LOGOUT: {}}}).decode()


def whole_event(claims: str, issuer: str, audience: str, identifier: str, now: int) -> bytes:
    """An event's claims as they are signed: no `exp`, no `sub` (SSF section 4.1)."""
    return json.encode({"iss": issuer, "aud": audience, "iat": now, "jti": identifier, **json.decode(claims)})


def whole_logout(claims: str, issuer: str, audience: str, identifier: str, now: int) -> bytes:
    """A logout token's claims as they are signed."""
    fixed = {"iss": issuer, "aud": audience, "iat": now, "exp": now + LOGOUT_SECONDS, "jti": identifier}
    return json.encode({**fixed, **json.decode(claims)})


def transmitter(issuer: str) -> dict[str, Any]:
    """The transmitter's description of itself (SSF section 7.1)."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "delivery_methods_supported": [Method.PUSH, Method.POLL],
        "configuration_endpoint": f"{issuer}/events/stream",
        "status_endpoint": f"{issuer}/events/status",
        "verification_endpoint": f"{issuer}/events/verify",
        "add_subject_endpoint": f"{issuer}/events/subjects/add",
        "remove_subject_endpoint": f"{issuer}/events/subjects/remove",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:7617"}],
        "default_subjects": "ALL",
    }


def shown(stream: Stream, issuer: str) -> dict[str, Any]:
    """A stream's configuration (section 8.1.1). The header that a push carries is never shown again."""
    endpoint = stream.endpoint or f"{issuer}/events/poll?stream_id={stream.id}"
    return {
        "stream_id": stream.id,
        "iss": issuer,
        "aud": stream.client_id,
        "delivery": {"method": stream.method, "endpoint_url": endpoint},
        "events_supported": list(SUPPORTED),
        "events_requested": list(stream.events),
        "events_delivered": [name for name in SUPPORTED if name in stream.events],
        "min_verification_interval": VERIFICATION_SECONDS,
        **({"description": stream.description} if stream.description else {}),
    }


class Wanted(NamedTuple):
    """What a receiver asks its stream to be; None where it says nothing, and no id where it names none."""

    id: str
    method: Method | None
    endpoint: str | None
    authorization: str | None
    events: tuple[str, ...] | None
    description: str | None


class Subject(NamedTuple):
    """A person, as a receiver names them: by the account's id, or by its name. Neither: nobody that is known here."""

    stream_id: str
    account_id: str = ""
    username: str = ""


class Poll(NamedTuple):
    """A poll (RFC 8936 section 2.2): how many at most, whether to wait, what arrived, and what could not be read."""

    most: int
    at_once: bool
    arrived: tuple[str, ...]
    unreadable: Mapping[str, str]


class _Delivery(Struct):
    method: str = Method.POLL
    endpoint_url: str | None = None
    authorization_header: str | None = None


class _Stream(Struct):
    delivery: _Delivery | None = None
    events_requested: list[str] | None = None
    description: str | None = None
    stream_id: str | None = None


class _Status(Struct):
    stream_id: str
    status: Status
    reason: str = ""


class _Person(Struct):
    format: str
    iss: str = ""
    sub: str = ""
    email: str = ""


class _Named(_Person):
    user: _Person | None = None
    session: dict[str, Any] | None = None


class _Subject(Struct):
    stream_id: str
    subject: _Named
    verified: bool = True


class _Verify(Struct):
    stream_id: str
    state: str | None = None


class _Poll(Struct, rename="camel"):
    max_events: int = MOST_SETS
    return_immediately: bool = False
    ack: list[str] = []
    set_errs: dict[str, dict[str, str]] = {}


def _decoded(body: bytes, shape: type[Any]) -> Any:
    try:
        return json.decode(body, type=shape)
    except (DecodeError, ValidationError, RecursionError) as error:
        raise Refused(Code.INVALID_REQUEST, "The body is not the JSON that belongs here.") from error


def read_wanted(body: bytes) -> Wanted:
    """A stream as a receiver wants it. Raises `Refused`."""
    given = _decoded(body or b"{}", _Stream)
    delivery = given.delivery
    method = None
    if delivery is not None:
        try:
            method = Method(delivery.method)
        except ValueError as error:
            raise Refused(Code.INVALID_REQUEST, "That delivery method is not supported.") from error
        if method is Method.PUSH and not delivery.endpoint_url:
            raise Refused(Code.INVALID_REQUEST, "A push needs an endpoint_url.")
    texts = (given.description, delivery and delivery.endpoint_url, delivery and delivery.authorization_header)
    if any(text is not None and (len(text) > MOST_TEXT or not text.isprintable()) for text in texts):
        raise Refused(Code.INVALID_REQUEST, f"A text has at most {MOST_TEXT} printable characters.")
    authorization = delivery and delivery.authorization_header
    if authorization and not authorization.isascii():
        raise Refused(Code.INVALID_REQUEST, "An authorization_header is plain ASCII.")
    events = None if given.events_requested is None else known_events(given.events_requested)
    endpoint = delivery and (delivery.endpoint_url if method is Method.PUSH else "")
    return Wanted(given.stream_id or "", method, endpoint, authorization, events, given.description)


def complete(wanted: Wanted) -> Wanted:
    """As a new stream is made, and one that is replaced: what is not said is as if it had never been (section 8.1.1).

    Without a delivery method it is polled.
    """
    return Wanted(
        wanted.id, wanted.method or Method.POLL, wanted.endpoint or "", wanted.authorization,
        SUPPORTED if wanted.events is None else wanted.events, wanted.description or "",
    )  # fmt: skip


def known_events(asked: Iterable[str]) -> tuple[str, ...]:
    """Those of the events asked for that there are; others are passed over (section 8.1.1)."""
    return tuple(name for name in SUPPORTED if name in set(asked))


def read_status(body: bytes) -> tuple[str, Status, str]:
    """Stream, status and reason. Raises `Refused`."""
    given = _decoded(body, _Status)
    if len(given.reason) > MOST_TEXT:
        raise Refused(Code.INVALID_REQUEST, "The reason is too long.")
    return given.stream_id, given.status, given.reason


def read_subject(body: bytes, issuer: str) -> Subject:
    """Stream and person (section 8.1.3; RFC 9493). Raises `Refused`, also for what is no person."""
    given = _decoded(body, _Subject)
    person = given.subject.user if given.subject.format == "complex" and given.subject.session is None else None
    said = person or given.subject
    if said.format == "iss_sub" and said.iss == issuer and 0 < len(said.sub) <= MOST_NAME:
        return Subject(given.stream_id, account_id=said.sub)
    if said.format == "email" and 0 < len(said.email) <= MOST_NAME:
        return Subject(given.stream_id, username=said.email)
    raise Refused(Code.INVALID_REQUEST, "A subject is one of this issuer's people: iss_sub or email.", status=404)


def read_verify(body: bytes) -> tuple[str, str | None]:
    """Stream, and the state that the event gives back. Raises `Refused`."""
    given = _decoded(body, _Verify)
    if given.state is not None and len(given.state) > MOST_TEXT:
        raise Refused(Code.INVALID_REQUEST, "The state is too long.")
    return given.stream_id, given.state


def read_poll(body: bytes) -> Poll:
    """A poll. Raises `Refused`."""
    given = _decoded(body or b"{}", _Poll)
    most = max(0, min(given.max_events, MOST_SETS))
    errors = {name: error.get("err", "") for name, error in given.set_errs.items()}
    return Poll(most, given.return_immediately, tuple(given.ack), errors)
