"""/events/…: streams of security events, as a receiver sets up its own (SSF 1.0 section 8) and polls it (RFC 8936).

A receiver is a confidential client of type `service`; it has one stream, which bears its own id, and every event there
is about everybody: whoever is registered as a receiver is told of all people.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.domain.event import Event, What
from evergrant.domain.receiver import Delivery, Method, Sort, Status, Stream
from evergrant.entropy import Entropy
from evergrant.fetch.fetched import Unfetched
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.endpoints.revocations import may_follow
from evergrant.issuer.service.outbox import Outbox, label
from evergrant.issuer.service.telling import EVENT_LIFE
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
        client, wanted = await self._receiver(ask), events.read_wanted(ask.body)
        if wanted.method is None:
            raise Refused(Code.INVALID_REQUEST, "A stream needs a delivery method.")
        chosen = events.SUPPORTED if wanted.events is None else wanted.events
        blank = Stream(client.id, wanted.method, "", b"", chosen, "", self._clock.now())
        stream = await self._changed(blank, wanted)

        def work(tx: Tx) -> bool:
            if tx.streams.get(client.id) is not None:
                return False
            tx.streams.put(stream)
            return True

        if not await self._store.write(work):
            raise Refused(Code.INVALID_REQUEST, "This receiver has a stream.", status=409)
        return secret_json(events.shown(stream, self._issuer), 201)

    async def read(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        named = ask.parameters().get("stream_id")
        stream = await self._store.read(lambda tx: tx.streams.get(client.id))
        if named is None:
            return secret_json([] if stream is None else [events.shown(stream, self._issuer)])
        return secret_json(events.shown(self._own(stream, named), self._issuer))

    async def update(self, ask: Ask) -> Answer:
        """What is not said stays (PATCH); a PUT says all that a receiver may set, and so may be read the same way."""
        client, wanted = await self._receiver(ask), events.read_wanted(ask.body)
        stream = self._own(await self._store.read(lambda tx: tx.streams.get(client.id)), client.id)
        stream = await self._changed(stream, wanted)
        await self._store.write(lambda tx: tx.streams.put(stream))
        return secret_json(events.shown(stream, self._issuer))

    async def delete(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        named = ask.parameters().get("stream_id") or client.id

        def work(tx: Tx) -> None:
            self._own(tx.streams.get(client.id), named)
            tx.streams.delete(client.id)
            for delivery in _waiting(tx, client.id):
                tx.deliveries.delete(delivery.id)

        await self._store.write(work)
        return Answer(204, (*NO_STORE, NO_SNIFF), b"")

    async def status(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        named = ask.parameters().get("stream_id") or client.id
        stream = self._own(await self._store.read(lambda tx: tx.streams.get(client.id)), named)
        return secret_json(_status(stream))

    async def set_status(self, ask: Ask) -> Answer:
        client = await self._receiver(ask)
        named, status, reason = events.read_status(ask.body)

        def work(tx: Tx) -> Stream:
            stream = replace(self._own(tx.streams.get(client.id), named), status=status, status_reason=reason)
            tx.streams.put(stream)
            if status is Status.DISABLED:
                for delivery in _waiting(tx, client.id):
                    tx.deliveries.delete(delivery.id)
            return stream

        return secret_json(_status(await self._store.write(work)))

    async def verify(self, ask: Ask) -> Answer:
        """Send a verification event through the stream, with the receiver's own state (section 8.1.4)."""
        client, now = await self._receiver(ask), self._clock.now()
        named, state = events.read_verify(ask.body)
        subject = {"format": "opaque", "id": client.id}
        claims = events.event_claims(subject, events.VERIFICATION, {} if state is None else {"state": state})
        identifier = f"verification.{now // events.VERIFICATION_SECONDS}.{client.id}"

        def work(tx: Tx) -> bool:
            self._own(tx.streams.get(client.id), named)
            if tx.deliveries.get(identifier) is not None:
                return False
            tx.deliveries.put(Delivery(identifier, client.id, Sort.EVENT, claims, now, now + EVENT_LIFE))
            return True

        if not await self._store.write(work):
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, "One verification a minute.", status=429)
        return Answer(204, (*NO_STORE, NO_SNIFF), b"")

    async def poll(self, ask: Ask) -> Answer:
        """Take what arrived out, and hand over what waits (RFC 8936 section 2.4)."""
        client, asked = await self._receiver(ask), events.read_poll(ask.body)

        def settle(tx: Tx) -> None:
            if self._own(tx.streams.get(client.id), client.id).method is not Method.POLL:
                raise Refused(Code.INVALID_REQUEST, "The events of this stream are pushed.")
            for name in (*asked.arrived, *asked.unreadable):
                delivery = tx.deliveries.get(name)
                if delivery is None or delivery.client_id != client.id:
                    continue
                tx.deliveries.delete(name)
                if name in asked.unreadable:
                    detail = f"{name}: the receiver could not read it: {asked.unreadable[name][:100]}"
                    tx.events.add([Event(self._clock.now(), What.RECEIVER_NOT_TOLD, client.id, detail=detail)])

        await self._store.write(settle)
        waiting = await self._waited(client, asked, ask)
        sets = {one.id: self._outbox.token(one) for one in waiting[: asked.most]}
        return secret_json({"sets": sets, "moreAvailable": len(waiting) > asked.most})

    async def _waited(self, client: Client, asked: events.Poll, ask: Ask) -> list[Delivery]:
        """What waits; when there is nothing, a while later, unless the receiver does not want to wait."""
        end = self._clock.monotonic() + POLL_SECONDS
        while True:
            held = await self._store.read(lambda tx: _held(tx, client.id, asked.most + 1))
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

    @staticmethod
    def _own(stream: Stream | None, named: str) -> Stream:
        if stream is None or stream.id != named:
            raise Refused(Code.INVALID_REQUEST, "There is no such stream.", status=404)
        return stream


def _status(stream: Stream) -> dict[str, str]:
    reason = {"reason": stream.status_reason} if stream.status_reason else {}
    return {"stream_id": stream.id, "status": stream.status, **reason}


def _waiting(tx: Tx, client_id: str, limit: int = 1_000_000) -> list[Delivery]:
    return [one for one in tx.deliveries.find(limit, client_id=client_id) if one.sort is Sort.EVENT]


def _held(tx: Tx, client_id: str, limit: int) -> list[Delivery]:
    stream = tx.streams.get(client_id)
    enabled = stream is not None and stream.status is Status.ENABLED
    return _waiting(tx, client_id, limit) if enabled else []
