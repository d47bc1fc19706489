"""One demo for all tests that only walk through it; each walker brings a browser of its own."""

from collections.abc import Iterator

import pytest

from tests.demo.demonstration import Demonstration, Walker, demonstration


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with demonstration(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def walker(demo: Demonstration) -> Iterator[Walker]:
    yield demo.walker()
    demo.close()
