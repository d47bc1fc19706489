"""`evergrant keeper export`: the connections as lines, for whoever moves them or counts them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import whole
from evergrant.cli.output import Exit, Failure, confirm, emit_line, emit_one, json_option, note, plural
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.sealing import Sealer
    from evergrant.keeper.vault.port import Found

PAGE: Final = 500


@click.command("export")
@click.option("--with-tokens", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write tokens in clear as well, as keeper import reads them, into FILE, a new one.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask, with --with-tokens.")
@kept
@json_option
def export_(with_tokens: Path | None, yes: bool, tenant: str, place: Place, as_json: bool) -> None:
    """Write every connection as one JSON document a line: what keeper show tells, and no token.

    With --with-tokens, FILE gets what `keeper import` takes, tokens in clear, for moving somewhere else: whoever reads
    it has them, and as soon as one side refreshes, the other side's are worth nothing. The whole vault moves and is
    backed up sealed: `evergrant keeper copy`, `evergrant keeper backup`.
    """
    if with_tokens is None:
        for found in keeping(place, lambda keeper: _all(keeper, tenant)):
            emit_line(whole(found))
        return
    confirm(f"every token is written in clear into {with_tokens}; go on?", yes=yes)

    async def work(keeper: Keeper) -> list[str]:
        sealer = (await keeper.rooms()).ground.sealer
        return [line for found in await _all(keeper, tenant) for line in _lines(found, sealer)]

    lines = keeping(place, work)
    _write(with_tokens, lines)
    if as_json:
        emit_one({"file": str(with_tokens), "lines": len(lines)}, (), as_json=True)
    note(f"{plural(len(lines), 'line', 'lines')} with tokens in clear in {with_tokens}; only one side may refresh now")


async def _all(keeper: Keeper, tenant: str) -> list[Found]:
    rooms = await keeper.rooms()
    found: list[Found] = []
    after = ""
    while True:
        page = await keeper.list(tenant=tenant, after=after, limit=PAGE)
        whole_page = [await rooms.ground.vault.load(tenant, one.id) for one in page]
        found += [one for one in whole_page if one is not None]
        if len(page) < PAGE:
            return found
        after = page[-1].id


def _lines(found: Found, sealer: Sealer) -> Iterator[str]:
    from evergrant.keeper.sealing import Unreadable
    from evergrant.keeper.service.sealed import access_of, refresh_of

    connection = found.connection
    for name, record in found.records.items():
        try:
            access = access_of(sealer, connection.tenant, record)
            refresh = refresh_of(sealer, connection.tenant, record)
        except Unreadable as error:
            note(f"{connection.account} at {connection.client} is left out: {error}")
            continue
        if access is None and refresh is None:
            continue
        said: dict[str, Any] = {
            "client": connection.client, "account": connection.account, "user": connection.user,
            "access_token": access.reveal() if access else None, "refresh_token": refresh.reveal() if refresh else None,
            "expires_at": record.expires_at or None, "scope": list(record.scope), "subject": connection.subject,
            "label": connection.label, "record": name, "tags": dict(connection.tags), "fields": dict(connection.fields),
        }  # fmt: skip
        yield json.dumps({key: value for key, value in said.items() if value})


def _write(path: Path, lines: list[str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Failure(f"{path}: is there already", hint="name a new file", code=Exit.CONFLICT) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
