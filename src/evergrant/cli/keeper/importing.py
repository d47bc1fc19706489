"""`evergrant keeper import`: take over tokens that somebody else kept, without spending them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.output import Column, Exit, emit_list, json_option, note, plural
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.service.told import Line

COLUMNS: Final = (
    Column("line", right=True), Column("outcome"), Column("account"), Column("connection"), Column("problem"),
)  # fmt: skip


@click.command("import")
@click.argument("source", metavar="[FILE]", type=click.File("rb"), default="-")
@kept
@json_option
def import_(source: IO[bytes], tenant: str, place: Place, as_json: bool) -> int:
    """Take over tokens: one JSON object a line, from FILE or from standard input. No provider is asked anything.

    \b
    {"client": "github_app", "account": "user-42", "refresh_token": "…", "expires_at": 1796000000}

    Members: client, account, access_token, refresh_token, expires_at (seconds since the epoch), scope, user, subject,
    label, record, tags, fields. A refresh token that another connection holds is refused: two holders end each other's
    grant. Stop whoever refreshed these tokens before you take them over. A line that is refused stops no other; the
    exit code is 4 when there was one.
    """  # noqa: D301  click's own mark for lines that stay as they are

    async def work(keeper: Keeper) -> list[Line]:
        importing = (await keeper.rooms()).connecting.importing
        return [line async for line in importing.each(source, tenant=tenant)]

    lines = keeping(place, work, make=True)
    emit_list(map(_record, lines), COLUMNS, as_json=as_json, none="there was nothing to take over")
    good = sum(line.outcome == "imported" for line in lines)
    note(f"{plural(good, 'connection', 'connections')} imported, {len(lines) - good} not")
    return Exit.OK if good == len(lines) else Exit.CONFLICT


def _record(line: Line) -> dict[str, Any]:
    return {
        "line": line.number, "outcome": line.outcome, "account": line.account or None,
        "connection": line.connection_id or None, "problem": line.problem or None,
    }  # fmt: skip
