"""The keeper's part of the comparison: a vault that several processes share, filled without asking the provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evergrant.domain.secret import Secret
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.settings import Client
from evergrant.keeper.sync import Keeper
from evergrant.testing.chaos.addresses import moved
from evergrant.testing.chaos.plain import PLAIN

if TYPE_CHECKING:
    from benchmarks.keeper_contenders import Task


def opened(task: Task) -> Keeper:
    """A keeper of this process on the shared vault."""
    catalog = Catalog()
    catalog.add(replace(moved(PLAIN, task.token_url.removesuffix("/token")), id="here"))
    client = Client("here", task.client_id, Secret(task.client_secret))
    return Keeper.open(str(task.folder / "keeper.db"), catalog=catalog, clients=[client])


def filled(task: Task, tokens: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the vault, with the tokens of every account."""
    with opened(task) as keeper:
        for account, token in tokens.items():
            access, refresh = Secret(token["access_token"]), Secret(token["refresh_token"])
            ends = int(token["expires_at"])
            keeper.import_tokens(Existing("here", account, access_token=access, refresh_token=refresh, expires_at=ends))
