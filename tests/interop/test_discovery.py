"""The keeper finds this project's own issuer, a real server, by its address alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evergrant.keeper.provider.discovery import Undiscovered, discovered
from evergrant.keeper.provider.model import ClientAuth, Pkce, RevokeVerb
from evergrant.keeper.provider.rules import contradictions
from evergrant.keeper.wire.fetch import Fetcher, Reach
from tests.served import Served, served

NEAR = Reach(loopback=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("issuer")
    with served(folder) as running:
        yield running


async def test_our_own_issuer_is_found_by_its_address(server: Served) -> None:
    found = await discovered(server.issuer, Fetcher(NEAR))
    provider = found.provider
    assert provider.issuer == server.issuer
    assert provider.iss_in_callback
    assert provider.pkce is Pkce.SUPPORTED
    assert provider.client_auth == (ClientAuth.BASIC, ClientAuth.POST, ClientAuth.NONE)
    assert provider.refresh_scope == "offline_access"
    assert provider.revoke.verb is RevokeVerb.RFC7009
    assert found.elsewhere == provider.quirks == ()
    assert contradictions(provider, loopback=True) == []


async def test_k_02_our_own_issuer_with_a_slash_more_is_another(server: Served) -> None:
    with pytest.raises(Undiscovered) as caught:
        await discovered(f"{server.issuer}/", Fetcher(NEAR))
    assert caught.value.code == "issuer_mismatch"
