"""A vault in a database: whether it can be reached, in which state it is, and what a crash of it would cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.checks.vault import keys

if TYPE_CHECKING:
    from evergrant.config import Config
    from evergrant.store.postgres.connection import Address, Connection

_ASKED: Final = (
    "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),"
    " current_setting('fsync'), current_setting('full_page_writes'),"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), inet_client_addr() IS NULL"
    " OR host(inet_client_addr()) IN ('127.0.0.1', '::1')"
)
_UNDONE: Final = frozenset({"off", "local"})


class Said(NamedTuple):
    """What the server says of itself and of this session."""

    commit: str
    standbys: str
    fsync: str
    pages: str
    superuser: bool
    encrypted: bool
    near: bool


def vault_database(config: Config, key: Path) -> Iterator[Finding]:
    """Judge the database of the vault and where its keys are."""
    from evergrant.keeper.vault.postgres import ROOM
    from evergrant.store.port import StoreUnusable
    from evergrant.store.postgres.connection import address, connect
    from evergrant.store.postgres.migrate import pending

    try:
        place = address(config.keeper.vault_url)
        missing = pending(place, ROOM)
        with connect(place) as connection:
            said = _said(connection)
    except StoreUnusable as error:
        yield fail("vault database", str(error), "the keeper cannot work without it", "see what it says, and mend that")
        return
    yield ok("vault database", f"{place.shown} answers")
    if missing:
        yield warn(
            "vault schema",
            f"this release would change the tables first: {', '.join(missing)}",
            "whoever opens the vault next does that, and older releases may not work beside it",
            "make a backup, then run: evergrant keeper list",
        )
    yield from _durable(said)
    yield _wire(place, said)
    if said.superuser:
        yield warn(
            "vault user",
            "it is a superuser of the database server",
            "whoever gets at its password gets at every database there",
            "make a user that owns the schema evergrant_keeper and nothing else",
        )
    yield from keys(config, None, key)


def _said(connection: Connection) -> Said:
    row = connection.execute(_ASKED).fetchone()
    return Said(*row) if row is not None else Said("", "", "", "", superuser=False, encrypted=False, near=True)


def _durable(said: Said) -> Iterator[Finding]:
    careless = [name for name, value in (("fsync", said.fsync), ("full_page_writes", said.pages)) if value != "on"]
    if said.commit in _UNDONE:
        careless.append("synchronous_commit")
    if careless:
        yield fail(
            "vault durability",
            f"the server may lose what it said was committed: {', '.join(careless)} is not on",
            "after a crash a refresh token may be gone that a provider has already rotated: its user must come back",
            "set fsync, full_page_writes and synchronous_commit to on",
        )
    elif not said.standbys:
        yield warn(
            "vault durability",
            "no standby has to confirm a commit (synchronous_standby_names is empty)",
            "when the primary is lost, so is what was committed last, refresh tokens among it",
            "name a synchronous standby, or accept that those users must connect again",
        )
    else:
        yield ok("vault durability", "commits wait for the disk and for a standby")


def _wire(place: Address, said: Said) -> Finding:
    checked = place.parameters.get("sslmode") in {"verify-full", "verify-ca"}
    if said.near or (said.encrypted and checked):
        where = "on this machine" if said.near else "encrypted, and the server's certificate is verified"
        return ok("vault wire", where)
    return warn(
        "vault wire",
        "the server's certificate is not verified" if said.encrypted else "the connection is not encrypted",
        "what is sealed stays sealed, but whoever is in between may hand out old rows as new ones",
        "add sslmode=verify-full and sslrootcert=… to the address",
    )
