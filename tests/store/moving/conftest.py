"""Stores to move: one with something of everything in it, and empty ones."""

from dataclasses import replace

import pytest

from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.entropy import SeededEntropy
from evergrant.store.bulk import TABLES
from evergrant.store.sqlite import SqliteStore
from evergrant.testing import specimens
from evergrant.testing.contract.records import TABLES as KINDS
from evergrant.testing.presenting import Presenter, ring

NOW = specimens.NOW
FAMILIES = 2_500


@pytest.fixture
async def opened():
    """Opens stores, and closes them in the end."""
    stores = []

    def opener(place):
        stores.append(SqliteStore.open(place))
        return stores[-1]

    yield opener
    for store in stores:
        await store.close()


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
        tx.events.sweep(NOW + 500, 1_000)
        tx.turn()

    await store.write(fill)
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
    return {table.name: sorted(tx.bulk.page(table)) for table in TABLES}, tx.bulk.last_number()


def quiet(*_):
    """Progress that nobody watches."""


def renamed(tx, n):
    account = tx.accounts.find()[n]
    tx.accounts.put(replace(account, username=f"{account.username}.renamed"))
