"""`evergrant serve`: run the issuer until it is told to stop."""

from __future__ import annotations

import errno
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.output import Exit, Failure, emit_line, emit_text, json_option, lowered
from evergrant.cli.place import Place, placed

if TYPE_CHECKING:
    from evergrant.config import Config

_BUSY: Final = errno.EADDRINUSE


@click.command("serve")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="The address to listen on; port 0 takes any free one.  [default: 127.0.0.1:8000]",
)
@click.option(
    "--issuer", metavar="URL", help="The issuer's URL, as clients know it.  [default: http:// and the address]"
)
@click.option("--workers", metavar="N", help="How many processes serve requests.  [default: 1]")
@placed
@json_option
def serve_(place: Place, listen: str | None, issuer: str | None, workers: str | None, as_json: bool) -> None:
    """Run the issuer.

    A data directory that does not exist is made, with a new database and a new key-encryption key. One line on standard
    output says when requests are answered; the log goes to standard error. It stops at SIGTERM or SIGINT, when the
    requests it has are answered or server.shutdown_grace is over; the exit code is then 0, or 130 where a single worker
    stopped at SIGINT.
    """
    said = {"server.listen": listen, "server.issuer": issuer, "server.workers": workers}
    config = place.loaded(**{name.replace(".", "__"): value for name, value in said.items()}).config

    from evergrant.serving import Sources, bound, serve

    # A server that was told to stop and has stopped did what it was told.
    signal.signal(signal.SIGTERM, _left)
    try:
        sock, config = bound(config)
    except OSError as error:
        raise unbound(config, error) from error
    ready = {"listening": f"http://{config.server.listen}", "issuer": config.issuer}
    with sock:
        serve(config, sock, Sources(place.file, {**place.overrides, **said}), lambda: _say(ready, as_json=as_json))


def _left(*_: Any) -> None:
    sys.exit(Exit.OK)


def _say(ready: dict[str, str], *, as_json: bool) -> None:
    import os

    if as_json:
        emit_line({**ready, "pid": os.getpid()})
    else:
        emit_text(f"listening on {ready['listening']} as {ready['issuer']}")


def unbound(config: Config, error: OSError) -> Failure:
    """What to tell somebody whose address cannot be listened on."""
    listen = config.server.listen
    if error.errno == _BUSY:
        return Failure(
            f"{listen}: the address is in use",
            hint="stop the server that has it, or choose another with --listen",
            code=Exit.CONFLICT,
        )
    reason = lowered(error.strerror or str(error))
    return Failure(f"{listen}: cannot be listened on: {reason}", hint="choose another with --listen")
