"""Many who need the catalog look once; when that look fails, each of them hears of that very failure. A store that went
back is looked at no more often than any other."""

import asyncio
from typing import Any

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.epoch import Epoch
from evergrant.domain.policy import Limits
from evergrant.issuer.catalog import Catalog
from evergrant.keys.local import LENGTH, LocalKek
from evergrant.store.port import StoreUnavailable


class Gone:
    """A store that is not there: each read waits to be told so."""

    seen_revision = 0

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def read(self, work: Any) -> Any:
        self.asked += 1
        await self.answer.wait()
        raise StoreUnavailable("gone")


async def test_whoever_waited_for_a_look_that_failed_is_told_so_also_when_the_next_one_has_begun() -> None:
    store = Gone()
    catalog = Catalog(store, LocalKek(bytes(LENGTH)), FixedClock(), Limits())  # type: ignore[arg-type]
    first = asyncio.create_task(catalog.fresh())
    await asyncio.sleep(0)
    look = catalog._looking
    assert look is not None

    async def eager() -> None:
        await asyncio.wait({look})
        store.answer.clear()
        await catalog.fresh()

    second = asyncio.create_task(eager())
    await asyncio.sleep(0)
    third = asyncio.create_task(catalog.fresh())
    await asyncio.sleep(0)
    assert store.asked == 1
    store.answer.set()
    for waiting in (first, third):
        with pytest.raises(StoreUnavailable):
            await waiting
    store.answer.set()
    with pytest.raises(StoreUnavailable):
        await second
    assert store.asked == 2


class Back:
    """A store that has forgotten its last change of clients or keys."""

    def __init__(self, knows: int, told: int) -> None:
        self.revision, self.seen_revision, self.asked = knows, told, 0

    async def read(self, _: Any) -> Any:
        self.asked += 1
        return self.revision, ({}, [], Epoch(self.revision, 0))


async def test_o_03_a_change_that_was_heard_of_and_lost_costs_one_look_and_the_next_change_is_heard_of() -> None:
    clock, store = FixedClock(), Back(knows=9, told=10)
    catalog = Catalog(store, LocalKek(bytes(LENGTH)), clock, Limits())  # type: ignore[arg-type]
    for _ in range(5):
        await catalog.fresh()
    assert store.asked == 1
    assert catalog.epoch.number == 9
    store.revision = store.seen_revision = 11
    await catalog.fresh()
    assert (store.asked, catalog.epoch.number) == (2, 11)
    clock.advance(1)
    assert catalog.stale, "it is looked for, heard of or not"
