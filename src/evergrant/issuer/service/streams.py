"""Streams of security events as their receivers and the operator change them: work inside one transaction each.

What lives here: whose stream is which, its status, whom it leaves out, and what it is told of itself. What must not:
the events of people (`telling`), sending (`outbox`), what a receiver says over HTTP (`endpoints.events`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from evergrant.domain import base64url
from evergrant.domain.event import Event, What
from evergrant.domain.receiver import Delivery, Sort, Status, Stream
from evergrant.protocol import security_event as events
from evergrant.store.port import Tx

EVENT_LIFE: Final = 86_400
MOST_STREAMS: Final = 10
"""Of one client."""
MOST_LEFT_OUT: Final = 1_000
"""Accounts that one stream leaves out: they lie in its row."""
ID_LENGTH: Final = 6
_UPDATED: Final = "updated."
_PAGE: Final = 500


class NoSuchStream(LookupError):
    """There is no stream of that id, or several and none was named."""


def named(client_id: str, random: bytes) -> str:
    """The id of a new stream: it begins with its client's, so that a client's streams lie side by side."""
    return f"{client_id}.{base64url.encode(random).decode('ascii')}"


def every(tx: Tx) -> Iterator[Stream]:
    """Every stream, by its id."""
    after: str | None = None
    while page := tx.streams.find(_PAGE, after):
        yield from page
        after = page[-1].id


def owned(tx: Tx, client_id: str) -> list[Stream]:
    """The streams of one client; the first may bear the id of the client alone."""
    first = tx.streams.get(client_id)
    further = tx.streams.find(MOST_STREAMS, f"{client_id}.")
    return [*([first] if first else []), *(stream for stream in further if stream.client_id == client_id)]


def own(tx: Tx, client_id: str, stream_id: str) -> Stream:
    """A client's stream of that id, or its only one when none is named. Raises `NoSuchStream`."""
    if stream_id:
        return wanted(tx, stream_id, client_id)
    found = owned(tx, client_id)
    if len(found) != 1:
        raise NoSuchStream("which stream? there are several" if found else "there is no stream")
    return found[0]


def wanted(tx: Tx, stream_id: str, client_id: str = "") -> Stream:
    """The stream of that id, of that client when one is given. Raises `NoSuchStream`."""
    found = tx.streams.get(stream_id)
    if found is None or (client_id and found.client_id != client_id):
        raise NoSuchStream("there is no such stream")
    return found


def waiting(tx: Tx, stream: Stream, limit: int = 1_000_000) -> list[Delivery]:
    """What has not arrived yet, in the order of its ids."""
    found: list[Delivery] = []
    after: str | None = None
    while len(found) < limit and (page := tx.deliveries.find(_PAGE, after, client_id=stream.client_id)):
        after = page[-1].id
        found += [one for one in page if one.sort is Sort.EVENT and one.stream == stream.id]
    return found[:limit]


def flows(stream: Stream, delivery: Delivery) -> bool:
    """Whether a delivery of a stream may go out now: what tells of the stream's own status always may."""
    return stream.status is Status.ENABLED or delivery.id.startswith(_UPDATED)


def set_status(tx: Tx, stream: Stream, status: Status, reason: str) -> Stream:
    """The stream with another status. A disabled one drops what waits (SSF 1.0 section 8.1.2)."""
    changed = replace(stream, status=status, status_reason=reason)
    tx.streams.put(changed)
    if status is Status.DISABLED:
        _drop(tx, stream)
    return changed


def tell_status(tx: Tx, stream: Stream, now: int) -> None:
    """Tell the receiver of a status that somebody else has set (section 8.1.5); the latest one says it all."""
    for delivery in waiting(tx, stream):
        if delivery.id.startswith(_UPDATED):
            tx.deliveries.delete(delivery.id)
    members = {"status": stream.status, **({"reason": stream.status_reason} if stream.status_reason else {})}
    _tell(tx, stream, f"{_UPDATED}{now}.{stream.id}", events.STREAM_UPDATED, members, now)


def verify(tx: Tx, stream: Stream, state: str | None, now: int) -> bool:
    """Send a verification event through the stream (section 8.1.4); False when one went out within the minute."""
    identifier = f"verification.{now // events.VERIFICATION_SECONDS}.{stream.id}"
    if tx.deliveries.get(identifier) is not None:
        return False
    _tell(tx, stream, identifier, events.VERIFICATION, {} if state is None else {"state": state}, now)
    return True


def operate(tx: Tx, stream_id: str, status: Status, reason: str, now: int) -> Stream:
    """Set a status as the operator: the receiver and the audit trail are told. Raises `NoSuchStream`."""
    stream = replace(wanted(tx, stream_id), held=status is not Status.ENABLED)
    changed = set_status(tx, stream, status, reason)
    tell_status(tx, changed, now)
    _noted(tx, changed, f"{status}{': ' if reason else ''}{reason}", now)
    return changed


def end(tx: Tx, stream_id: str, now: int) -> Stream:
    """End a stream as the operator. Raises `NoSuchStream`."""
    stream = wanted(tx, stream_id)
    remove(tx, stream)
    _noted(tx, stream, "ended", now)
    return stream


def _noted(tx: Tx, stream: Stream, detail: str, now: int) -> None:
    tx.events.add([Event(now, What.STREAM_CHANGED, stream.client_id, detail=f"{stream.id}: {detail}")])


def remove(tx: Tx, stream: Stream) -> None:
    """End the stream, and drop what waits."""
    tx.streams.delete(stream.id)
    _drop(tx, stream)


def leave_out(tx: Tx, stream: Stream, account_id: str) -> bool:
    """Tell the stream nothing more of an account; False when it leaves out as many as it can."""
    if account_id not in stream.without:
        if len(stream.without) >= MOST_LEFT_OUT:
            return False
        tx.streams.put(replace(stream, without=(*stream.without, account_id)))
    return True


def take_in(tx: Tx, stream: Stream, account_id: str) -> None:
    """Tell the stream of an account again."""
    if account_id in stream.without:
        tx.streams.put(replace(stream, without=tuple(each for each in stream.without if each != account_id)))


def _tell(tx: Tx, stream: Stream, identifier: str, kind: str, members: dict[str, str], now: int) -> None:
    claims = events.event_claims({"format": "opaque", "id": stream.id}, kind, members)
    tx.deliveries.put(
        Delivery(identifier, stream.client_id, Sort.EVENT, claims, now, now + EVENT_LIFE, stream_id=stream.id)
    )


def _drop(tx: Tx, stream: Stream) -> None:
    for delivery in waiting(tx, stream):
        tx.deliveries.delete(delivery.id)
