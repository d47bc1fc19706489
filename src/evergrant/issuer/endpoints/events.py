"""/events/…: streams of security events, as a receiver sets up its own (SSF 1.0 section 8) and polls it (RFC 8936).

A receiver is a confidential client of type `service`; it may have several streams, and each is about everybody but
those that it was told to leave out: whoever is registered as a receiver may be told of all people.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeVar

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.domain.event import Event, What
from evergrant.domain.receiver import Delivery, Method, Sort, Status, Stream
from evergrant.entropy import Entropy
from evergrant.fetch.fetched import Unfetched
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.endpoints.revocations import may_follow
from evergrant.issuer.service import streams
from evergrant.issuer.service.accounts import NoSuchAccount
from evergrant.issuer.service.accounts import wanted as account
from evergrant.issuer.service.outbox import Outbox, label
from evergrant.issuer.settings import Settings
from evergrant.keys.port import Kek
from evergrant.protocol import security_event as events
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import EMPTY
from evergrant.store.port import Store, Tx
from evergrant.web.answer import NO_SNIFF, NO_STORE, Answer, public_json, secret_json
from evergrant.web.ask import Ask

METADATA_SECONDS: Final = 300
# A poll that is held must not hold up a server that stops.
POLL_SECONDS: Final = 5
LOOK_SECONDS: Final = 0.5
_NONCE_LENGTH: Final = 12

R = TypeVar("R")
Judge = Callable[[str], Awaitable[None]]


class EventsEndpoint:
    """The transmitter's endpoints. *judge* raises `Unfetched` for an address that may not be asked."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, kek: Kek, clock: Clock, entropy: Entropy,
        outbox: Outbox, judge: Judge,
    ) -> None:  # fmt: skip
        self._store, self._catalog, self._issuer, self._kek = store, catalog, settings.issuer, kek
        self._clock, self._entropy, self._outbox, self._judge = clock, entropy, outbox, judge

    async def metadata(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        return public_json(events.transmitter(self._issuer), METADATA_SECONDS)

    async def create(self, ask: Ask) -> Answer:
        client, wanted = await self._receiver(ask), events.complete(events.read_wanted(ask.body))
        name = streams.named(client.id, self._entropy.draw(streams.ID_LENGTH))
        blank = Stream(name, Method.POLL, "", b"", (), "", self._clock.now())
        stream = await self._changed(blank, wanted)

        def work(tx: Tx) -> bool:
            if len(streams.owned(tx, client.id)) >= streams.MOST_STREAMS:
                return False
            tx.streams.put(stream)
            return True

        if not await self._store.write(work):
            raise Refused(Code.INVALID_REQUEST, f"A receiver has at most {streams.MOST_STREAMS} streams.", status=409)
        return secret_json(events.shown(stream, self._issuer), 201)

    async def read(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        name = ask.parameters().get("stream_id")
        if name is not None:
            return secret_json(events.shown(await self._own(client, name), self._issuer))
        found = await self._store.read(lambda tx: streams.owned(tx, client.id))
        return secret_json([events.shown(stream, self._issuer) for stream in found])

    async def update(self, ask: Ask) -> Answer:
        """What is not said stays as it is (section 8.1.1.3)."""
        return await self._updated(ask, lambda wanted: wanted)

    async def replace(self, ask: Ask) -> Answer:
        """What is not said is as it is in a new stream (section 8.1.1.4)."""
        return await self._updated(ask, events.complete)

    async def _updated(self, ask: Ask, said: Callable[[events.Wanted], events.Wanted]) -> Answer:
        client, wanted = await self._receiver(ask), said(events.read_wanted(ask.body))
        held = await self._own(client, wanted.id)
        changed = await self._changed(held, wanted)

        def work(tx: Tx) -> Stream:
            # Status and subjects may have moved on since.
            now = streams.wanted(tx, held.id)
            stream = replace(
                changed, status=now.status, status_reason=now.status_reason, without=now.without, held=now.held
            )
            tx.streams.put(stream)
            return stream

        return secret_json(events.shown(await self._write(work), self._issuer))

    async def delete(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        name = ask.parameters().get("stream_id") or ""
        await self._write(lambda tx: streams.remove(tx, streams.own(tx, client.id, name)))
        return Answer(204, (*NO_STORE, NO_SNIFF), b"")

    async def status(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        return secret_json(_status(await self._own(client, ask.parameters().get("stream_id") or "")))

    async def set_status(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        name, status, reason = events.read_status(ask.body)

        def work(tx: Tx) -> Stream:
            stream = streams.own(tx, client.id, name)
            if stream.held and status is not Status.DISABLED:
                raise Refused(Code.ACCESS_DENIED, "The operator has stopped this stream.", status=403)
            return streams.set_status(tx, stream, status, reason)

        return secret_json(_status(await self._write(work)))

    async def verify(self, ask: Ask) -> Answer:
        """Send a verification event through the stream, with the receiver's own state (section 8.1.4)."""
        client, now = await self._receiver(ask), self._clock.now()
        name, state = events.read_verify(ask.body)
        if not await self._write(lambda tx: streams.verify(tx, streams.own(tx, client.id, name), state, now)):
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, "One verification a minute.", status=429)
        return Answer(204, (*NO_STORE, NO_SNIFF), b"")

    async def remove_subject(self, ask: Ask) -> Answer:
        """Tell a stream nothing more of a person (section 8.1.3.3)."""

        def work(tx: Tx, stream: Stream, account_id: str) -> None:
            if not streams.leave_out(tx, stream, account_id):
                raise Refused(Code.ACCESS_DENIED, f"A stream leaves out {streams.MOST_LEFT_OUT} at most.", status=403)

        return await self._of_subject(ask, 204, work)

    async def add_subject(self, ask: Ask) -> Answer:
        """Tell a stream of a person that was removed from it; it is told of everybody else already."""
        return await self._of_subject(ask, 200, streams.take_in)

    async def _of_subject(self, ask: Ask, status: int, settle: Callable[[Tx, Stream, str], None]) -> Answer:
        client, subject = await self._receiver(ask), events.read_subject(ask.body, self._issuer)

        def work(tx: Tx) -> None:
            stream = streams.own(tx, client.id, subject.stream_id)
            with contextlib.suppress(NoSuchAccount):  # a receiver is not told who has an account (section 8.1.3)
                settle(tx, stream, account(tx, subject.account_id or subject.username).id)

        await self._write(work)
        return Answer(status, (*NO_STORE, NO_SNIFF), b"")

    async def poll(self, ask: Ask) -> Answer:
        """Take what arrived out, and hand over what waits (RFC 8936 section 2.4)."""
        client, asked = await self._receiver(ask), events.read_poll(ask.body)

        name = ask.parameters().get("stream_id") or ""

        def settle(tx: Tx) -> Stream:
            stream = streams.own(tx, client.id, name)
            if stream.method is not Method.POLL:
                raise Refused(Code.INVALID_REQUEST, "The events of this stream are pushed.")
            for jti in (*asked.arrived, *asked.unreadable):
                delivery = tx.deliveries.get(jti)
                if delivery is None or delivery.sort is not Sort.EVENT or delivery.stream != stream.id:
                    continue
                tx.deliveries.delete(jti)
                if jti in asked.unreadable:
                    detail = f"{jti}: the receiver could not read it: {asked.unreadable[jti][:100]}"
                    tx.events.add([Event(self._clock.now(), What.RECEIVER_NOT_TOLD, client.id, detail=detail)])
            return stream

        waiting = await self._waited((await self._write(settle)).id, asked, ask)
        sets = {one.id: self._outbox.token(one) for one in waiting[: asked.most]}
        return secret_json({"sets": sets, "moreAvailable": len(waiting) > asked.most})

    async def _waited(self, stream_id: str, asked: events.Poll, ask: Ask) -> list[Delivery]:
        """What waits; when there is nothing, a while later, unless the receiver does not want to wait."""
        end = self._clock.monotonic() + POLL_SECONDS
        while True:
            held = await self._store.read(lambda tx: _held(tx, stream_id, asked.most + 1))
            over = asked.at_once or not asked.most or self._clock.monotonic() >= end or ask.gone()
            if held or over:
                return held
            await asyncio.sleep(LOOK_SECONDS)

    async def _receiver(self, ask: Ask) -> Client:
        client = await authenticated(self._catalog, ask, EMPTY, self._clock.now())
        if not may_follow(client):
            raise Refused(Code.ACCESS_DENIED, "Events are for confidential clients of type service.", status=403)
        return client

    async def _changed(self, stream: Stream, wanted: events.Wanted) -> Stream:
        """The stream as it is wanted. Raises `Refused` for an address that may not be asked."""
        changes: dict[str, Any] = {}
        if wanted.method is not None:
            changes["method"] = wanted.method
            changes["endpoint"] = wanted.endpoint or ""
            # Of another address; what was meant for the one before is not sent there.
            changes["sealed"] = b""
        if wanted.endpoint:
            try:
                await self._judge(wanted.endpoint)
            except Unfetched as error:
                raise Refused(Code.INVALID_REQUEST, "Nothing can be sent to that endpoint_url.", str(error)) from error
        if wanted.authorization:
            nonce = self._entropy.draw(_NONCE_LENGTH)
            changes["sealed"] = self._kek.seal(wanted.authorization.encode("ascii"), label(stream.id), nonce)
        if wanted.events is not None:
            changes["events"] = wanted.events
        if wanted.description is not None:
            changes["description"] = wanted.description
        return replace(stream, **changes)

    async def _own(self, client: Client, name: str) -> Stream:
        with _found():
            return await self._store.read(lambda tx: streams.own(tx, client.id, name))

    async def _write(self, work: Callable[[Tx], R]) -> R:
        with _found():
            return await self._store.write(work)


@contextlib.contextmanager
def _found() -> Iterator[None]:
    try:
        yield
    except streams.NoSuchStream as error:
        raise Refused(Code.INVALID_REQUEST, "There is no such stream.", str(error), status=404) from error


def _status(stream: Stream) -> dict[str, str]:
    reason = {"reason": stream.status_reason} if stream.status_reason else {}
    return {"stream_id": stream.id, "status": stream.status, **reason}


def _held(tx: Tx, stream_id: str, limit: int) -> list[Delivery]:
    """What may be handed over; of a stream that stands still only what tells of that."""
    stream = tx.streams.get(stream_id)
    if stream is None:
        return []
    if stream.status is Status.ENABLED:
        return streams.waiting(tx, stream, limit)
    return [one for one in streams.waiting(tx, stream) if streams.flows(stream, one)][:limit]
