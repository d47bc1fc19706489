"""Issuers as fixtures, for the conftests of the folders that speak HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evergrant.testing.in_process import Issuer
from tests.issuing import STORES, issuing, with_resources


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    """An issuer on the memory store, with Ada."""
    async with issuing(tmp_path) as running:
        await running.person()
        yield running


@pytest.fixture(params=STORES)
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Issuer]:
    """The same on each store, for what is about concurrency or durability."""
    async with issuing(tmp_path, request.param) as running:
        await running.person()
        yield running


@pytest.fixture
async def apis(tmp_path: Path) -> AsyncIterator[Issuer]:
    """An issuer that knows two APIs with JWTs and one with opaque tokens."""
    async with issuing(tmp_path, config=with_resources()) as running:
        await running.person()
        yield running
