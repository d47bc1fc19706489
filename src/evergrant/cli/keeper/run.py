"""`evergrant keeper run`: refresh in the background until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.keeper.place import finished, opened, serving_settings, told
from evergrant.cli.output import Column, emit_line, emit_one, emit_text, json_option, note
from evergrant.cli.place import Place, placed
from evergrant.keeping.places import vault_shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evergrant.config import Config
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.running import Round

ROUND: Final = (Column("recovered"), Column("refreshed"), Column("failed"), Column("swept"))


@click.command("run")
@click.option("--once", is_flag=True, help="Do one round of what is due, say what was done, and stop.")
@placed
@json_option
def run_(once: bool, place: Place, as_json: bool) -> None:
    """Refresh in the background whatever falls due, and finish what a crash has left open, until Ctrl-C or SIGTERM.

    Any number of these may run on one vault, beside every other command. A request to stop lets refreshes that have
    been sent come to their end; that takes as long as a provider takes to answer.
    """
    config = place.config
    with told():
        keeper = opened(config)
    if once:
        done = finished(lambda: _once(keeper))
        emit_one(_record(done), ROUND, as_json=as_json)
        return
    ready = {"vault": vault_shown(config), "pid": os.getpid(), "clients": sorted(config.clients)}
    finished(lambda: _run(keeper, config, lambda: _say(ready, as_json=as_json)))
    note("stopped")


async def _once(keeper: Keeper) -> Round:
    async with keeper:
        return await (await keeper.rooms()).running.round()


async def _run(keeper: Keeper, config: Config, ready: Any) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with keeper:
        ready()
        running = asyncio.create_task(keeper.run())
        letters = asyncio.create_task(_letters(keeper, config, stop))
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        stop.set()
        await letters
        await keeper.close()
        await running


async def _letters(keeper: Keeper, config: Config, stop: asyncio.Event) -> None:
    """Deliver webhooks, where one is configured."""
    if not config.keeper.webhook:
        return
    from evergrant.keeper.serving.metrics import KeeperMetrics
    from evergrant.keeper.serving.outbox import Outbox

    await Outbox(keeper, serving_settings(config, "http://127.0.0.1", background=False), KeeperMetrics(())).run(stop)


def _say(ready: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_line(ready)
    else:
        emit_text(f"refreshing what is in {ready['vault']}")
        if not ready["clients"]:
            note("no client is configured, so nothing can be refreshed: add [keeper.client.NAME] to the configuration")


def _record(done: Round) -> dict[str, int]:
    return {
        "recovered": done.recovered, "refreshed": done.refreshed, "failed": done.failed, "swept": done.swept,
    }  # fmt: skip
