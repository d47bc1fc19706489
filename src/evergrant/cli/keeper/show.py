"""`evergrant keeper show`: one connection, why it is as it is, and how long what lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import ONE, TOKENS, whole
from evergrant.cli.keeper.whose import account_of, named
from evergrant.cli.output import emit_list, emit_one, emit_text, json_option, note
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.vault.port import Found


@click.command("show")
@named
@kept
@json_option
def show_(client: str, account: str | None, tenant: str, place: Place, as_json: bool) -> None:
    """Show one connection: how it is and why, when it was refreshed, how long its tokens have. No token is shown."""

    async def work(keeper: Keeper) -> Found:
        return await keeper.show(client, await account_of(keeper, client, account, tenant), tenant=tenant)

    found = keeping(place, work)
    record = whole(found)
    emit_one(record, ONE, as_json=as_json)
    if as_json:
        return
    if record["records"]:
        emit_text("")
        emit_list(record["records"], TOKENS, as_json=False)
    for intent in record["open_intents"]:
        note(f"a refresh of {intent['record']} was begun and its end is not known; it is being found out")
