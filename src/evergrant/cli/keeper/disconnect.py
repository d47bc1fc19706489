"""`evergrant keeper disconnect`: end a connection here at once, and at the provider as soon as it can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import ONE, record
from evergrant.cli.keeper.whose import account_of, named
from evergrant.cli.output import Failure, confirm, emit_one, json_option, note
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.service.told import Ends


@click.command("disconnect")
@named
@click.option(
    "--spare-others", is_flag=True, help="Shred our copy, and tell the provider nothing: others need the grant."
)
@click.option("--end-others", is_flag=True, help="Tell the provider, whatever else ends with it.")
@click.option("--forget", is_flag=True, help="Take the row away too, once it is revoked.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@kept
@json_option
def disconnect_(
    client: str, account: str | None, spare_others: bool, end_others: bool, forget: bool, yes: bool, tenant: str,
    place: Place, as_json: bool,
) -> None:  # fmt: skip
    """End a connection: no token is handed out any more, the provider is told, our copy is shredded.

    A provider that cannot be told is told later, by `keeper run`; until then the connection is shown as revoking.
    """
    if spare_others and end_others:
        raise Failure("--spare-others and --end-others are two different answers", hint="say one of them")
    siblings = "spare" if spare_others else "end" if end_others else "refuse"

    async def look(keeper: Keeper) -> tuple[str, Ends]:
        whose = await account_of(keeper, client, account, tenant)
        rooms = await keeper.rooms()
        return whose, await rooms.connecting.disconnect.what_ends(client, whose, tenant=tenant)

    whose, ends = keeping(place, look)
    if siblings == "refuse" and ends.siblings:
        others = ", ".join(one.account for one in ends.siblings)
        raise Failure(
            f"{others} would end with {whose}: {ends.blast_radius or 'they share the grant'}",
            hint="say --spare-others (the provider is not told) or --end-others",
        )
    if not yes:
        note(f"the provider ends with it: {ends.blast_radius}" if ends.blast_radius else "the provider may end more")
    confirm(f"disconnect {whose} at {client}; go on?", yes=yes)

    async def work(keeper: Keeper) -> Connection:
        after = await keeper.disconnect(client, whose, tenant=tenant, siblings=siblings)
        if forget and after.health == "revoked":
            await (await keeper.rooms()).connecting.disconnect.forget(client, whose, tenant=tenant)
        return after

    after = keeping(place, work)
    emit_one(record(after), ONE, as_json=as_json)
    _tell(after, ends, forget=forget)


def _tell(after: Connection, ends: Ends, **said: Any) -> None:
    if after.health == "revoking":
        note(f"the provider could not be told yet ({after.detail}); keeper run goes on trying")
        if said["forget"]:
            note("it is kept until the provider was told")
    elif not ends.told_provider:
        note(f"the provider has no way to be told: {ends.blast_radius or 'remove the application in its settings too'}")
