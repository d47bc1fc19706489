"""`evergrant store`: move everything to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli import whole
from evergrant.cli.output import Failure, confirm, emit_line, json_option, note
from evergrant.cli.place import current, finished
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from evergrant.store.moving.copying import Copied
    from evergrant.store.whereabouts import Whereabouts


@click.group("store", cls=Parts)
def store_() -> None:
    """Move everything between one file and PostgreSQL."""


@store_.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--live", is_flag=True, help="Servers of FROM are running; they are stopped by the move, at its end.")
@click.option("--replace", is_flag=True, help="Give up what is in TO now.")
@json_option
def copy_(source: str, target: str, live: bool, replace: bool, as_json: bool) -> None:
    """Move everything from one store to another.

    FROM and TO are a data directory, the database in it, or a postgresql:// address. Every session, token and event
    goes along, numbers and all; nobody has to sign in again. What arrived is read back and compared, row by row, before
    TO is committed; whatever interrupts the move leaves TO empty and FROM in use.

    In the end FROM is left: its servers answer 503, and refuse to start, saying where everything went. Start servers on
    TO then, with the same key-encryption key. With --live servers of FROM go on until everything has been copied once;
    nobody can write only while what has changed meanwhile is copied again and compared.
    """
    begin, end = current(whole.there(whole.named(source))), whole.named(target)
    if begin.shown == end.shown:
        raise Failure("FROM and TO are the same")
    if not live and whole.in_use(begin):
        whole.refuse_used(begin.shown, "stop its servers, or say --live")
    if whole.in_use(end):
        whole.refuse_used(end.shown, "stop its servers first")
    copied = finished(lambda: _copied(begin, end, replace=replace))
    whole.told(copied, begin.shown, end.shown, whole.SHOWN, as_json=as_json)
    note("the servers of the new place need the key-encryption key of the old one")


async def _copied(begin: Whereabouts, end: Whereabouts, *, replace: bool) -> Copied:
    import os

    from evergrant.clock import clock_from_environment
    from evergrant.store.moving.copying import copy

    clock = clock_from_environment(os.environ)
    async with whole.opened(begin) as source, whole.opened(end) as target:
        with whole.moving(end.shown, f"evergrant store reopen {begin.shown}"):
            # Rows are counted when they are sent, and when they are read back.
            return await whole.watched(
                source, "moving",
                lambda progress: copy(source, target, end.shown, clock.monotonic, progress, replace=replace), times=2,
            )  # fmt: skip


@store_.command("reopen")
@click.argument("place", metavar="STORE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def reopen_(place: str, yes: bool, as_json: bool) -> None:
    """Use a store again that was left in a move.

    For a move that was killed in its very last moment, so that FROM says it was moved and TO is empty; and for going
    back at once, when nothing has been served from TO. Whatever TO has done since is lost: after that, move it back
    with `evergrant store copy` instead.
    """
    named = whole.there(whole.named(place))
    confirm("is nothing served from the place that it was moved to?", yes=yes)
    if named.file is None:
        from evergrant.store.postgres import alone as shared
        from evergrant.store.postgres.connection import address

        shared.reopen(address(named.url))
    else:
        from evergrant.store.sqlite import alone

        alone.reopen(named.file)
    if as_json:
        emit_line({"reopened": named.shown})
    note(f"{named.shown} can be used again")
