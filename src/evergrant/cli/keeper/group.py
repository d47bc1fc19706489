"""The table of the keeper's verbs, and the command above them. A verb's module is imported when the verb is called."""

from __future__ import annotations

from typing import Final

import click

from evergrant.cli.verbs import Verb, Verbs

_HERE: Final = "evergrant.cli.keeper"
VERBS: Final = (
    Verb("provider", "See which providers are known, and check a provider's file.", f"{_HERE}.provider"),
    Verb("connect", "Connect an account, with a browser or a code.", f"{_HERE}.connect"),
    Verb("token", "Print an access token that works, for scripts.", f"{_HERE}.token"),
    Verb("list", "List the connections and how each of them is.", f"{_HERE}.listing"),
    Verb("show", "Show one connection, and why it is as it is.", f"{_HERE}.show"),
    Verb("refresh", "Refresh one connection now.", f"{_HERE}.refresh"),
    Verb("disconnect", "End a connection here and at the provider.", f"{_HERE}.disconnect"),
    Verb("quarantine", "Stop handing out tokens of a connection.", f"{_HERE}.release"),
    Verb("release", "End a quarantine.", f"{_HERE}.release"),
    Verb("import", "Take over tokens that somebody else kept.", f"{_HERE}.importing"),
    Verb("export", "Write connections as lines, with their tokens if asked.", f"{_HERE}.exporting"),
    Verb("copy", "Move the whole vault to another place.", f"{_HERE}.moving"),
    Verb("reopen", "Use a vault again that was left in a move.", f"{_HERE}.moving"),
    Verb("backup", "Write the whole vault into one file.", f"{_HERE}.backup"),
    Verb("restore", "Fill the vault from a backup.", f"{_HERE}.backup"),
    Verb("run", "Refresh in the background.", f"{_HERE}.run"),
    Verb("serve", "Serve the keeper over HTTP, and refresh in the background.", f"{_HERE}.serve"),
    Verb("api-key", "Say who may ask the REST API.", f"{_HERE}.api_key"),
    Verb("key", "See the keys that seal the vault, and turn them.", f"{_HERE}.key"),
    Verb("doctor", "Say what of the keeper is not fit for production.", f"{_HERE}.doctor"),
    Verb("event", "Read the keeper's audit trail.", f"{_HERE}.event"),
)


@click.group("keeper", cls=Verbs, table=VERBS)
def keeper_() -> None:
    """Connect accounts at other people's authorization servers, and get access tokens that work.

    \b
    Begin here:
      evergrant keeper provider list          who is known
      evergrant keeper connect PROVIDER       send somebody there with a browser
      evergrant keeper token PROVIDER         an access token, alone on a line
      evergrant keeper run                    refresh in the background

    PROVIDER is the name of a client in the configuration, [keeper.client.NAME]. Every command works while `keeper run`
    or `keeper serve` works on the same vault, and takes --json.
    """  # noqa: D301  click's own mark for lines that stay as they are
