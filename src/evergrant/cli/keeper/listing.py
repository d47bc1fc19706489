"""`evergrant keeper list`: who is connected, and how that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from evergrant.cli.keeper.place import keeping, kept
from evergrant.cli.keeper.records import LIST, record
from evergrant.cli.kinds import Word
from evergrant.cli.output import Failure, emit_list, json_option
from evergrant.cli.place import Place

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection
    from evergrant.keeper.keeper import Keeper

PAGE: Final = 500


@click.command("list")
@click.option("--client", metavar="PROVIDER", default="", help="Only those of one client.")
@click.option("--user", metavar="USER", default="", help="Only those that one user has connected.")
@click.option("--health", metavar="HEALTH", default="", help="Only those in this health, such as needs_reauth.")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="Only those with this tag; may be repeated.")
@kept
@json_option
def list_(client: str, user: str, health: str, tags: tuple[str, ...], tenant: str, place: Place, as_json: bool) -> None:
    """List the connections and how each of them is."""
    narrowed = {
        "client": client,
        "user": user,
        "health": _health(health),
        "tags": pairs(tags, "--tag"),
        "tenant": tenant,
    }

    async def work(keeper: Keeper) -> list[Connection]:
        found: list[Connection] = []
        while True:
            page = await keeper.list(**narrowed, after=found[-1].id if found else "", limit=PAGE)
            found += page
            if len(page) < PAGE:
                return sorted(found, key=lambda one: (one.client, one.account))

    emit_list(map(record, keeping(place, work)), LIST, as_json=as_json, none="nobody is connected yet")


def _health(word: str) -> str:
    from evergrant.keeper.connection import Health

    return str(Word(Health).convert(word, None, None)) if word else ""


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """Read KEY=VALUE, as often as it was said. Raises `Failure`."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Failure(f"{option} is KEY=VALUE, not {text}")
        found[name] = value
    return found
