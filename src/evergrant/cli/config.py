"""`evergrant config`: what is in force and where it was written, and whether it would be accepted."""

from __future__ import annotations

from typing import Final

import click

from evergrant.cli.output import Column, Exit, emit_line, emit_list, json_option, note
from evergrant.cli.place import Place, placed
from evergrant.cli.verbs import Parts


@click.group("config", cls=Parts)
def config_() -> None:
    """Show the configuration in force, or check it without starting anything.

    Every key is explained in docs/reference/configuration.md.
    """


@config_.command("show")
@placed
@json_option
def show(place: Place, as_json: bool) -> None:
    """Show every key, its value as the file would spell it, and where it was written. Secrets are left out."""
    from evergrant.config.show import show as shown

    rows = [{"key": row.path, "value": row.value, "origin": row.origin} for row in shown(place.loaded())]
    emit_list(rows, COLUMNS, as_json=as_json)


@config_.command("check")
@placed
@json_option
def check(place: Place, as_json: bool) -> int:
    """Read the configuration and say everything that is wrong with it, each with the line it is written on."""
    from evergrant.config import ConfigError

    try:
        place.loaded()
    except ConfigError as error:
        if not as_json:
            raise
        emit_line({"valid": False, "problems": list(error.problems)})
        return Exit.USAGE
    if as_json:
        emit_line({"valid": True, "problems": []})
    else:
        note("the configuration is good")
    return Exit.OK


COLUMNS: Final = (Column("key"), Column("value"), Column("origin"))
