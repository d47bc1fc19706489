"""The table of verbs, and the command above them all. A verb's module is imported when the verb is called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import click


class Verb(NamedTuple):
    """One verb: its name, the one line that says what it is for, and the module that has a command of that name."""

    name: str
    line: str
    module: str


VERBS: Final = (
    Verb("serve", "Run the issuer.", "evergrant.cli.serve"),
    Verb("client", "Register applications, change them, give them new secrets.", "evergrant.cli.client"),
    Verb("user", "Add people, disable them, set their passwords.", "evergrant.cli.user"),
    Verb("family", "See the chains of refresh tokens, and end them.", "evergrant.cli.family"),
    Verb("stream", "See the streams of security events, and pause, try or end them.", "evergrant.cli.stream"),
    Verb("key", "See the signing keys, and let new ones take over.", "evergrant.cli.key"),
    Verb("event", "Read the audit trail.", "evergrant.cli.event"),
    Verb("config", "Show or check the configuration.", "evergrant.cli.config"),
    Verb("keeper", "Connect accounts at other providers, and get tokens that work.", "evergrant.cli.keeper.group"),
    Verb("demo", "Look around in a throw-away issuer, with an application to try it.", "evergrant.cli.demo"),
    Verb("chaos", "Try a client on an authorization server that misbehaves.", "evergrant.cli.chaos"),
    Verb("doctor", "Say what is not fit for production, and why.", "evergrant.cli.doctor"),
    Verb("migrate", "Bring the database up to this release.", "evergrant.cli.migrate"),
    Verb("backup", "Write everything into one file, while the server goes on.", "evergrant.cli.backup"),
    Verb("restore", "Fill the store from a backup, or declare that it was restored.", "evergrant.cli.backup"),
    Verb("store", "Move everything between one file and PostgreSQL.", "evergrant.cli.store"),
)


class Parts(click.Group):
    """A verb with several commands, in the order in which they were written: from the first needed to the last."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Name the commands in their own order."""
        return list(self.commands)


class Verbs(click.Group):
    """A group whose help is written from a table, without importing a single verb."""

    def __init__(self, *rest: Any, table: Sequence[Verb] = VERBS, **more: Any) -> None:
        super().__init__(*rest, **more)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Name the verbs in the order of the table."""
        return [verb.name for verb in self.table]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's own signature
        """Import the verb's module, and take the command of the same name out of it."""
        found = next((verb for verb in self.table if verb.name == cmd_name), None)
        if found is None:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(found.module), f"{name}_")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's own signature
        """Write a line for each verb."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb.name, verb.line) for verb in self.table])


def _version(ctx: click.Context, _: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from evergrant import __version__
        from evergrant.cli.output import emit_text

        emit_text(f"evergrant {__version__}")
        ctx.exit()


@click.group("evergrant", cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say which release."
)
def evergrant() -> None:
    """Evergrant issues, rotates, keeps, renews, watches and revokes OAuth refresh tokens.

    \b
    Begin here:
      evergrant demo                    look around in a throw-away issuer
      evergrant user add EMAIL          somebody who can sign in
      evergrant client add NAME …       an application they can sign in to
      evergrant serve                   the issuer itself
      evergrant keeper connect NAME     an account at another provider, and then
      evergrant keeper token NAME       an access token of it that works
      evergrant doctor                  what is not fit for production, and why

    Every command works while the server runs, on the same data directory, and takes --json.
    """  # noqa: D301  click's own mark for lines that stay as they are
