"""`evergrant keeper refresh`: refresh one connection now, whatever the age of its token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import ONE
from evergrant.cli.keeper.records import record as shown
from evergrant.cli.keeper.whose import account_of, named
from evergrant.cli.output import emit_one, json_option
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection
    from evergrant.keeper.keeper import Keeper


@click.command("refresh")
@named
@click.option("--record", metavar="NAME", default="", help="Only one pair of tokens, where a provider gives several.")
@kept
@json_option
def refresh_(client: str, account: str | None, record: str, tenant: str, place: Place, as_json: bool) -> None:
    """Refresh one connection now. Nobody needs this for fresh tokens; it shows whether a connection works."""

    async def work(keeper: Keeper) -> Connection:
        whose = await account_of(keeper, client, account, tenant)
        return await keeper.refresh(client, whose, tenant=tenant, record=record)

    emit_one(shown(keeping(place, work)), ONE, as_json=as_json)
