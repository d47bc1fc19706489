"""Hearing of changes at once, on a node that has much open."""

import asyncio
import os
import resource

import pytest

from evergrant.store.postgres.connection import address
from evergrant.store.postgres.listening import Listening
from evergrant.store.postgres.migrate import migrate

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


@pytest.fixture
def crowded():
    """A process that has more files open than select() can tell apart."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    yield
    for one in held:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("crowded")
async def test_a_node_with_more_than_a_thousand_connections_hears_too(postgres, database):
    migrate(address(database))
    heard = []
    listening = Listening(address(database), heard.append)
    try:
        for _ in range(500):
            if heard:
                break
            await asyncio.sleep(0.01)
        for number in ("7", "not a number", "8"):
            postgres.execute(f"SELECT pg_notify('evergrant_revision', '{number}')", database)
        for _ in range(500):
            if heard[-1] == 8:
                break
            await asyncio.sleep(0.01)
        assert heard == [0, 7, 8]
    finally:
        await asyncio.to_thread(listening.close)
