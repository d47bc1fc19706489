"""evergrant demo: a throw-away issuer and a sample application, until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from evergrant.cli.output import Column, Exit, Failure, emit_line, emit_one, json_option, note

if TYPE_CHECKING:
    from evergrant.demo.running import Running

COLUMNS: Final = (
    Column("application", "Sample application"),
    Column("issuer", "Issuer"),
    Column("username", "Sign in as"),
    Column("password", "Password"),
)


@click.command("demo")
@click.option("--listen", metavar="HOST:PORT", help="Where the issuer listens [127.0.0.1:8000, or a free port].")
@click.option(
    "--app-listen", metavar="HOST:PORT", help="Where the application listens [127.0.0.1:8001, or a free port]."
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in DIR [thrown away].",
)
@json_option
def demo_(listen: str | None, app_listen: str | None, data: Path | None, as_json: bool) -> None:
    """Start a throw-away issuer and a sample application to try it with.

    The application is a tour of one token family: sign in, refresh, lose a reply, race, steal a token, and see what the
    issuer did and why. Everything listens on this machine only, and is removed when you stop it with Ctrl-C.
    """
    from evergrant.demo.place import NotADemo
    from evergrant.demo.running import AddressUnusable, NotLoopback, Wishes, run

    def ready(running: Running) -> None:
        _tell(running, as_json=as_json)

    try:
        asyncio.run(run(Wishes(listen, app_listen, data), ready))
    except AddressUnusable as error:
        raise Failure(str(error), hint="leave the option out to have a free port chosen", code=Exit.CONFLICT) from error
    except NotADemo as error:
        raise Failure(str(error), hint="name a new directory, or none", code=Exit.CONFLICT) from error
    except NotLoopback as error:
        raise Failure(str(error), hint="evergrant serve is the command for real use") from error
    note("stopped" if data else "stopped; everything is removed")


def _tell(running: Running, *, as_json: bool) -> None:
    record = {
        "application": running.application,
        "issuer": running.issuer,
        "username": running.username,
        "password": running.password,
        "data": str(running.folder),
        "kept": running.kept,
    }
    if as_json:
        emit_line(record)
        return
    for address in running.moved:
        note(f"{address} is taken by another program, so another port was chosen")
    emit_one(record, COLUMNS, as_json=False)
    note("open the sample application in a browser and follow the seven steps")
    if running.kept:
        note(f"everything is kept in {running.folder}; the password is new at each start")
        note("stop with Ctrl-C")
    else:
        note("stop with Ctrl-C; everything is removed then")
