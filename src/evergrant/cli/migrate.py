"""`evergrant migrate`: bring a database up to this release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evergrant.cli.output import Exit, emit_line, emit_text, json_option, note, plural
from evergrant.cli.place import Place, existing, placed

if TYPE_CHECKING:
    from evergrant.config import Config


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only say what would be done; the exit code is 6 when there is something.")
@click.option(
    "--distributed", is_flag=True,
    help="Spread the tables over machines afterwards, those of the keeper's vault too where it is in a database; for "
    "PostgreSQL with the extension Citus.",
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
    alone = distributed and config.keeper.vault_url and not where.url and not where.exists()  # a keeper without issuer
    if where.file is not None and not alone:
        existing(config)  # a file is made by serving; tables in a database may be made by whoever may make tables
    steps = [] if alone else where.pending() if check else where.migrate()
    if distributed and not check:
        steps += _distribute(config)
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


def _distribute(config: Config) -> list[str]:
    from evergrant.cli.output import Failure
    from evergrant.store.postgres.connection import address
    from evergrant.store.postgres.distributing import distribute

    vault = config.keeper.vault_url
    if not (config.store.url or vault):
        raise Failure("only a PostgreSQL database can be spread over machines", hint="name one with --store")
    steps = distribute(address(config.store.url)) if config.store.url else []
    if vault:
        from evergrant.keeper.vault.postgres.distributing import spread

        steps += spread(vault)
    return steps
