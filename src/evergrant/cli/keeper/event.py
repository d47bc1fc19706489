"""`evergrant keeper event`: the keeper's audit trail, each line chained to the one before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.output import emit_line, emit_list, emit_text, instant, json_option
from evergrant.cli.place import Place
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from evergrant.keeper.event import Stored
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.vault.port import Vault

LOOK_SECONDS: Final = 0.5
PAGE: Final = 1_000


@click.group("event", cls=Parts)
def event_() -> None:
    """Read the keeper's audit trail: what happened to which connection, and why. It never holds a token."""


@event_.command("list")
@click.option("--connection", metavar="ID", default="", help="Only what tells of one connection, by its id.")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="How many of the newest.")
@click.option(
    "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C; with --json one document per line."
)
@kept
@json_option
def list_(connection: str, limit: int, follow: bool, tenant: str, place: Place, as_json: bool) -> None:
    """List the newest events, the last one at the end."""
    wanted = {"tenant": tenant, "connection_id": connection}
    tell = emit_line if as_json else lambda told: emit_text(line(told))

    async def work(keeper: Keeper) -> list[Stored]:
        vault = (await keeper.rooms()).ground.vault
        found = await _newest(vault, wanted, limit)
        if follow:
            await _follow(vault, wanted, found, tell)
        return found

    found = [record(one) for one in keeping(place, work)]
    if as_json or not found:
        emit_list(found, (), as_json=as_json, none="no events")
    for told in [] if as_json else found:
        emit_text(line(told))


async def _newest(vault: Vault, wanted: dict[str, str], limit: int) -> list[Stored]:
    """The last *limit* events that fit: the trail is looked through from its end, in ever longer pieces."""
    last, reach = (await vault.trail_ends()).last, max(limit, PAGE)
    while True:
        start = max(last - reach, 0)
        found: list[Stored] = []
        after = start
        while page := await vault.events(**wanted, after=after, limit=PAGE):
            found += page
            after = page[-1].number
        if len(found) >= limit or not start:
            return found[len(found) - min(limit, len(found)) :]
        reach *= 8


async def _follow(vault: Vault, wanted: dict[str, str], found: list[Stored], tell: Any) -> None:
    after = (await vault.trail_ends()).last
    while True:
        for one in found:
            tell(record(one))
            after = max(after, one.number)
        if len(found) < PAGE:
            await asyncio.sleep(LOOK_SECONDS)
        found = await vault.events(**wanted, after=after, limit=PAGE)


def record(stored: Stored) -> dict[str, Any]:
    """An event as `--json` prints it; what does not apply is null."""
    event = stored.event
    return {
        "number": stored.number, "at": event.at, "what": event.what, "tenant": event.tenant or None,
        "connection": event.connection_id or None, "client": event.client or None, "account": event.account or None,
        "reason": event.reason or None, "version": event.version or None, "caller": event.caller or None,
        "detail": event.detail or None,
    }  # fmt: skip


def line(told: dict[str, Any]) -> str:
    """One event as one line."""
    said = [str(told[name]) for name in ("client", "account", "reason", "caller", "detail") if told[name]]
    return "  ".join([instant(told["at"]), f"{told['what']:<26}", *said]).rstrip()
