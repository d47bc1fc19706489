"""Putting a keeper together: the only file of this side that knows every room.

What lives here: which vault an address means, where the key comes from, who is handed what. What must not: a decision,
a request, a row.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import environ
from pathlib import Path
from typing import Final

from evergrant.clock import Clock, SystemClock, clock_from_environment
from evergrant.domain.secret import Secret
from evergrant.entropy import Entropy, SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.exchange import Transport
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.running import Running
from evergrant.keeper.sealing import unlock
from evergrant.keeper.service.budget import Budget
from evergrant.keeper.service.clients import Clients
from evergrant.keeper.service.connecting import Connecting
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.lease import Leases
from evergrant.keeper.service.limits import Countdown
from evergrant.keeper.service.refresh import Refresher
from evergrant.keeper.service.watch import Watch
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import Vault
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.wire.transport import HttpTransport
from evergrant.keys.envelope import KEY_LENGTH

MEMORY: Final = "memory:"
KEY_FILE: Final = ".key"
SYSTEM: Final = "system:"
ENVIRONMENT: Final = "env:"
POSTGRES: Final = ("postgres://", "postgresql://")

Applications = Mapping[str, Client | Mapping[str, object]] | Iterable[Client]


@dataclass(frozen=True, slots=True)
class Rooms:
    """An open keeper, room by room."""

    ground: Ground
    connecting: Connecting
    refresher: Refresher
    leases: Leases
    watch: Watch
    clients: Clients
    running: Running

    async def close(self, seconds: float) -> None:
        """Let refreshes finish within *seconds*, note what was used, and close wire and vault."""
        await self.connecting.landing.rest(seconds)
        await self.refresher.flights.land(seconds)
        await self.watch.leave()
        await self.ground.transport.close()
        await self.ground.vault.close()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is needed to open a keeper, as often as need be: a forked process opens its own."""

    address: str
    key: object
    settings: Settings
    catalog: Catalog
    clock: Clock
    entropy: Entropy
    transport: Transport | None = None
    vault: Vault | None = None
    pause: Callable[[float], Awaitable[None]] | None = None

    async def open(self) -> Rooms:
        """The rooms. Raises `VaultUnusable`, `KeyUnusable`, `VaultUnavailable`."""
        # The key first: a vault that is there without its key has lost it, and must not be given another one.
        ring = keyring_of(self.key, self.address, self.entropy)
        vault = self.vault or vault_at(self.address, self.clock)
        try:
            sealer = await unlock(vault, ring, self.entropy)
        except BaseException:
            if self.vault is None:
                await vault.close()
            raise
        transport = self.transport or HttpTransport(self.clock, connect_seconds=self.settings.connect_seconds)
        ground = Ground(vault, sealer, self.catalog, self.settings, transport, self.clock, self.entropy)
        if self.pause is not None:
            ground = replace(ground, pause=self.pause)
        return furnished(ground)


def furnished(ground: Ground) -> Rooms:
    """Every room on *ground*."""

    async def freshen(connection: Connection) -> object:
        return await leases.lease(connection.client, connection.account, tenant=connection.tenant)

    connecting, watch, clients = Connecting(ground, freshen), Watch(ground), Clients(ground)
    owner = f"own_{ground.draw(12)}"
    refresher = Refresher(ground, owner=owner, budget=Budget(ground), clients=clients, watch=watch)
    countdown = Countdown(ground)
    leases = Leases(ground, refresher, connecting.finding, watch, countdown)
    refresher.changed = leases.forget
    running = Running(ground, refresher, connecting, watch, countdown)
    return Rooms(ground, connecting, refresher, leases, watch, clients, running)


def vault_at(address: str, clock: Clock) -> Vault:
    """The vault that *address* means. Raises `VaultUnusable`."""
    if address == MEMORY:
        return MemoryVault(clock)
    real = isinstance(clock, SystemClock) and not clock.simulated
    if address.startswith(POSTGRES):
        # A vault in a file need not wait for the driver to be loaded.
        from evergrant.keeper.vault.postgres import PostgresVault  # noqa: PLC0415

        return PostgresVault.open(address, None if real else clock)
    return SqliteVault.open(Path(address), None if real else clock)


def keyring_of(key: object, address: str, entropy: Entropy) -> Keyring:
    """The keys that *key* means. Raises `KeyUnusable`, `BadRequest`.

    None: the file beside the vault, made together with it; beside a database there is none. A `Path`: that file.
    `env:NAME`: that variable. `system:ACCOUNT`: the operating system's keyring. Other text: the keys themselves, base64
    of 32 bytes each.
    """
    if isinstance(key, Keyring):
        return key
    if key is None:
        if address == MEMORY:
            return keyring.from_keys_text(b64encode(entropy.draw(KEY_LENGTH)).decode("ascii"), "a key of this process")
        if address.startswith(POSTGRES):
            msg = 'a vault on PostgreSQL is opened by many hosts: name the key they share, as in key="env:KEEPER_KEY"'
            raise BadRequest(msg)
        return keyring.from_file(Path(address + KEY_FILE), entropy, make=not Path(address).exists())
    if isinstance(key, Path):
        return keyring.from_file(key, entropy, make=False)
    if isinstance(key, Secret):
        key = key.reveal()
    if not isinstance(key, str):
        msg = "key is a path, base64 text, env:NAME, system:ACCOUNT or a Keyring"
        raise BadRequest(msg)
    if key.startswith(ENVIRONMENT):
        return keyring.from_environment(environ, key.removeprefix(ENVIRONMENT))
    if key.startswith(SYSTEM):
        return keyring.from_system(entropy, account=key.removeprefix(SYSTEM), make=True)
    return keyring.from_keys_text(key, "key")


def plan(
    address: str,
    *,
    key: object = None,
    clients: Applications = (),
    settings: Settings | None = None,
    catalog: Catalog | None = None,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    transport: Transport | None = None,
    vault: Vault | None = None,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> Plan:
    """A plan with everything filled in. Raises `BadRequest` for a client that is none."""
    told = settings or Settings()
    named = {**told.clients, **named_clients(clients)}
    return Plan(
        address,
        key,
        replace(told, clients=named),
        catalog or Catalog.shipped(),
        clock or clock_from_environment(),
        entropy or SystemEntropy(),
        transport,
        vault,
        pause,
    )


def named_clients(clients: Applications) -> dict[str, Client]:
    """Clients by name; each a `Client`, or a mapping of its members in which *secret* may be plain text."""
    if not isinstance(clients, Mapping):
        return {one.name: one for one in clients}
    found: dict[str, Client] = {}
    for name, one in clients.items():
        if isinstance(one, Client):
            found[name] = replace(one, name=name)
        else:
            found[name] = _client(name, dict(one))
    return found


def _client(name: str, said: dict[str, object]) -> Client:
    said = {"provider": name, **said, "name": name}
    for secret in ("secret", "private_key"):
        if isinstance(said.get(secret), str):
            said[secret] = Secret(str(said[secret]))
    if isinstance(said.get("scopes"), list):
        said["scopes"] = tuple(said["scopes"])  # type: ignore[arg-type]
    try:
        return Client(**said)  # type: ignore[arg-type]
    except TypeError as error:
        msg = f"client {name}: {str(error).partition(') ')[2] or error}; it has {', '.join(Client.__slots__)}"
        raise BadRequest(msg) from None
