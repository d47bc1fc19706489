"""`evergrant keeper copy` and `evergrant keeper reopen`: move the whole vault to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli import whole as moved
from evergrant.cli.keeper import whole
from evergrant.cli.keeper.place import finished, told
from evergrant.cli.output import Failure, confirm, emit_line, json_option, note

if TYPE_CHECKING:
    from evergrant.store.moving.copying import Copied


@click.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--live", is_flag=True, help="Keepers of FROM are running; they are stopped by the move, at its end.")
@click.option("--replace", is_flag=True, help="Give up what is in TO now.")
@json_option
def copy_(source: str, target: str, live: bool, replace: bool, as_json: bool) -> None:
    """Move the whole vault from one place to another.

    FROM and TO are a vault's file, the directory it is in, or a postgresql:// address. Connections with their tokens,
    consents that are awaited, letters, API keys and the audit trail go along, sealed as they are. What arrived is read
    back and compared, row by row, before TO is committed; whatever interrupts the move leaves TO empty and FROM in use.

    In the end FROM is left: its keepers hand out nothing any more, spend nothing, and refuse to start, saying where
    everything went. Start keepers on TO then, with the same keys: those are no part of a vault. With --live keepers of
    FROM go on until everything has been copied once; then refreshes that have begun come to their end, and nothing can
    be written while what has changed meanwhile is copied again and compared.
    """
    with told():
        begin, end = whole.there(whole.named(source)), whole.named(target)
        if begin.shown == end.shown:
            raise Failure("FROM and TO are the same")
        if not live and begin.in_use():
            moved.refuse_used(begin.shown, "stop its keepers, or say --live")
        if end.in_use():
            moved.refuse_used(end.shown, "stop its keepers first")
    copied = finished(lambda: _copied(begin, end, replace=replace))
    moved.told(copied, begin.shown, end.shown, whole.SHOWN, as_json=as_json)
    note("the keepers of the new place need the same keys; the key file does not move")


async def _copied(begin: whole.Place, end: whole.Place, *, replace: bool) -> Copied:
    import os

    from evergrant.clock import clock_from_environment
    from evergrant.keeper.moving import Moving, copy

    how = Moving(clock_from_environment(os.environ))
    async with whole.opened(begin) as source, whole.opened(end) as target:
        with whole.trouble(), moved.moving(end.shown, f"evergrant keeper reopen {begin.shown}"):
            # Rows are counted when they are sent, and when they are read back.
            return await moved.watched(
                source, "moving",
                lambda progress: copy(source, target, end.shown, how, progress, replace=replace), times=2,
            )  # fmt: skip


@click.command("reopen")
@click.argument("place", metavar="VAULT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def reopen_(place: str, yes: bool, as_json: bool) -> None:
    """Use a vault again that was left in a move.

    For a move that was killed in its very last moment, so that FROM says it was moved and TO is empty; and for going
    back at once, when no keeper has worked on TO. A keeper that has may have spent refresh tokens, which FROM still
    holds: after that, move back with `evergrant keeper copy` instead.
    """
    named = whole.named(place)
    with told():
        there = named.exists()
    if not there:
        raise Failure(f"{named.shown}: there is no vault here")
    confirm("has no keeper worked on the place that it was moved to?", yes=yes)
    named.reopen()
    if as_json:
        emit_line({"reopened": named.shown})
    note(f"{named.shown} can be used again")
