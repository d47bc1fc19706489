"""Writing a client into the configuration file: a table at its end, and nothing else of it is touched.

The file is read back before it takes the old one's place, so that no mistake of ours spoils a configuration.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evergrant.cli.output import Exit, Failure, ask_secret, note

if TYPE_CHECKING:
    from evergrant.cli.place import Place
    from evergrant.keeper.provider.model import Provider

CONFIG_VARIABLE: Final = "EVERGRANT_CONFIG"


def register(place: Place, name: str, issuer: str, client_id: str | None, *, secret_stdin: bool) -> str:
    """Write the client for *issuer*, unless it is there already; its name. Raises `Failure`."""
    name = name or _name(issuer)
    file = config_file(place)
    known = place.config.clients.get(name) if file.exists() else None
    if known is not None:
        if known.issuer != issuer:
            raise Failure(
                f"the client {name} is configured already, for {known.issuer or known.provider or name}",
                hint="give the new one another name: evergrant keeper connect NAME --issuer URL", code=Exit.CONFLICT,
            )  # fmt: skip
        return name
    if not client_id:
        raise Failure(
            f"no client is configured for {issuer}", hint="register one there, and say its id: --client-id ID"
        )
    said: dict[str, Any] = {"issuer": issuer, "client_id": client_id}
    if secret_stdin:
        said["secret_file"] = _secret_beside(file, name)
    add(file, name, said, loopback=issuer.startswith("http://"))
    note(f"wrote [keeper.client.{name}] into {file}")
    return name


def config_file(place: Place) -> Path:
    """The configuration file that is to be written. Raises `Failure` when none is named."""
    named = place.file or os.environ.get(CONFIG_VARIABLE)
    if not named:
        raise Failure(
            "there is no configuration file to write the client into",
            hint=f"name one, it is made when missing: --config evergrant.toml, or {CONFIG_VARIABLE}",
        )
    return Path(named)


def add(file: Path, name: str, said: Mapping[str, Any], *, loopback: bool = False) -> None:
    """Add `[keeper.client.NAME]` to *file*, and allow issuers on this machine if *loopback*. Raises `Failure`."""
    from evergrant.config import ConfigError, load

    old = file.read_text(encoding="utf-8") if file.exists() else ""
    if loopback:
        old = _allowing_loopback(old)
    text = "\n".join([*([old.rstrip("\n"), ""] if old.strip() else []), *table(f"keeper.client.{name}", said), ""])
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as written:
            written.write(text)
        load(scratch, os.environ)
        scratch.replace(file)
    except ConfigError as error:
        raise Failure(str(error).replace(str(scratch), str(file)), hint="nothing was written") from error
    finally:
        scratch.unlink(missing_ok=True)


ADDRESSES: Final = (
    "authorize_url", "token_url", "refresh_url", "device_url", "introspect_url", "userinfo_url", "discovery_url",
    "issuer", "jwks_url", "probe_url",
)  # fmt: skip


def imitated(provider: Provider) -> dict[str, Any]:
    """What a client's table says of a server that imitates *provider* elsewhere: its addresses, or its issuer's."""
    from evergrant.keeper.errors import UnknownProvider
    from evergrant.keeper.provider.catalog import Catalog

    try:
        real = Catalog.shipped().get(provider.id)
    except UnknownProvider:
        return {"issuer": provider.issuer}
    moved: dict[str, Any] = {name: getattr(provider, name) for name in ADDRESSES if getattr(real, name)}
    if real.revoke.url:
        moved["revoke"] = {"url": provider.revoke.url}
    return {"overrides": {"loopback_http": True, **moved}}


def table(name: str, said: Mapping[str, Any]) -> Iterator[str]:
    """A table of TOML, line by line; tables inside it follow it."""
    yield f"[{name}]"
    yield from (f"{key} = {_value(value)}" for key, value in said.items() if not isinstance(value, Mapping))
    for key, value in said.items():
        if isinstance(value, Mapping):
            yield ""
            yield from table(f"{name}.{key}", value)


def _value(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _allowing_loopback(text: str) -> str:
    """The text with `keeper.loopback` switched on; one that says something about it is left as it is."""
    if re.search(r"^\s*loopback\s*=", text, re.MULTILINE):
        return text
    header = re.search(r"^\[keeper\][ \t]*(#.*)?$", text, re.MULTILINE)
    if header:
        return f"{text[: header.end()]}\nloopback = true{text[header.end() :]}"
    return f"{text.rstrip()}\n\n[keeper]\nloopback = true\n".lstrip()


def _name(issuer: str) -> str:
    from urllib.parse import urlsplit

    host = urlsplit(issuer).hostname or "issuer"
    return re.sub(r"[^a-z0-9]+", "_", host.lower()).strip("_")[:64] or "issuer"


def _secret_beside(file: Path, name: str) -> str:
    """Keep the secret in a file of its own beside the configuration, which people show to each other."""
    secret = ask_secret("the client's secret") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not secret:
        raise Failure("there was no secret on standard input")
    path = file.with_name(f"{name}.secret")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Failure(f"{path}: is there already", hint="remove it, or name the client otherwise") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(f"{secret}\n")
    return path.name
