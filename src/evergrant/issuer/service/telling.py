"""From an end to the deliveries that tell it: which clients and streams must hear of it, and what they are told.

Work inside one transaction; sending is `outbox`. A delivery's id follows from the end's number, so that an end that is
worked through twice makes nothing twice.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from evergrant.domain.ending import End
from evergrant.domain.reason import Reason
from evergrant.domain.receiver import Delivery, Sort, Status, Stream
from evergrant.domain.throttle import Bucket
from evergrant.issuer.service.streams import EVENT_LIFE, every
from evergrant.protocol import security_event as events
from evergrant.store.port import Tx, Which

PLACE: Final = "told ends up to"
PAGE: Final = 200
NEVER: Final = 2**53
# A client that is down for longer than this has lost the session's end; its own sessions end in time.
LOGOUT_LIFE: Final = 600
_MOST_FAMILIES: Final = 1_000
# Ends of all that an account held, by their reasons: what is said of the account besides its sessions.
_OF_ACCOUNT: Final[Mapping[str, tuple[str, dict[str, str]]]] = {
    Reason.PASSWORD_CHANGED: (events.CREDENTIAL_CHANGE, {"credential_type": "password", "change_type": "update"}),
    Reason.ACCOUNT_DISABLED: (events.SESSION_REVOKED, {"initiating_entity": "admin"}),
    Reason.ACCOUNT_DELETED: (events.SESSION_REVOKED, {"initiating_entity": "admin"}),
    Reason.SIGNED_OUT_EVERYWHERE: (events.SESSION_REVOKED, {"initiating_entity": "user"}),
}
_BY_USER: Final = frozenset({Reason.SIGNED_OUT, Reason.SIGNED_OUT_EVERYWHERE, Reason.ENDED_BY_USER, Reason.REPLACED})
_BY_ADMIN: Final = frozenset({Reason.OPERATOR, Reason.ACCOUNT_DISABLED, Reason.ACCOUNT_DELETED})


def place(tx: Tx) -> int:
    """The number up to which ends have been worked through."""
    held = tx.buckets.get(PLACE)
    return 0 if held is None else held.failures


def work_through(tx: Tx, issuer: str, now: int) -> bool:
    """Make the deliveries of the next ends; whether there are more."""
    found = tx.endings.find(place(tx), PAGE)
    streams = [stream for stream in every(tx) if stream.status is not Status.DISABLED]
    for number, end in found:
        for delivery in (*_logouts(tx, number, end, now), *_events(streams, issuer, number, end, now)):
            tx.deliveries.put(delivery)
    if found:
        tx.buckets.put(Bucket(PLACE, found[-1][0], now, 0, NEVER))
    return len(found) == PAGE


def _logouts(tx: Tx, number: int, end: End, now: int) -> Iterator[Delivery]:
    """A logout token for each client that was given tokens in an ended session (back-channel logout section 2.3)."""
    for session_id in end.sessions:
        families = tx.families.find(Which(session_id=session_id, live=False), _MOST_FAMILIES)
        for client_id in sorted({family.client_id for family in families}):
            client = tx.clients.get(client_id)
            if client is not None and client.backchannel_logout_uri:
                claims = events.logout_claims(end.account_id, session_id)
                yield Delivery(
                    f"{number}.{session_id}.{client_id}", client_id, Sort.LOGOUT, claims, now, now + LOGOUT_LIFE
                )


def _events(streams: list[Stream], issuer: str, number: int, end: End, now: int) -> Iterator[Delivery]:
    told = list(_told(issuer, end))
    for stream in [stream for stream in streams if end.account_id not in stream.without]:
        for part, (kind, claims) in enumerate(told):
            if kind in stream.events:
                yield Delivery(
                    f"{number}.{part}.{stream.id}", stream.client_id, Sort.EVENT, claims, now, now + EVENT_LIFE,
                    stream_id=stream.id,
                )  # fmt: skip


def _told(issuer: str, end: End) -> Iterator[tuple[str, str]]:
    """What an end is as events: their type and their claims."""
    members = {"event_timestamp": end.at}
    by = "user" if end.reason in _BY_USER else "admin" if end.reason in _BY_ADMIN else "system"
    for session_id in end.sessions:
        subject = events.session_subject(issuer, end.account_id, session_id)
        said = {**members, "initiating_entity": by}
        yield events.SESSION_REVOKED, events.event_claims(subject, events.SESSION_REVOKED, said)
    whole = end.account_id and not (end.sessions or end.families or end.client_id or end.jti or end.every)
    if whole and (found := _OF_ACCOUNT.get(end.reason)) is not None:
        kind, more = found
        subject = events.person_subject(issuer, end.account_id)
        yield kind, events.event_claims(subject, kind, {**members, **more})
