"""`evergrant migrate`: bring a database up to this release."""

from __future__ import annotations

import click

from evergrant.cli.output import Exit, emit_line, emit_text, json_option, note, plural
from evergrant.cli.place import Place, existing, placed


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only say what would be done; the exit code is 6 when there is something.")
@click.option(
    "--distributed", is_flag=True,
    help="Spread the tables over machines afterwards; for a PostgreSQL database with the extension Citus.",
)  # fmt: skip
@placed
@json_option
def migrate_(check: bool, distributed: bool, place: Place, as_json: bool) -> int:
    """Bring the database up to this release.

    The server does this by itself when it starts, in one transaction: it is done wholly or not at all. Doing it
    beforehand shows what it does and how long it takes. Make a copy first; an earlier release will refuse the database
    afterwards.
    """
    from evergrant.assembly import whereabouts

    config = place.config
    where = whereabouts(config)
    if where.file is not None:
        existing(config)  # a file is made by serving; tables in a database may be made by whoever may make tables
    steps = where.pending() if check else where.migrate()
    if distributed and not check:
        steps += _distribute(config.store.url)
    if as_json:
        emit_line({"pending" if check else "applied": steps})
    elif not steps:
        note("the database is up to date")
    else:
        note("these are to apply:" if check else "applied:")
    for step in [] if as_json else steps:
        emit_text(step)
    if check and steps:
        note(f"{plural(len(steps), 'step', 'steps')} to apply; run: evergrant migrate")
        return Exit.NOT_READY
    return Exit.OK


def _distribute(url: str) -> list[str]:
    from evergrant.store.postgres.connection import address
    from evergrant.store.postgres.distributing import distribute

    return distribute(address(url))
