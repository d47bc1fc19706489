"""pytest fixtures for whoever tests an API: `pytest_plugins = ["evergrant.testing.plugin"]` in a conftest.py.

Only fixtures live here; what they give is `evergrant.testing.token_issuer`.
"""

from collections.abc import Iterator

import pytest

from evergrant.testing.token_issuer import TokenIssuer, token_issuer


@pytest.fixture(scope="session")
def evergrant_issuer() -> Iterator[TokenIssuer]:
    """A real issuer on loopback for the whole run; tests are kept apart by the subjects and clients they name."""
    with token_issuer() as issuer:
        yield issuer
