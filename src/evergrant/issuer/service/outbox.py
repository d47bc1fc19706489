"""The outbox: hands tokens to clients and receivers until they have arrived, one sender at a time over all hosts.

At least once: a delivery is taken out when its receiver has said yes, or will never say yes, or its time is over. Those
of one round go out side by side, each with a short deadline, so that one that hangs delays nobody.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import urlencode

from evergrant.clock import Clock
from evergrant.domain.event import Event, What
from evergrant.domain.lease import Lease, kept, taken
from evergrant.domain.receiver import Delivery, Method, Sort, Stream
from evergrant.fetch.fetched import Fetched, Unfetched
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service import telling
from evergrant.issuer.service.streams import every, flows
from evergrant.issuer.settings import Settings
from evergrant.keys.port import Kek, KeyUnusable
from evergrant.protocol import security_event as events
from evergrant.store.port import Store, StoreUnavailable, Tx

LEASE: Final = "outbox"
LEASE_SECONDS: Final = 30
LOOK_SECONDS: Final = 0.5
AT_ONCE: Final = 20
ROUND: Final = 100
_PAGE: Final = 500
_FIRST_WAIT: Final = 2
_LONGEST_WAIT: Final = 300
_YES: Final = frozenset({200, 202, 204})
_NEVER: Final = 400

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Fetched]]


class Outcome(NamedTuple):
    """What became of one try. *trouble* is empty when it arrived; *final* when trying again is of no use."""

    delivery: Delivery
    trouble: str = ""
    final: bool = False


class _Parcel(NamedTuple):
    """What is posted where."""

    address: str
    headers: Mapping[str, str]
    body: bytes


class Outbox:
    """The sender of one process. *name* is this process's alone, over all hosts that share the store.

    *counted* is told what came of each try: `arrived`, `put_off`, `given_up`.
    """

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, kek: Kek, clock: Clock, post: Post, name: str,
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._counted = counted
        self._store, self._catalog, self._settings, self._kek = store, catalog, settings, kek
        self._clock, self._post, self._name = clock, post, name
        self._lease: Lease | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send, beside everything else."""
        self._task = asyncio.create_task(self._run(), name="evergrant-outbox")

    async def stop(self) -> None:
        """Stop; what is on its way is sent again by whoever goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._lease is not None:
            with contextlib.suppress(StoreUnavailable):  # then it ends by itself
                await self._store.write(self._let_go)
            self._lease = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(StoreUnavailable):  # what could not be written is looked at again
                await self.round()

    async def round(self) -> int:
        """Make the deliveries of new ends, and try those that are due; how many. Raises `StoreUnavailable`."""
        await self._catalog.fresh()
        if not await self._store.read(self._something):
            return 0
        now = self._clock.now()
        self._lease = await self._store.write(self._take)
        if self._lease is None:
            return 0
        while await self._store.write(
            lambda tx: self._mine(tx) and telling.work_through(tx, self._settings.issuer, now)
        ):
            pass
        due = await self._store.read(lambda tx: _due(tx, now))
        gate = asyncio.Semaphore(AT_ONCE)
        outcomes = await asyncio.gather(*(self._tried(gate, delivery, stream) for delivery, stream in due))
        if outcomes:
            await self._store.write(lambda tx: self._settle(tx, outcomes))
            for outcome in outcomes:
                self._counted("arrived" if not outcome.trouble else "given_up" if outcome.final else "put_off")
        return len(outcomes)

    def _something(self, tx: Tx) -> bool:
        if tx.deliveries.find(1):
            return True
        return bool(self._catalog.back_channel or tx.streams.find(1)) and tx.endings.newest() > telling.place(tx)

    def _take(self, tx: Tx) -> Lease | None:
        now = tx.now(self._clock.now())
        lease = taken(tx.leases.get(LEASE), LEASE, self._name, now, LEASE_SECONDS)
        if lease is not None:
            tx.leases.put(lease)
        return lease

    def _mine(self, tx: Tx) -> bool:
        """Whether the lease is still this process's; then it is prolonged."""
        if self._lease is None:
            return False
        lease = kept(tx.leases.get(LEASE), self._lease, tx.now(self._clock.now()), LEASE_SECONDS)
        if lease is not None:
            tx.leases.put(lease)
        return lease is not None

    def _let_go(self, tx: Tx) -> None:
        """Leave the sending to whoever goes on, at once."""
        if self._mine(tx) and self._lease is not None:
            tx.leases.put(replace(self._lease, until=tx.now(self._clock.now())))

    def _settle(self, tx: Tx, outcomes: Sequence[Outcome]) -> None:
        if self._mine(tx):
            _settled(tx, outcomes, self._clock.now())

    async def _tried(self, gate: asyncio.Semaphore, delivery: Delivery, stream: Stream | None) -> Outcome:
        try:
            parcel = self._parcel(delivery, stream)
        except KeyUnusable as error:
            return Outcome(delivery, str(error), final=True)
        if parcel is None:
            return Outcome(delivery, "the receiver is no longer registered", final=True)
        async with gate:
            try:
                answer = await self._post(parcel.address, parcel.headers, parcel.body)
            except Unfetched as error:
                return Outcome(delivery, str(error), final=error.forbidden)
        if answer.status in _YES:
            return Outcome(delivery)
        return Outcome(delivery, f"the receiver answered {answer.status}", final=answer.status == _NEVER)

    def _parcel(self, delivery: Delivery, stream: Stream | None) -> _Parcel | None:
        client = self._catalog.client(delivery.client_id)
        if client is None:
            return None
        if delivery.sort is Sort.LOGOUT:
            form = urlencode({"logout_token": self.token(delivery)})
            headers = {"content-type": "application/x-www-form-urlencoded"}
            address = client.backchannel_logout_uri
            return _Parcel(address, headers, form.encode("ascii")) if address else None
        if stream is None:
            return None
        headers = {"content-type": "application/secevent+jwt", "accept": "application/json"}
        if stream.sealed:
            headers["authorization"] = self._kek.unseal(stream.sealed, label(stream.id)).decode("ascii")
        return _Parcel(stream.endpoint, headers, self.token(delivery).encode("ascii"))

    def token(self, delivery: Delivery) -> str:
        """A delivery's claims, signed now with the key that signs the client's ID tokens."""
        client, now = self._catalog.client(delivery.client_id), self._clock.now()
        signer = self._catalog.ring.signer("ES256" if client is None else client.id_token_alg, now)
        logout = delivery.sort is Sort.LOGOUT
        write, kind = (events.whole_logout, events.LOGOUT_JWT) if logout else (events.whole_event, events.SET_JWT)
        claims = write(delivery.claims, self._settings.issuer, delivery.client_id, delivery.id, now)
        return signer.signed(signer.message(kind, claims))


