"""A provider written down and read again is the same provider."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.provider.catalog import Catalog, with_overrides
from evergrant.keeper.provider.discovery import discover
from evergrant.keeper.provider.document import parse
from evergrant.keeper.provider.fetched import Fetched
from evergrant.keeper.provider.load import provider_of
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.provider.writing import written

CATALOG: Final = Catalog.shipped()


def again(provider: Provider) -> Provider:
    return provider_of(parse(written(provider).encode(), f"{provider.id}.toml"), provider.id)


@pytest.mark.parametrize("provider_id", CATALOG.ids())
def test_every_shipped_provider_comes_back_as_it_was(provider_id: str) -> None:
    assert again(CATALOG.get(provider_id)) == CATALOG.get(provider_id)


def test_what_is_in_force_after_overrides_can_be_written_down() -> None:
    override = {"retry": "window", "grace": 45, "headers": {"X-Tenant": 'a "b" \\ c'}, "limits": {"concurrent": 2}}
    provider = with_overrides(CATALOG.get("okta"), override)
    assert again(provider) == provider


def test_addresses_on_this_machine_come_back_with_their_permission() -> None:
    override = {"loopback_http": True, "token_url": "http://127.0.0.1:9/token"}
    provider = with_overrides(CATALOG.get("hubspot"), override)
    assert "loopback_http = true\n" in written(provider)
    assert again(provider) == provider


class Home:
    async def get(self, url: str) -> Fetched:
        home = "https://id.example"
        members = {
            "issuer": home, "authorization_endpoint": f"{home}/a", "token_endpoint": "https://elsewhere.example/t",
            "scopes_supported": ["openid", "offline_access"],
        }  # fmt: skip
        return Fetched(200, json.dumps(members).encode())

    async def judge(self, url: str) -> None:
        return


def test_a_discovered_provider_becomes_a_file_of_ones_own(tmp_path: Path) -> None:
    provider = asyncio.run(discover("https://id.example", Home(), provider_id="ours", today="2026-11-21"))
    (tmp_path / "ours.toml").write_text(written(provider), encoding="utf-8")
    assert Catalog.shipped(folder=tmp_path).get("ours") == provider


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=60))
def test_any_text_that_may_stand_in_a_file_comes_back(text: str) -> None:
    provider = replace(CATALOG.get("hubspot"), name=text, quirks=(text,), notes={text: text})
    assert again(provider) == provider
