"""`evergrant keeper doctor`: what of the keeper is not fit for production, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from evergrant.cli.keeper.place import existing, finished, opened, told, with_issuers
from evergrant.cli.output import Failure, json_option
from evergrant.cli.place import Place, placed
from evergrant.keeping.places import key_file

if TYPE_CHECKING:
    from pathlib import Path

    from evergrant.cli.checks import Finding
    from evergrant.cli.checks.keeping import Held
    from evergrant.config import Config
    from evergrant.keeper.keeper import Keeper


@click.command("doctor")
@placed
@json_option
def doctor_(place: Place, as_json: bool) -> int:
    """Look at what a team forgets about its keeper before it goes live: keys, clients, facts, connections, letters.

    Each line is ok, warn or fail; warnings and failures say why they matter and what to do. Nothing is changed, and no
    provider is asked anything. The exit code is 6 when something failed.
    """
    from evergrant.cli.doctor import report

    config = place.config
    return report(list(findings(config, existing(config))), as_json=as_json)


def findings(config: Config, path: Path) -> Iterator[Finding]:
    """Everything that is to be said of the keeper."""
    import os

    from evergrant.cli.checks import Verdict
    from evergrant.cli.checks.finding import fail
    from evergrant.cli.checks.keeping import clients, held
    from evergrant.cli.checks.vault import vault
    from evergrant.cli.checks.vault_database import vault_database
    from evergrant.clock import clock_from_environment
    from evergrant.keeping.configured import settings

    clock = clock_from_environment(os.environ)
    key = key_file(config)
    stored = list(vault_database(config, key, clock) if config.keeper.vault_url else vault(config, path, key, clock))
    yield from stored
    with told():
        yield from clients(settings(config).clients, with_issuers(config), clock.now())
    unreadable = {"vault file", "vault database"}
    if any(one.check in unreadable and one.verdict is Verdict.FAIL for one in stored):
        return
    try:
        yield from held(_held(config), clock.now())
    except Failure as error:
        yield fail(
            "vault", error.message, "nothing in it can be looked at", error.hint or "put the right key in its place"
        )


def _held(config: Config) -> Held:
    from evergrant.keys.port import KeyUnusable

    try:
        with told():
            keeper = opened(config)
        return finished(lambda: _look(keeper))
    except KeyUnusable as error:
        raise Failure(str(error)) from error


async def _look(keeper: Keeper) -> Held:
    from evergrant.cli.checks.keeping import Held

    async with keeper:
        ground = (await keeper.rooms()).ground
        letters = await ground.vault.letters(ground.clock.now(), limit=1000)
        intents = await ground.vault.open_intents()
        waiting = letters[0].due if letters else 0
        return Held(dict(await ground.vault.counts()), waiting, len(letters), len(intents))
