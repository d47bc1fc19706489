"""Clients: registering, changing, rotating a secret with overlap, deleting with everything they hold."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.client import Client, SecretDigest
from evergrant.domain.event import Event, What
from evergrant.domain.registration import problems
from evergrant.domain.scope import ScopeSyntaxError, parse_scope
from evergrant.domain.secret import Secret, digest
from evergrant.domain.token import CLIENT_SECRET, SECRET_LENGTH, write_opaque
from evergrant.entropy import Entropy
from evergrant.fetch.address import check_address
from evergrant.issuer.service.ends import end_client, end_part_of_client
from evergrant.issuer.service.streams import owned, remove
from evergrant.keys.lifecycle import ensure
from evergrant.keys.port import Kek
from evergrant.protocol.redirect import refuse_unregistrable
from evergrant.store.port import Store, Tx, Which

SECRET_DIGEST: Final = "client secret"
SECRET_OVERLAP: Final = 86_400
PART: Final = 5_000


class NoSuchClient(LookupError):
    """No client has that id or name."""


class BadRegistration(ValueError):
    """A registration that is not accepted; one sentence per problem."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("; ".join(found))
        self.problems: Final = tuple(found)


class ClientNameTaken(BadRegistration):
    """Another client has that name."""


class Clients:
    """The clients of one store."""

    def __init__(self, store: Store, kek: Kek, clock: Clock, entropy: Entropy) -> None:
        self._store, self._kek, self._clock, self._entropy = store, kek, clock, entropy

    def new_id(self) -> str:
        """An identifier for a new client; it can never look like a user's (R9700-2.6.c)."""
        return ids.text(ids.Kind.CLIENT, self._entropy.draw(ids.RAW_LENGTH))

    async def add(self, client: Client) -> tuple[Client, Secret | None]:
        """Register a client; its secret, told once, when it has one. Raises `BadRegistration`."""
        _judge(client)
        now, secret = self._clock.now(), None
        if client.confidential:
            secret, kept = self._secret(now)
            client = replace(client, secrets=(kept,))

        def work(tx: Tx) -> None:
            _refuse_taken(tx, client)
            ensure(tx, (client.id_token_alg, client.access_token_alg), self._kek, self._entropy, now)
            tx.clients.put(client)
            tx.events.add([Event(now, What.CLIENT_ADDED, client.id)])
            tx.turn()

        await self._store.write(work)
        return client, secret

    async def find(self, name_or_id: str) -> Client:
        """One client by id or name. Raises `NoSuchClient`."""
        return await self._store.read(lambda tx: wanted(tx, name_or_id))

    async def every(self) -> list[Client]:
        """All clients, in the order of their ids."""
        return await self._store.read(lambda tx: list(every(tx)))

    async def update(self, name_or_id: str, **changes: Any) -> Client:
        """Change a registration. Raises `NoSuchClient`, `BadRegistration`."""
        now = self._clock.now()

        def work(tx: Tx) -> Client:
            client = replace(wanted(tx, name_or_id), **changes)
            _judge(client)
            _refuse_taken(tx, client)
            ensure(tx, (client.id_token_alg, client.access_token_alg), self._kek, self._entropy, now)
            tx.clients.put(client)
            tx.events.add([Event(now, What.CLIENT_UPDATED, client.id, detail=" ".join(sorted(changes)))])
            tx.turn()
            return client

        return await self._store.write(work)

    async def rotate_secret(self, name_or_id: str, overlap: int = SECRET_OVERLAP) -> tuple[Client, Secret]:
        """A new secret; the old one goes on for *overlap* seconds (attack P-13). Raises as `update`."""
        now = self._clock.now()
        secret, kept = self._secret(now)

        def work(tx: Tx) -> Client:
            client = wanted(tx, name_or_id)
            if not client.confidential:
                raise BadRegistration([f"{client.name} is a public client and has no secret"])
            old = client.secrets[-1:] if overlap else ()
            ending = tuple(item._replace(ends_at=min(item.ends_at or now + overlap, now + overlap)) for item in old)
            client = replace(client, secrets=(*ending, kept))
            tx.clients.put(client)
            tx.events.add([Event(now, What.CLIENT_SECRET_ROTATED, client.id)])
            tx.turn()
            return client

        return await self._store.write(work), secret

    async def delete(self, name_or_id: str) -> tuple[Client, int]:
        """Delete a client and end its families; how many. Raises `NoSuchClient`.

        A crowd ends in parts, so that nobody else waits for a transaction of minutes. The registration goes last: what
        is interrupted leaves a client with fewer families, to be deleted again.
        """
        found = await self.find(name_or_id)
        crowd = await self._store.read(lambda tx: tx.families.ids(Which(client_id=found.id)))
        before = 0
        for place in range(0, len(crowd) - PART, PART):
            before += await self._end_part(found.id, crowd[place : place + PART])
        now = self._clock.now()

        def work(tx: Tx) -> tuple[Client, int]:
            client = wanted(tx, found.id)
            count = before + end_client(tx, client.id, now)
            tx.clients.delete(client.id)
            for stream in owned(tx, client.id):
                remove(tx, stream)
            tx.events.add([Event(now, What.CLIENT_DELETED, client.id, detail=client.name)])
            tx.turn()
            return client, count

        return await self._store.write(work)

    async def _end_part(self, client_id: str, families: Sequence[bytes]) -> int:
        now = self._clock.now()
        return await self._store.write(lambda tx: end_part_of_client(tx, client_id, families, now))

    def _secret(self, now: int) -> tuple[Secret, SecretDigest]:
        text = write_opaque(CLIENT_SECRET, self._entropy.draw(SECRET_LENGTH))
        return Secret(text), SecretDigest(digest(SECRET_DIGEST, text), now, 0)


def _judge(client: Client) -> None:
    found = problems(client)
    for uri in (*client.redirect_uris, *client.post_logout_redirect_uris):
        try:
            refuse_unregistrable(uri)
        except ValueError as error:
            found.append(str(error))
    if client.backchannel_logout_uri:
        try:
            check_address(client.backchannel_logout_uri)
        except ValueError as error:
            found.append(f"the back-channel logout URI {error}")
    elif client.backchannel_logout_session_required:
        found.append("a session can be required only of logout tokens, and there is no back-channel logout URI")
    for scope in client.scopes:
        try:
            several = parse_scope(scope) != {scope}
        except ScopeSyntaxError:
            several = True
        if several:
            found.append(f"not a scope: {scope!r}")
    if found:
        raise BadRegistration(found)


def _refuse_taken(tx: Tx, client: Client) -> None:
    if any(other.name == client.name and other.id != client.id for other in every(tx)):
        raise ClientNameTaken([f"there is already a client named {client.name}"])


def every(tx: Tx) -> Iterable[Client]:
    """All clients, in the order of their ids."""
    after: str | None = None
    while page := tx.clients.find(500, after):
        yield from page
        after = page[-1].id


def wanted(tx: Tx, name_or_id: str) -> Client:
    """One client by id or name. Raises `NoSuchClient`."""
    client = tx.clients.get(name_or_id) or next((item for item in every(tx) if item.name == name_or_id), None)
    if client is None:
        msg = f"there is no client named {name_or_id}"
        raise NoSuchClient(msg)
    return client
