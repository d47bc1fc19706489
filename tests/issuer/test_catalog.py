"""Many who need the catalog look once; when that look fails, each of them hears of that very failure."""

import asyncio
from typing import Any

import pytest

from evergrant.clock import FixedClock
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
