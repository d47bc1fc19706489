"""evergrant chaos: an authorization server that misbehaves on request, until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.output import Column, Exit, Failure, emit_line, emit_list, emit_one, json_option, note, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evergrant.testing.chaos import Chaos, Ledger

STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")
COLUMNS: Final = (
    Column("provider", "Behaves like"),
    Column("authorize_url", "Authorize at"),
    Column("token_url", "Tokens at"),
    Column("refresh_url", "Refresh at"),
    Column("revoke_url", "Revoke at"),
    Column("device_url", "Devices at"),
    Column("issuer", "Issuer"),
    Column("api_url", "API to call"),
    Column("client_id", "Client id"),
    Column("client_secret", "Client secret"),
    Column("control", "Control at"),
    Column("control_token", "Control token"),
)
MODE_COLUMNS: Final = (Column("mode"), Column("kind"), Column("settings"), Column("sentence", "what happens"))


@click.command("chaos")
@click.option("--provider", metavar="ID", default="plain", help="Behave like this provider [plain: one by the book].")
@click.option(
    "--mode", "modes", metavar="MODE", multiple=True, help="Misbehave like this; may be repeated. See --list-modes."
)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:0", help="Where to listen [a free port].")
@click.option("--approve", metavar="USER", default="", help="Let USER consent to everything at once, without a page.")
@click.option("--seed", metavar="TEXT", help="The same tokens and the same chances at each start.")
@click.option("--keeper", "keeper_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Write FILE, a new configuration with which evergrant keeper uses this server.")  # fmt: skip
@click.option("--list-modes", is_flag=True, help="Show every mode with its settings, and stop.")
@json_option
def chaos_(
    provider: str, modes: tuple[str, ...], listen: str, approve: str, seed: str | None, keeper_file: Path | None,
    list_modes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Start an authorization server that behaves like a provider and misbehaves on request.

    Point your own client at it, and see what becomes of its tokens: the server keeps a ledger of every refresh, of
    every token that was spent twice, and of every grant that died of it. It is for tests: it listens on this machine
    alone, and keeps everything in memory until you stop it with Ctrl-C.
    """
    from evergrant.testing.chaos import MODES, NoSuchMode

    if list_modes:
        emit_list(map(_mode, MODES.values()), MODE_COLUMNS, as_json=as_json)
        return
    host, port = _address(listen)
    try:
        asyncio.run(_serve({"provider": provider, "modes": modes, "user": approve, "seed": seed, "host": host,
                            "port": port}, keeper_file, as_json=as_json))  # fmt: skip
    except NoSuchMode as wrong:
        raise Failure(str(wrong), hint="evergrant chaos --list-modes shows them all") from wrong
    except OSError as wrong:
        busy = wrong.errno == errno.EADDRINUSE
        why = f"another program listens at {listen}" if busy else f"nobody can listen at {listen}: {wrong.strerror}"
        raise Failure(why, hint="leave --listen out to have a free port chosen", code=Exit.CONFLICT) from wrong


async def _serve(given: Mapping[str, Any], keeper_file: Path | None, *, as_json: bool) -> None:
    from evergrant.clock import clock_from_environment
    from evergrant.keeper.errors import UnknownProvider
    from evergrant.testing.chaos import Chaos

    try:
        chaos = Chaos(**given, clock=clock_from_environment())
    except UnknownProvider as wrong:
        raise Failure(str(wrong), code=Exit.NOT_FOUND) from wrong
    stop = asyncio.Event()
    for name in STOPPING:
        if hasattr(signal, name):
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop.set)
    async with chaos:
        if keeper_file is not None:
            _write(chaos, keeper_file)
        _tell(chaos, as_json=as_json)
        await stop.wait()
    _tell_end(chaos.ledger)


def _tell(chaos: Chaos, *, as_json: bool) -> None:
    provider = chaos.provider
    record = {
        "provider": provider.id, "url": chaos.url, "authorize_url": provider.authorize_url,
        "token_url": provider.token_url, "refresh_url": provider.refresh_url or None,
        "revoke_url": provider.revoke.url or None, "device_url": provider.device_url or None,
        "introspect_url": provider.introspect_url or None, "issuer": provider.issuer or None,
        "discovery_url": provider.discovery_url or None, "api_url": provider.probe_url,
        "client_auth": [str(way) for way in provider.client_auth], "client_id": chaos.client_id,
        "client_secret": chaos.client_secret, "control": f"{chaos.url}/chaos", "control_token": chaos.control_token,
        "modes": [str(one) for one in chaos.modes],
    }  # fmt: skip
    if as_json:
        emit_line(record)
        return
    emit_one(record, tuple(column for column in COLUMNS if record[column.key]), as_json=False)
    for one in chaos.modes:
        note(f"{one}: {one.mode.sentence}")
    note(f"give your client these addresses in place of {provider.name}'s; any redirect address will do")
    note("stop with Ctrl-C; nothing is kept")


def _write(chaos: Chaos, file: Path) -> None:
    """The configuration that makes the keeper a client of this server."""
    from evergrant.cli.keeper.registering import add, imitated

    if file.exists():
        raise Failure(f"{file}: is there already", hint="name a new file", code=Exit.CONFLICT)
    provider = chaos.provider
    facts = imitated(provider)
    said = {"client_id": chaos.client_id, "secret": chaos.client_secret}
    add(file, provider.id, {**said, **facts}, loopback=True)
    note(f"wrote {file}: name it with --config or EVERGRANT_CONFIG, then: evergrant keeper connect {provider.id}")


def _tell_end(ledger: Ledger) -> None:
    refreshes = plural(len(ledger.refreshes), "refresh", "refreshes")
    second = plural(len(ledger.second_spends), "token was sent", "tokens were sent")
    killed = plural(len(ledger.killed), "grant", "grants")
    note(f"{refreshes}, {ledger.rotations} rotated; {second} after being spent; {killed} died of it")


def _mode(mode: Any) -> Mapping[str, Any]:
    settings = " ".join(f"{name}={json.dumps(value)}" for name, value in mode.takes.items())
    return {"mode": mode.name, "kind": mode.kind.value, "settings": settings or None, "sentence": mode.sentence}


def _address(listen: str) -> tuple[str, int]:
    """Host and port. Raises `Failure` for anything but loopback: whoever reaches this server may consent."""
    from evergrant.fetch.address import is_loopback

    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - ports are sixteen bits
        raise Failure(f"--listen is HOST:PORT, such as 127.0.0.1:9000, not {listen}")
    if not is_loopback(host):
        raise Failure(f"the chaos provider listens on loopback alone, not at {listen}")
    return host, int(port)
