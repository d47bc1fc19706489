"""Issuers that a client names by their address: their documents, kept beside the vault for a day.

A command lives for milliseconds and must not ask an issuer what it is each time; a document that is older than a day
is asked for again, and serves on while the issuer does not answer. Documents are public and hold no secret.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from evergrant.clock import clock_from_environment
from evergrant.config import Config
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.discovery import discover
from evergrant.keeper.provider.fetched import Fetch, Fetched, Unfetched
from evergrant.keeper.provider.model import Provider
from evergrant.keeping.places import vault_path

DAY: Final = 86_400
ENDING: Final = ".issuers"


async def add_issuers(known: Catalog, config: Config, tell: Callable[[str], None]) -> None:
    """Add the issuers that clients name to a catalog, by the clients' names; what cannot be found is told instead."""
    vault = vault_path(config)
    now = clock_from_environment(os.environ).now()
    folder = vault.with_name(vault.name + ENDING)
    for client, issuer in {name: one.issuer for name, one in config.clients.items() if one.issuer}.items():
        kept = folder / f"{hashlib.sha256(issuer.encode()).hexdigest()[:16]}.json"
        try:
            known.add(await _provider(config, client, issuer, kept, now))
        except KeeperError as error:
            tell(f"client {client}: {error}")


async def _provider(config: Config, client: str, issuer: str, kept: Path, now: int) -> Provider:
    known = _read(kept)
    if known is not None and now - known[0] < DAY:
        return await discover(issuer, Kept(known[1]), provider_id=client)
    from evergrant.keeper.wire.fetch import Fetcher, Reach  # noqa: PLC0415 - the HTTP client, for whoever asks

    networks = tuple(str(network) for network in config.keeper.private_networks)
    asking = Asking(Fetcher(Reach(loopback=config.keeper.loopback, networks=networks)))
    try:
        provider = await discover(issuer, asking, provider_id=client)
    except KeeperError as error:
        unreachable = isinstance(error, Unfetched) or getattr(error, "code", "") == "unreachable"
        if known is None or not unreachable:
            raise
        return await discover(issuer, Kept(known[1]), provider_id=client)
    _write(kept, now, asking.seen)
    return provider


class Kept:
    """Answers from what was kept; its endpoints were judged when it was fetched."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self._documents = documents

    async def get(self, url: str) -> Fetched:
        """The document that was there."""
        body = self._documents.get(url)
        return Fetched(404, b"") if body is None else Fetched(200, body.encode())

    async def judge(self, url: str) -> None:
        """Nothing more to say about an address that was judged."""


class Asking:
    """Asks the network, and remembers the documents that were there."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.seen: dict[str, str] = {}

    async def get(self, url: str) -> Fetched:
        """GET one document. Raises `Unfetched`."""
        fetched: Fetched = await self._fetch.get(url)
        if fetched.status == 200:  # noqa: PLR2004 - found
            self.seen[url] = fetched.body.decode("utf-8", "replace")
        return fetched

    async def judge(self, url: str) -> None:
        """Raise `Unfetched` unless the address may be asked."""
        await self._fetch.judge(url)


def _read(path: Path) -> tuple[int, Mapping[str, str]] | None:
    """What was kept, None when there is nothing that can be read: then the issuer is asked."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return int(said["at"]), dict(said["documents"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, now: int, documents: Mapping[str, str]) -> None:
    """Keep the documents, all at once, so that another process never reads half of them."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps({"at": now, "documents": documents}), encoding="utf-8")
    beside.replace(path)
