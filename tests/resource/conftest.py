"""Fixtures of this room."""

from collections.abc import AsyncIterator, Iterator

import pytest

from evergrant.resource import Verifier
from evergrant.testing.token_issuer import TokenIssuer, token_issuer
from tests.resource.stand import Stand, standing


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with standing() as made:
        yield made


@pytest.fixture
async def verifier(stand: Stand) -> AsyncIterator[Verifier]:
    async with stand.verifier() as made:
        yield made


@pytest.fixture(scope="package")
def issuer() -> Iterator[TokenIssuer]:
    """The product's own issuer, over HTTP."""
    with token_issuer() as running:
        yield running
