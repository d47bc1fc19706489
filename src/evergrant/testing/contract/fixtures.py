"""What every part of the contract is given: a fresh store, and a presenter of refresh tokens."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from evergrant.domain.family import Ended, Family
from evergrant.domain.reason import Reason
from evergrant.entropy import SeededEntropy
from evergrant.store.port import EventQuery, Store, Tx
from evergrant.testing import specimens
from evergrant.testing.presenting import Presenter, ring

NOW = specimens.NOW
DAY = specimens.DAY
OVER = Ended(NOW + 5, Reason.REVOKED)


class ContractFixtures:
    """Override `opener`; nothing else is needed."""

    @pytest.fixture
    def opener(self) -> Callable[[], Store]:
        """A callable that opens the store under test, empty at first. The same store again, when it lasts."""
        pytest.fail("override the fixture `opener`: a callable that opens the store under test")

    @pytest.fixture
    async def store(self, opener: Callable[[], Store]) -> AsyncIterator[Store]:
        """The store, opened and closed."""
        opened = opener()
        yield opened
        await opened.close()

    @pytest.fixture
    def presenter(self, store: Store) -> Presenter:
        """A presenter of refresh tokens at the store."""
        return Presenter(store, SeededEntropy("contract"), ring())


async def row(store: Store, family_id: bytes) -> Family:
    """The family as it is stored now."""
    found = await store.read(lambda tx: tx.families.get(family_id))
    assert found is not None
    return found


async def put_families(store: Store, *families: Family) -> None:
    """Add families in one piece of work."""

    def work(tx: Tx) -> None:
        for family in families:
            tx.families.add(family)

    await store.write(work)


async def told(store: Store, **wanted: Any) -> list[str]:
    """What the audit trail tells, oldest first."""
    query = EventQuery(limit=10_000)._replace(**wanted)
    return [event.what.value for _, event in await store.read(lambda tx: tx.events.find(query))]
