"""A database with the tables of a vault, empty for each test: quicker than making them each time."""

from collections.abc import Iterator
from typing import Final

import pytest

from evergrant.keeper.vault.postgres import ROOM
from evergrant.store.postgres.connection import address
from evergrant.store.postgres.migrate import migrate
from tests.cluster import Cluster

EMPTIED: Final = """\
TRUNCATE evergrant_keeper.connection, evergrant_keeper.place, evergrant_keeper.tag, evergrant_keeper.record,
  evergrant_keeper.claim, evergrant_keeper.intent, evergrant_keeper.told, evergrant_keeper.event,
  evergrant_keeper.pending, evergrant_keeper.kept, evergrant_keeper.letter, evergrant_keeper.api_key;
ALTER SEQUENCE evergrant_keeper.fence RESTART;
UPDATE evergrant_keeper.trail SET swept = 0, swept_chain = '', last = 0, last_chain = '';
"""


@pytest.fixture(scope="session")
def vault_database(postgres: Cluster) -> Iterator[str]:
    """The URL of a database that all tests of vaults get in turn."""
    url = postgres.database()
    migrate(address(url), ROOM)
    yield url
    postgres.drop(url)


@pytest.fixture
def vault_url(postgres: Cluster, vault_database: str) -> str:
    """The URL of a vault with nothing in it."""
    postgres.execute(EMPTIED, vault_database)
    return vault_database
