"""The keeper's part of the comparison: a vault that several processes share, filled without asking the provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evergrant.domain.secret import Secret
from evergrant.keeper.keeper import Keeper as Core
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.settings import Client
from evergrant.keeper.sync import Keeper
from evergrant.testing.chaos.addresses import moved
from evergrant.testing.chaos.plain import PLAIN

if TYPE_CHECKING:
    from benchmarks.keeper_contenders import Task


def _given(task: Task) -> dict[str, Any]:
    catalog = Catalog()
    catalog.add(replace(moved(PLAIN, task.token_url.removesuffix("/token")), id="here"))
    client = Client("here", task.client_id, Secret(task.client_secret))
    return {"catalog": catalog, "clients": [client]}


def _address(task: Task) -> str:
    return str(task.folder / "keeper.db")


def opened(task: Task) -> Keeper:
    """A keeper of this process on the shared vault."""
    return Keeper.open(_address(task), **_given(task))


def filled(task: Task, tokens: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the vault, with the tokens of every account."""
    asyncio.run(_filled(task, tokens))


async def _filled(task: Task, tokens: Mapping[str, Mapping[str, Any]]) -> None:
    async with Core.open(_address(task), **_given(task)) as keeper:
        rooms = await keeper.rooms()
        for account, token in tokens.items():
            existing = Existing(
                "here", account, access_token=Secret(token["access_token"]),
                refresh_token=Secret(token["refresh_token"]), expires_at=int(token["expires_at"]),
            )  # fmt: skip
            await rooms.connecting.importing.take(existing)
