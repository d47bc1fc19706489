"""`evergrant store`: move everything to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli import whole
from evergrant.cli.output import Exit, Failure, confirm, emit_line, json_option, note, plural
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
        raise Failure(
            f"{begin.shown}: somebody has it open", hint="stop its servers, or say --live", code=Exit.CONFLICT
        )
    if whole.in_use(end):
        raise Failure(f"{end.shown}: somebody has it open", hint="stop its servers first", code=Exit.CONFLICT)
    copied = finished(lambda: _copied(begin, end, replace=replace))
    if as_json:
        emit_line({
            "from": begin.shown, "to": end.shown, "rows": whole.rows(copied.sums),
            "sums": {name: one.checksum for name, one in copied.sums.items()}, "again": copied.again,
            "stopped": round(copied.stopped, 3),
        })  # fmt: skip
    note(f"moved {whole.summary(copied.sums)} to {end.shown}")
    if copied.again:
        note(f"{plural(copied.again, 'row was', 'rows were')} copied again, having changed meanwhile")
    note(f"nobody could write for {copied.stopped:.1f} s; {begin.shown} is not used any more")
    note("the servers of the new place need the key-encryption key of the old one")


async def _copied(begin: Whereabouts, end: Whereabouts, *, replace: bool) -> Copied:
    import os

    from evergrant.clock import clock_from_environment
    from evergrant.store.moving.backup import NotEmpty
    from evergrant.store.moving.copying import NotTheSame, copy
    from evergrant.store.port import OutcomeUnknown

    clock = clock_from_environment(os.environ)
    async with whole.opened(begin) as source, whole.opened(end) as target:
        try:
            # Rows are counted when they are sent, and when they are read back.
            return await whole.watched(
                source, "moving",
                lambda progress: copy(source, target, end.shown, clock.monotonic, progress, replace=replace), times=2,
            )  # fmt: skip
        except NotEmpty as error:
            raise Failure(
                f"{end.shown}: there is something in it", hint="name another place, or give it up with --replace",
                code=Exit.CONFLICT,
            ) from error  # fmt: skip
        except OutcomeUnknown as error:
            raise Failure(
                f"{error}: whether everything has arrived nobody knows; FROM was left",
                hint=f"look into TO; when it is empty, use FROM again: evergrant store reopen {begin.shown}",
                code=Exit.STORE_UNAVAILABLE,
            ) from error  # fmt: skip
        except NotTheSame as error:
            raise Failure(
                f"what arrived is not what was sent: {error}", hint="nothing has moved; this should be reported",
                code=Exit.STORE_UNAVAILABLE,
            ) from error  # fmt: skip


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

        shared.reopen(named.url)
    else:
        from evergrant.store.sqlite import alone

        alone.reopen(named.file)
    if as_json:
        emit_line({"reopened": named.shown})
    note(f"{named.shown} can be used again")
