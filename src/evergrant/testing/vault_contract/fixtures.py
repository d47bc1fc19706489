"""What every part of the contract is given: a fresh vault, a clock that stands, and made-up values."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from evergrant.clock import Clock, FixedClock
from evergrant.keeper.connection import MAIN, Claim, Connection, Health, Intent, Origin, Pending, Record, Step
from evergrant.keeper.event import Event, Letter, What
from evergrant.keeper.vault.port import Change, Found, Vault

NOW = 1_790_000_000
ACME, OTHER = "acme", "other"
Opener = Callable[..., Vault]
"""Called with nothing, or with `clock=`."""


class VaultFixtures:
    """Override `opener`; nothing else is needed."""

    @pytest.fixture
    def opener(self) -> Opener:
        """A callable that opens the vault under test, empty at first. The same vault again, when it lasts."""
        pytest.fail("override the fixture `opener`: a callable that opens the vault under test")

    @pytest.fixture
    def clock(self) -> FixedClock:
        """The vault's own clock."""
        return FixedClock(NOW)

    @pytest.fixture
    async def vault(self, opener: Callable[[Clock | None], Vault], clock: FixedClock) -> AsyncIterator[Vault]:
        """The vault, opened and closed."""
        opened = opener(clock)
        yield opened
        await opened.close()


def connection(n: int = 1, tenant: str = ACME, **members: Any) -> Connection:
    """A connection with every member set."""
    made = Connection(
        id=f"con_{tenant}_{n:03}",
        tenant=tenant,
        client="hubspot",
        provider="hubspot",
        account=f"user-{n}",
        user=f"user-{n}",
        subject=f"subject-{n}",
        label=f"Somebody {n}",
        tags={"team": "blue", "n": str(n)},
        health=Health.ACTIVE,
        asked_scope=("read", "write"),
        granted_scope=("read",),
        fields={"instance_url": "https://na1.example"},
        overrides={"refresh": {"rotates": True, "window": 30}},
        created_at=NOW - 100,
        connected_at=NOW - 90,
        changed_at=NOW - 90,
    )
    return replace(made, **members)


def record(of: Connection, version: int = 1, name: str = MAIN, **members: Any) -> Record:
    """A record with every member set. Its sealed members are not envelopes: a vault does not look into them."""
    made = Record(
        connection_id=of.id,
        name=name,
        version=version,
        access_token=b"access \x00%d" % version,
        refresh_token=b"refresh \xff%d" % version,
        previous=b"previous %d" % version,
        previous_until=NOW + 600,
        fingerprint=f"{of.id}-{name}-{version}",
        dead=("gone",),
        token_type="bearer",
        scope=("read",),
        sent_at=NOW - 10,
        expires_at=NOW + 1_800,
        origin=Origin.PROVIDER,
        refresh_idle_end=NOW + 86_400,
        refresh_hard_end=NOW + 864_000,
        refreshed_at=NOW - 9,
        used_at=NOW - 5,
    )
    return replace(made, **members)


def intent(of: Claim, n: int = 1, version: int = 1, **members: Any) -> Intent:
    """An open intent under a claim."""
    made = Intent(
        id=f"int_{of.connection_id}_{n}",
        connection_id=of.connection_id,
        name=of.name,
        record_version=version,
        fingerprint="fp",
        fence=of.fence,
        written_at=NOW,
        deadline=NOW + 20,
        retry="no",
    )
    return replace(made, **members)


def pending(n: int = 1, of: str = "con_acme_001", **members: Any) -> Pending:
    """An authorization under way."""
    made = Pending(b"state %d" % n, ACME, of, "hubspot", "user-1", NOW, NOW + 600, b"sealed \x00\xff")
    return replace(made, **members)


def event(n: int = 1, of: str = "con_acme_001", tenant: str = ACME, **members: Any) -> Event:
    """One line of the trail."""
    made = Event(NOW + n, What.REFRESHED, tenant, of, "hubspot", "user-1", "", n, "worker", f"line {n}")
    return replace(made, **members)


def letter(n: int = 1, **members: Any) -> Letter:
    """A webhook on its way."""
    made = Letter(f"evt_{n}", ACME, "connection.needs_reauth", b'{"n":%d}' % n, NOW, NOW + n, headers={"x": "y"})
    return replace(made, **members)


async def connected(vault: Vault, n: int = 1, tenant: str = ACME, **members: Any) -> Connection:
    """A connection in the vault, at version 1, with a record."""
    new = connection(n, tenant)
    await vault.add(new)
    after = replace(new, version=1, **members)
    await vault.change(Change(after, expected=0, records=[record(after)]))
    return after


async def claimed(vault: Vault, of: Connection, owner: str = "worker", seconds: float = 30) -> Claim:
    """The claim on a connection's record."""
    claim = await vault.claim(of.id, MAIN, owner, seconds)
    assert claim is not None
    return claim


async def found(vault: Vault, of: Connection) -> Found:
    """What the vault holds of a connection."""
    there = await vault.load(of.tenant, of.id)
    assert there is not None
    return there


def step(of: Connection, **members: Any) -> Change:
    """The next change of a connection: its version rises by one."""
    expected = members.pop("expected", of.version)
    return Change(replace(of, version=of.version + 1), expected=expected, **members)


def closed(which: Intent, **members: Any) -> Intent:
    """The intent, closed."""
    return replace(which, step=Step.CLOSED, outcome="committed", **members)
