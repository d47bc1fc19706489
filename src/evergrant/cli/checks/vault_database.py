"""A vault in a database: whether it can be reached, in which state it is, and what a crash of it would cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.checks.vault import keys

if TYPE_CHECKING:
    from evergrant.clock import Clock
    from evergrant.config import Config
    from evergrant.store.postgres.examine import Examined

_COLUMN: Final = "the connection's id"
_LOST: Final = "a refresh token may be gone that a provider has rotated already: its user has to connect again"


def vault_database(config: Config, key: Path, clock: Clock) -> Iterator[Finding]:
    """Judge the database of the vault and where its keys are."""
    from evergrant.cli.checks.database import routing
    from evergrant.keeper.vault.postgres import ROOM
    from evergrant.keeper.vault.postgres.distributing import routes
    from evergrant.store.port import StoreUnusable
    from evergrant.store.postgres.connection import address
    from evergrant.store.postgres.examine import examine
    from evergrant.store.postgres.migrate import pending

    try:
        missing = pending(address(config.keeper.vault_url), ROOM)
        found = examine(config.keeper.vault_url, clock.now())
    except StoreUnusable as error:
        yield fail("vault database", str(error), "the keeper cannot work without it", "see what it says, and mend that")
        return
    pooled = ", behind a pooler that hands out its sessions" if found.pooled else ""
    yield ok("vault database", f"{found.shown} answers: PostgreSQL {found.version // 10_000}{pooled}")
    if missing:
        yield warn(
            "vault schema",
            f"this release would change the tables first: {', '.join(missing)}",
            "whoever opens the vault next does that, and older releases may not work beside it",
            "make a backup, then run: evergrant keeper list",
        )
    yield _durable(found)
    yield _wire(found)
    if found.superuser:
        yield warn(
            "vault user",
            "it is a superuser of the database server",
            "whoever gets at its password gets at every database there",
            "make a user that owns the schema evergrant_keeper and nothing else",
        )
    yield from routing(routes(config.keeper.vault_url), "vault routing", "the tables of evergrant_keeper", _COLUMN)
    yield from keys(config, None, key)


def _durable(found: Examined) -> Finding:
    if found.losing:
        return fail(
            "vault durability",
            found.losing,
            f"after it {_LOST}",
            "set fsync, full_page_writes and synchronous_commit to on, and name standbys in synchronous_standby_names",
        )
    if not found.names:
        return warn(
            "vault durability",
            "no standby has to confirm a commit (synchronous_standby_names is empty)",
            f"when the primary is lost, {_LOST}",
            "add a synchronous standby, or accept that",
        )
    return ok("vault durability", f"commits wait for the disk and for a standby ({found.names})")


def _wire(found: Examined) -> Finding:
    if found.near or (found.encrypted and found.verified):
        where = "on this machine" if found.near else "encrypted, and the server's certificate is verified"
        return ok("vault wire", where)
    return warn(
        "vault wire",
        "the server's certificate is not verified" if found.encrypted else "the connection is not encrypted",
        "what is sealed stays sealed, but whoever is in between may hand out old rows as new ones",
        "add sslmode=verify-full and sslrootcert=… to the address",
    )
