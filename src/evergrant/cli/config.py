"""`evergrant config`: what is in force and where it was written, and whether it would be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from evergrant.cli.output import Column, Exit, emit_line, emit_list, json_option, note
from evergrant.cli.place import Place, placed
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evergrant.config.load import Loaded


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
        _judge(place.loaded())
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


def _judge(loaded: Loaded) -> None:
    """Raise `ConfigError` for what only the keeper can tell to be wrong."""
    from evergrant.config import ConfigError

    if wrong := list(_clients(loaded)):
        raise ConfigError(wrong)


def _clients(loaded: Loaded) -> Iterator[str]:
    """What is wrong with the keeper's clients that only the providers' facts can tell."""
    if not loaded.config.clients:
        return
    from evergrant.keeper.errors import KeeperError
    from evergrant.keeper.provider.catalog import with_overrides
    from evergrant.keeping.configured import catalog

    known = catalog(loaded.config)
    for name, client in loaded.config.clients.items():
        here = f"keeper.client.{name}"
        which = f"{here}.provider" if client.provider else f"{here}.client_id"
        if client.issuer:
            continue
        try:
            provider = known.get(client.provider or name)
        except KeeperError as error:
            yield f"{loaded.origin(which)}: {here}: {error}"
            continue
        try:
            with_overrides(provider, client.overrides or {})
        except KeeperError as error:
            yield from (f"{loaded.origin(f'{here}.overrides')}: {here}: {line}" for line in str(error).splitlines())


COLUMNS: Final = (Column("key"), Column("value"), Column("origin"))
