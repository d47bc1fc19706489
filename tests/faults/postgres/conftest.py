"""One PostgreSQL behind a wire that can be harmed, for tests of trouble; each test's database is its own."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.postgres.pair import Pair, paired
from tests.postgres.postmaster import Postmaster, running, scratch
from tests.postgres.proxy import Proxy, proxied

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def postmaster() -> Iterator[Postmaster]:
    """A server of this module's own, which its tests may kill: each leaves it running."""
    with scratch() as folder, running(folder / "one") as server:
        yield server


@pytest.fixture(scope="module")
def _wire(postmaster: Postmaster) -> Iterator[Proxy]:
    with proxied(lambda: postmaster.port) as proxy:
        yield proxy


@pytest.fixture
def wire(_wire: Proxy) -> Iterator[Proxy]:
    """What lies between a node and the server; whole again afterwards."""
    yield _wire
    _wire.mend()


@pytest.fixture
def database(postmaster: Postmaster) -> str:
    """The name of an empty database."""
    name = f"test_{next(_NUMBERS)}"
    postmaster.create(name)
    return name


@pytest.fixture
def pair() -> Callable[..., AbstractContextManager[Pair]]:
    """Makes a primary and a standby of this test's own."""
    return paired