def label(stream_id: str) -> bytes:
    """What a stream's header is sealed for."""
    return f"evergrant stream {stream_id}".encode()


def _due(tx: Tx, now: int) -> list[tuple[Delivery, Stream | None]]:
    """What is to be tried now, with its stream. What a receiver fetches itself is not sent, what is held waits."""
    streams = {stream.id: stream for stream in every(tx)}
    found: list[tuple[Delivery, Stream | None]] = []
    after: str | None = None
    while len(found) < ROUND and (page := tx.deliveries.find(_PAGE, after)):
        after = page[-1].id
        for delivery in page:
            stream = streams.get(delivery.stream) if delivery.sort is Sort.EVENT else None
            waits = stream is not None and (stream.method is Method.POLL or not flows(stream, delivery))
            if delivery.due_at <= now and not waits:
                found.append((delivery, stream))
    return found[:ROUND]


def _settled(tx: Tx, outcomes: Sequence[Outcome], now: int) -> None:
    """Take out what arrived or never will; put off the rest."""
    for delivery, trouble, final in outcomes:
        wait = min(_FIRST_WAIT << min(delivery.tries, 20), _LONGEST_WAIT)
        over = final or now + wait >= delivery.ends_at
        if not trouble or over:
            tx.deliveries.delete(delivery.id)
        else:
            tx.deliveries.put(replace(delivery, tries=delivery.tries + 1, due_at=now + wait))
        if trouble and over:
            detail = f"{delivery.sort} {delivery.id}: {trouble}"
            tx.events.add([Event(now, What.RECEIVER_NOT_TOLD, delivery.client_id, detail=detail)])
