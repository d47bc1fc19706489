"""A real keeper behind other people's HTTP clients: connected at a real provider, asked at its real API."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
import requests

from evergrant.domain.secret import Secret
from evergrant.keeper import Client, Keeper, NeedsReauth, Settings, SyncKeeper
from evergrant.keeper.connection import Reason
from evergrant.keeper.provider.catalog import Catalog
from evergrant.testing.chaos import Chaos, beside

CALLBACK = "https://app.example/connect/plain/callback"


def opening(chaos: Chaos, tmp_path) -> dict:
    catalog = Catalog()
    catalog.add(chaos.provider)
    ours = Client("plain", chaos.client_id, Secret(chaos.client_secret), CALLBACK, scopes=("openid", "read"))
    settings = Settings(reconnect_page="https://app.example/reconnect")
    return {"address": str(tmp_path / "keeper.db"), "clients": [ours], "catalog": catalog, "settings": settings}


def browsed(url: str) -> str:
    return httpx2.get(url).headers["location"]


@pytest.fixture
def provider() -> Iterator[Chaos]:
    with beside() as chaos:
        yield chaos


def kill_access(chaos: Chaos) -> None:
    """End every access token at the provider, and nothing else."""
    for _, access in chaos._state.book._access.values():
        access.dead = True


async def test_an_asynchronous_client_outlives_an_access_token_that_dies_early(provider, tmp_path):
    async with Keeper.open(**opening(provider, tmp_path)) as keeper:
        link = await keeper.begin("plain", "ada")
        await keeper.finish(await asyncio.to_thread(browsed, link.url), "ada")
        async with httpx2.AsyncClient(auth=keeper.auth("plain", account="ada")) as client:
            assert (await client.get(provider.provider.probe_url)).status_code == 200
            kill_access(provider)
            assert (await client.get(provider.provider.probe_url)).status_code == 200
            assert len(provider.ledger.refreshes) == 1


async def test_many_requests_that_meet_a_dead_token_at_once_renew_it_once(provider, tmp_path):
    async with Keeper.open(**opening(provider, tmp_path)) as keeper:
        link = await keeper.begin("plain", "ada")
        await keeper.finish(await asyncio.to_thread(browsed, link.url), "ada")
        async with httpx2.AsyncClient(auth=keeper.auth("plain", account="ada")) as client:
            await client.get(provider.provider.probe_url)
            kill_access(provider)
            answers = await asyncio.gather(*(client.get(provider.provider.probe_url) for _ in range(20)))
            assert {one.status_code for one in answers} == {200}
            assert len(provider.ledger.refreshes) == 1


def test_blocking_clients_of_both_libraries_do_too(provider, tmp_path):
    with SyncKeeper.open(**opening(provider, tmp_path)) as keeper:
        keeper.finish(browsed(keeper.begin("plain", "ada").url), "ada")
        with httpx2.Client(auth=keeper.auth("plain", account="ada")) as client:
            kill_access(provider)
            assert client.get(provider.provider.probe_url).status_code == 200
        with requests.Session() as session:
            session.trust_env = False
            kill_access(provider)
            auth = keeper.auth_requests("plain", account="ada")
            assert session.get(provider.provider.probe_url, auth=auth, timeout=30).status_code == 200
        assert len(provider.ledger.refreshes) == 2


async def test_a_withdrawn_grant_is_a_typed_reason_whose_link_repairs_it(provider, tmp_path):
    async with Keeper.open(**opening(provider, tmp_path)) as keeper:
        link = await keeper.begin("plain", "ada")
        first = await keeper.finish(await asyncio.to_thread(browsed, link.url), "ada")
        provider.withdraw("ada")
        async with httpx2.AsyncClient(auth=keeper.auth("plain", account="ada")) as client:
            with pytest.raises(NeedsReauth) as trouble:
                await client.get(provider.provider.probe_url)
            assert trouble.value.reason is not Reason.NONE
            assert trouble.value.reconnect.startswith("https://app.example/reconnect?reconnect=")
            link = await keeper.reconnect(trouble.value.reconnect, "ada")
            done = await keeper.finish(await asyncio.to_thread(browsed, link.url), "ada")
            assert done.connection.id == first.connection.id
            assert (await client.get(provider.provider.probe_url)).status_code == 200


async def test_a_disconnected_account_gets_no_request_out(provider, tmp_path):
    async with Keeper.open(**opening(provider, tmp_path)) as keeper:
        link = await keeper.begin("plain", "ada")
        await keeper.finish(await asyncio.to_thread(browsed, link.url), "ada")
        async with httpx2.AsyncClient(auth=keeper.auth("plain", account="ada")) as client:
            await client.get(provider.provider.probe_url)
            await keeper.disconnect("plain", "ada")
            with pytest.raises(Exception, match="revoked"):
                await client.get(provider.provider.probe_url)


def test_tokens_move_from_one_keeper_to_another_sealed(provider, tmp_path):
    from evergrant.keeper.keyring import Keyring
    from evergrant.keys.local import LocalKek

    key = Keyring([LocalKek(b"e" * 32)])
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with SyncKeeper.open(**opening(provider, tmp_path / "a")) as one:
        one.finish(browsed(one.begin("plain", "ada").url), "ada")
        lines = one.export(key)
    with SyncKeeper.open(**opening(provider, tmp_path / "b")) as other:
        assert other.import_lines(lines, key=key).counts == {"imported": 1}
        assert other.what_ends("plain", "ada").told_provider
        with httpx2.Client(auth=other.auth("plain", account="ada")) as client:
            assert client.get(provider.provider.probe_url).status_code == 200
        other.disconnect("plain", "ada")
        other.remove("plain", "ada")
        assert other.list() == []
