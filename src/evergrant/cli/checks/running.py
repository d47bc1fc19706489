"""Whether a server runs on this data directory, and whether it answers."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import lowered, plural

if TYPE_CHECKING:
    from evergrant.cli.checks.facts import Facts
    from evergrant.config import Config

SECONDS: Final = 3.0
_READY: Final = 200
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to ask, not to listen on
_STEPS: Final = re.compile(r"^evergrant_clock_steps_total (\d+)", re.MULTILINE)


def running(config: Config, facts: Facts) -> Iterator[Finding]:
    """Ask the address that the configuration names."""
    keeping = facts.lease
    kept = f"; {_named(keeping.owner)} keeps house" if keeping else ""
    try:
        status, text = _asked(config, "/readyz")
    except OSError as error:
        if keeping:
            yield warn(
                "server",
                f"nobody answers at {config.server.listen}{kept}",
                "a server runs on this data directory, but with another address than this configuration says",
                "give doctor the configuration that the server was started with",
            )
        else:
            yield ok("server", f"none is running at {config.server.listen} ({lowered(error.strerror or str(error))})")
        return
    if status != _READY:
        yield fail(
            "server",
            f"{config.server.listen} answers /readyz with {status}: {text.strip()[:100]}",
            "whoever asks for tokens is refused",
            "read its log",
        )
        return
    yield ok("server", f"{config.server.listen} is ready{kept}")
    yield from _steps(config)


def _named(owner: str) -> str:
    """A process on a host, out of a lease's owner (`assembly.housekeeper_name`)."""
    host, _, rest = owner.partition(":")
    return f"process {rest.partition(':')[0]} on {host}"


def _steps(config: Config) -> Iterator[Finding]:
    """Tell whether the running server saw its clock step; only it can know."""
    try:
        _, text = _asked(config, "/metrics")
    except OSError:
        return
    found = _STEPS.search(text)
    if found and int(found[1]):
        yield warn(
            "clock steps",
            f"the server saw its clock step {plural(int(found[1]), 'time', 'times')} since it started",
            "while the time was wrong, tokens ended too early or too late",
            "let NTP slew the clock instead of stepping it; a virtual machine that was paused also steps",
        )


def _asked(config: Config, path: str) -> tuple[int, str]:
    host, port = config.server.address
    connection = http.client.HTTPConnection(_ANYWHERE.get(host, host), port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": urlsplit(config.issuer).netloc})
        answer = connection.getresponse()
        return answer.status, answer.read(1_000_000).decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from error
    finally:
        connection.close()
