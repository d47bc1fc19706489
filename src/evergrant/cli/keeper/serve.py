"""`evergrant keeper serve`: the REST API, the connect pages, webhooks and the background refresher in one process."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import click

from evergrant.cli.keeper.place import finished, opened, serving_settings, told
from evergrant.cli.output import emit_line, emit_text, json_option, note
from evergrant.cli.place import Place, placed
from evergrant.keeping.places import vault_shown

if TYPE_CHECKING:
    import socket

    from evergrant.config import Config
    from evergrant.keeper.keeper import Keeper


@click.command("serve")
@click.option(
    "--listen", metavar="HOST:PORT", help="Where to listen; port 0 takes any free one.  [default: 127.0.0.1:8100]"
)
@click.option("--url", metavar="URL", help="How people reach it.  [default: http:// and the address]")
@click.option("--no-background", is_flag=True, help="Refresh only when asked; others run the background refresher.")
@placed
@json_option
def serve_(place: Place, listen: str | None, url: str | None, no_background: bool, as_json: bool) -> None:
    """Serve the keeper over HTTP: a REST API, described at /v1/openapi.json, pages, webhooks, metrics at /metrics.

    Callers of the API need a key: evergrant keeper api-key add. One line on standard output says when requests are
    answered; the log goes to standard error. It stops at SIGTERM or SIGINT, when requests and refreshes that are under
    way have come to their end.
    """
    config = place.loaded(keeper__listen=listen, keeper__url=url).config

    from evergrant.cli.serve import unbound
    from evergrant.observe.log import set_up
    from evergrant.serving import bound

    # The door is the issuer's; only where it stands is the keeper's own.
    door = config.replace(server__listen=config.keeper.listen, server__issuer=config.keeper.url)
    try:
        sock, door = bound(door)
    except OSError as error:
        raise unbound(door, error) from error
    set_up(config.log)
    with told():
        keeper = opened(config, url=door.issuer)
    ready = {
        "listening": f"http://{door.server.listen}", "url": door.issuer, "vault": vault_shown(config),
        "pid": os.getpid(),
    }  # fmt: skip
    with sock:
        finished(lambda: _serve(keeper, door, sock, lambda: _say(ready, as_json=as_json), background=not no_background))
    note("stopped")


async def _serve(keeper: Keeper, door: Config, sock: socket.socket, ready: Any, *, background: bool) -> None:
    from evergrant.keeper.serving import application
    from evergrant.serving import Part, together

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    app = application(keeper, serving_settings(door, door.issuer, background=background))
    async with keeper:
        await together([Part(door, app, sock)], ready, stop)


def _say(ready: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_line(ready)
    else:
        emit_text(f"listening on {ready['listening']} as {ready['url']}, with the vault {ready['vault']}")
