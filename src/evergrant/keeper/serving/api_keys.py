"""Who may ask: keys of the REST API, each of one tenant and with scopes; shown once, kept as digests.

A key is looked up by its SHA-256 digest, and what is found is compared in constant time: how long that takes tells
nothing about any other key. What another process has revoked is refused here within `Settings.recheck_seconds`.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from hmac import compare_digest
from typing import Final

from evergrant.domain.secret import Secret, digest
from evergrant.domain.token import API_KEY, SECRET_LENGTH, write_opaque
from evergrant.keeper.errors import BadRequest, UnknownConnection
from evergrant.keeper.event import Event, What
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.vault.port import ApiKey, VaultUnavailable

PURPOSE: Final = "keeper api key"
LENGTH: Final = len(write_opaque(API_KEY, bytes(SECRET_LENGTH)))
LONGEST_NAME: Final = 64
MINUTE: Final = 60


class Scope(StrEnum):
    """What a key allows. None includes another, `admin` aside, which includes all."""

    READ = "connections:read"
    WRITE = "connections:write"
    LEASES = "leases"
    EVENTS = "events"
    ADMIN = "admin"


MEANING: Final = {
    Scope.READ: "see connections, providers, and what disconnecting would end",
    Scope.WRITE: "connect, import, change, refresh and disconnect accounts",
    Scope.LEASES: "take access tokens and report that one was refused",
    Scope.EVENTS: "read the audit trail of the tenant",
    Scope.ADMIN: "all of these, quarantines, parked webhooks, and API keys",
}


class ApiKeys:
    """Makes, ends and recognises keys."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._known: dict[bytes, ApiKey] = {}
        self._stamp: int | None = None
        self._looked = 0.0

    async def make(self, tenant: str, name: str, scopes: Collection[str]) -> tuple[ApiKey, Secret]:
        """A new key and its text, which nobody can see again. Raises `BadRequest`."""
        check_names(tenant=tenant)
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            msg = f"the name of a key is text of 1 to {LONGEST_NAME} printable characters"
            raise BadRequest(msg)
        unknown = sorted(set(scopes) - set(Scope))
        if unknown or not scopes:
            msg = f"{unknown[0][:40] if unknown else 'nothing'} is no scope of a key; those are {', '.join(Scope)}"
            raise BadRequest(msg)
        ground = await self._ground()
        text = write_opaque(API_KEY, ground.entropy.draw(SECRET_LENGTH))
        now = ground.clock.now()
        key = ApiKey("key_" + ground.draw(12), tenant, name, digest(PURPOSE, text), tuple(sorted(set(scopes))), now)
        told = Event(now, What.API_KEY_ADDED, tenant=tenant, caller=name, detail=f"{key.id} {' '.join(key.scopes)}")
        await ground.vault.add_api_key(key, [told])
        self._stamp = None
        return key, Secret(text)

    async def end(self, tenant: str, key_id: str) -> ApiKey:
        """Revoke a key of *tenant*; here at once. Raises `UnknownConnection` when the tenant has no such key."""
        ground = await self._ground()
        found = next((key for key in await self.of(tenant) if key.id == key_id), None)
        if found is None:
            msg = f"there is no API key {key_id[:64]}"
            raise UnknownConnection(msg)
        now = ground.clock.now()
        if not found.ended_at:
            told = Event(now, What.API_KEY_REVOKED, tenant=tenant, caller=found.name, detail=key_id)
            await ground.vault.end_api_key(key_id, now, [told])
            self._stamp = None
        return replace(found, ended_at=found.ended_at or now)

    async def of(self, tenant: str) -> list[ApiKey]:
        """Every key of *tenant*, revoked ones too."""
        ground = await self._ground()
        # An empty tenant is one like any other, and must not list everybody's.
        return [key for key in await ground.vault.api_keys(tenant) if key.tenant == tenant]

    async def known(self, text: str) -> ApiKey | None:
        """The key that *text* is, None for anything else, revoked keys included."""
        if len(text) != LENGTH or not text.startswith(API_KEY) or not text.isascii():
            return None
        ground = await self._ground()
        await self._fresh(ground)
        mark = digest(PURPOSE, text)
        found = self._known.get(mark)
        if found is None or found.ended_at or not compare_digest(found.digest, mark):
            return None
        minute = ground.clock.now() // MINUTE * MINUTE
        if found.used_at < minute:
            self._known[mark] = replace(found, used_at=minute)
            with suppress(VaultUnavailable):  # a note of use is not worth refusing a token that is in memory
                await ground.vault.use_api_key(found.id, minute)
        return found

    async def _fresh(self, ground: Ground) -> None:
        stamp, steady = ground.vault.stamp(), ground.clock.monotonic()
        if self._stamp is not None and (
            stamp == self._stamp or steady - self._looked < ground.settings.recheck_seconds - ground.vault.late
        ):
            return
        self._known = {key.digest: key for key in await ground.vault.api_keys()}
        self._stamp, self._looked = stamp, steady

    async def _ground(self) -> Ground:
        return (await self._keeper.rooms()).ground
