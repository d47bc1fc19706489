"""Stores to move: one with something of everything in it, and empty ones."""

from dataclasses import replace

import pytest

from evergrant.domain import id as ids
from evergrant.domain.ending import End
from evergrant.domain.event import Event, What
from evergrant.entropy import SeededEntropy
from evergrant.store.layout import ISSUER
from evergrant.store.postgres import PostgresStore
from evergrant.store.sqlite import SqliteStore
from evergrant.testing import specimens
from evergrant.testing.contract.records import TABLES as KINDS
from evergrant.testing.presenting import Presenter, ring

NOW = specimens.NOW
FAMILIES = 2_500


SQLITE = "SQLite"
SHARED = [pytest.mark.needs("postgres"), pytest.mark.long]
KINDS_OF_MOVE = [
    SQLITE,
    pytest.param("to PostgreSQL", marks=SHARED),
    pytest.param("from PostgreSQL", marks=SHARED),
]


@pytest.fixture(params=KINDS_OF_MOVE)
def move_of(request):
    """From one file to another, from a file to PostgreSQL, or back."""
    return request.param


class Opener:
    """Opens stores by the name of a file, wherever they are; the full one is where the move begins."""

    def __init__(self, move_of, cluster):
        self._move_of, self._cluster = move_of, cluster
        self.places, self.stores = {}, []

    def __call__(self, place):
        beginning = place.name == "full.db"
        if self._move_of == SQLITE or beginning == (self._move_of == "to PostgreSQL"):
            self.stores.append(SqliteStore.open(place))
        else:
            if place not in self.places:
                self.places[place] = self._cluster.database() if self.places else self._cluster.emptied()
            self.stores.append(PostgresStore.open(self.places[place]))
        return self.stores[-1]


@pytest.fixture
async def opened(request, move_of):
    """Opens stores, and closes them in the end."""
    opener = Opener(move_of, None if move_of == SQLITE else request.getfixturevalue("postgres"))
    yield opener
    for store in opener.stores:
        await store.close()
    for url in list(opener.places.values())[1:]:
        opener._cluster.drop(url)


@pytest.fixture
async def full(opened, tmp_path):
    """A store with three of everything, families that were rotated, and events of which the first are swept."""
    store = opened(tmp_path / "full.db")

    def fill(tx):
        for called, kind in KINDS.items():
            for n in range(3):
                kind.of(tx).put(kind.make(f"{called} {n}"))
        for n in range(FAMILIES):
            tx.families.add(specimens.family(n, head=specimens.head(epoch=n % 3)))
        tx.events.add([Event(NOW + n, What.FAMILY_ROTATED, family_id=name(n), detail=f"ä {n}") for n in range(3_000)])
        tx.endings.add([End(NOW + n, "revoked_by_client", "usr_1") for n in range(3)])
        tx.turn()

    await store.write(fill)
    await store.write(lambda tx: (tx.events.sweep(NOW + 500, 1_000), tx.endings.sweep(NOW + 1, 10)))
    return store


@pytest.fixture
async def token(full):
    """A family in the full store that was rotated twice: its newest refresh token."""
    presenter = Presenter(full, SeededEntropy("moving"), ring())
    text = await presenter.begin(specimens.family("rotated"))
    for _ in range(2):
        text = (await presenter.present(text)).token
    return text


def name(n):
    return ids.text(ids.Kind.FAMILY, specimens.raw(("family", n)))


def content(tx):
    """Every row of every table, sorted, and where event numbers go on."""
    return {table.name: sorted(tx.bulk.page(table)) for table in ISSUER.tables}, tx.bulk.numbers()


def quiet(*_):
    """Progress that nobody watches."""


def renamed(tx, n):
    account = tx.accounts.find()[n]
    tx.accounts.put(replace(account, username=f"{account.username}.renamed"))
