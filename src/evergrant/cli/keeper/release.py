"""`evergrant keeper quarantine` and `release`: stop handing out tokens of a connection, and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import ONE, record
from evergrant.cli.keeper.whose import account_of, named
from evergrant.cli.output import Exit, Failure, emit_one, json_option, note
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection
    from evergrant.keeper.keeper import Keeper

why_option = click.option("--why", metavar="TEXT", default="", help="For the audit trail.")


@click.command("quarantine")
@named
@why_option
@kept
@json_option
def quarantine_(client: str, account: str | None, why: str, tenant: str, place: Place, as_json: bool) -> None:
    """Hand out no token of a connection until somebody has looked. The provider is told nothing."""

    async def work(keeper: Keeper) -> Connection:
        whose = await account_of(keeper, client, account, tenant)
        return await keeper.quarantine(client, whose, tenant=tenant, detail=why)

    found = keeping(place, work)
    emit_one(record(found), ONE, as_json=as_json)
    note("a token that was handed out before works until it ends; keeper disconnect ends it at the provider")


@click.command("release")
@named
@why_option
@kept
@json_option
def release_(client: str, account: str | None, why: str, tenant: str, place: Place, as_json: bool) -> None:
    """End a quarantine: tokens of the connection are handed out again."""

    async def work(keeper: Keeper) -> Connection:
        from evergrant.keeper.connection import Health

        whose = await account_of(keeper, client, account, tenant)
        before = (await keeper.show(client, whose, tenant=tenant)).connection
        if before.health is not Health.QUARANTINED:
            raise Failure(f"{whose} at {client} is {before.health}, not in quarantine", code=Exit.CONFLICT)
        return await keeper.release(client, whose, tenant=tenant, detail=why)

    emit_one(record(keeping(place, work)), ONE, as_json=as_json)
