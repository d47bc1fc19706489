"""Vaults to move: one with something of everything in it, and empty ones, in files and in databases."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import MAIN, Health
from evergrant.keeper.moving import Moving
from evergrant.keeper.vault.layout import VAULT
from evergrant.keeper.vault.port import ApiKey, Change
from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.keeper.vault.postgres.whole import WholeDatabase
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.vault.sqlite.whole import WholeFile
from evergrant.testing.vault_contract import fixtures as made

NOW = made.NOW
CONNECTIONS = 1_050
"""More than a page."""
FILE = "a file"
_SHARED = [pytest.mark.needs("postgres"), pytest.mark.long]
KINDS = [FILE, pytest.param("to PostgreSQL", marks=_SHARED), pytest.param("from PostgreSQL", marks=_SHARED)]


@pytest.fixture(params=KINDS)
def move_of(request):
    """From one file to another, from a file to a database, or back."""
    return request.param


class Standing(FixedClock):
    """A clock that goes on only in pauses."""

    def __init__(self):
        super().__init__(NOW)

    async def pause(self, seconds):
        self.advance(seconds)
        await asyncio.sleep(0)


class Places:
    """Opens vaults by the name of a place, wherever they are: as keepers do, or as a whole. The first is *full*."""

    def __init__(self, folder, move_of, cluster, clock):
        self._folder, self._move_of, self._cluster, self.clock = folder, move_of, cluster, clock
        self.urls, self._open = {}, []

    def shared(self, name):
        """Whether a place is in a database."""
        return self._move_of != FILE and (name == "full") != (self._move_of == "to PostgreSQL")

    def address(self, name) -> Path | str:
        """Where the vault of this name is."""
        if not self.shared(name):
            return self._folder / f"{name}.db"
        if name not in self.urls:
            self.urls[name] = self._cluster.database()
        return self.urls[name]

    def vault(self, name):
        """A keeper's vault."""
        kind = PostgresVault if self.shared(name) else SqliteVault
        self._open.append(kind.open(self.address(name), self.clock))
        return self._open[-1]

    def whole(self, name):
        """The same for moving it."""
        kind = WholeDatabase if self.shared(name) else WholeFile
        self._open.append(kind.open(self.address(name), self.clock))
        return self._open[-1]

    async def close(self):
        for one in self._open:
            await one.close()
        for url in self.urls.values():
            self._cluster.drop(url)


@pytest.fixture
def clock():
    return Standing()


@pytest.fixture
def how(clock):
    """How everything is moved here: waiting takes no time."""
    return Moving(clock, pause=clock.pause)


@pytest.fixture
async def places(request, tmp_path, move_of, clock):
    """Opens vaults, and closes them in the end."""
    found = Places(tmp_path, move_of, None if move_of == FILE else request.getfixturevalue("postgres"), clock)
    yield found
    await found.close()


@pytest.fixture
async def full(places):
    """A vault with many connections and something of everything beside them; no claim in it is live."""
    vault = places.vault("full")
    await vault.keep_once("fingerprint key", b"sealed \x00\xff")
    everybody = [made.connection(n, made.ACME if n // 2 % 3 else made.OTHER) for n in range(CONNECTIONS)]
    await asyncio.gather(*(_stands(vault, one, n // 2) for n, one in enumerate(everybody)))
    first = made.connection(1, made.OTHER)
    claim = await vault.claim(first.id, MAIN, "gone", 1)
    await vault.intend(claim, made.intent(claim), 1)
    await vault.journal(made.intent(claim).id, b"a reply \x00", NOW)
    other = await vault.claim(first.id, "bot", "gone", 1)
    await vault.intend(other, made.intent(other, 2), 1)
    places.clock.advance(5)
    for n in range(3):
        await vault.await_callback(made.pending(n))
        await vault.add_api_key(ApiKey(f"key_{n}", made.ACME, f"n\u00e4me {n}", b"digest \xff", ("lease",), NOW))
    await vault.note([made.event(n) for n in range(1_500)])
    await vault.trail_ends()
    await vault.note([made.event(n) for n in range(3)])
    return vault


async def _stands(vault, connection, n):
    odd = "a\x00b" if connection.id == "con_acme_014" else f"user-{connection.id}"
    new = replace(connection, account=odd, user="\u00fc")
    await vault.add(new)
    after = replace(new, version=1, health=Health.NEEDS_REAUTH if n % 5 == 0 else Health.ACTIVE)
    bot = made.record(after, name="bot", previous=b"", refresh_token=b"")
    letters = [made.letter(n)] if n < 5 else ()
    await vault.change(Change(after, expected=0, records=[made.record(after), bot], letters=letters))


def content(tx):
    """Every row of every table, and where the numbers of claims go on."""
    return {table.name: sorted(tx.bulk.page(table)) for table in VAULT.tables}, tx.bulk.numbers()


def quiet(*_):
    """Progress that nobody watches."""
