"""The issuer's database: what it promises of commits, who can listen in, whether there is room, how it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import plural

if TYPE_CHECKING:
    from evergrant.clock import Clock
    from evergrant.config import Config
    from evergrant.store.postgres.distributing import Route
    from evergrant.store.postgres.examine import Examined

# More is corrected all the same; but other software on the machine signs and checks with its clock.
OFF: Final = 5
# So many dead versions for each live row: autovacuum is behind, and every scan reads them.
BLOATED: Final = 0.5
MANY: Final = 10_000
# Autovacuum sees to it at two hundred million used; the server warns with every transaction at forty million left.
SCARCE: Final = 100_000_000
_DURABILITY: Final = (
    "after it a spent token is valid again and its successor unknown: its holder is logged out, and a thief is not"
)


def database(config: Config, url: str, clock: Clock) -> Iterator[Finding]:
    """Judge the database that the issuer's store is in."""
    from evergrant.store.port import StoreUnusable
    from evergrant.store.postgres.examine import examine

    yield _key(config)
    try:
        found = examine(url, clock.now())
    except StoreUnusable as error:
        yield fail("database", str(error), "the issuer cannot work without it", "see what it says, and mend that")
        return
    pooled = ", behind a pooler that hands out its sessions: nobody listens, caches ask instead" if found.pooled else ""
    yield ok(
        "database", f"{found.shown} answers: PostgreSQL {found.version // 10_000}.{found.version % 10_000}{pooled}"
    )
    yield durability(found)
    yield wire(found)
    yield budget(config, found)
    yield from kept(found)
    if found.superuser:
        yield warn(
            "database user", "it is a superuser of the server", "whoever gets at its password gets at every database",
            "make a user that owns the schema evergrant and nothing else",
        )  # fmt: skip
    yield offset(found, clock.now())
    yield from routing(_routes(url))


def durability(found: Examined) -> Finding:
    """Judge what of an acknowledged rotation a crash or a failover leaves."""
    check = "durability"
    if found.losing:
        todo = (
            "set fsync, full_page_writes and synchronous_commit to on, and name standbys in synchronous_standby_names"
        )
        return fail(check, found.losing, _DURABILITY, todo)
    if found.names and found.seen and not found.confirming:
        return fail(
            check, f"no standby of synchronous_standby_names ({found.names}) is connected",
            "every commit waits for one: nothing can be issued, refreshed or ended until it comes back",
            "start the standby, or name another; two of which any one may confirm ride out the loss of either",
        )  # fmt: skip
    if not found.names:
        return warn(
            check, "no standby has to confirm a commit (synchronous_standby_names is empty)",
            f"when the primary is lost, so is what was committed last; {_DURABILITY}",
            "add a synchronous standby; after a loss run: evergrant restore --declare --failover",
        )  # fmt: skip
    confirmed = f", of which {found.confirming} must confirm" if found.seen else ""
    return ok(check, f"commits wait for the disk and for a standby ({found.names}{confirmed})")


def wire(found: Examined) -> Finding:
    """Judge who can listen in between, or stand there."""
    if found.near or (found.encrypted and found.verified):
        return ok("wire", "on this machine" if found.near else "encrypted, and the server's certificate is verified")
    said = "the server's certificate is not verified" if found.encrypted else "the connection is not encrypted"
    return (warn if found.encrypted else fail)(
        "wire", said, "whoever is in between reads addresses and devices, and may answer in the database's place",
        "add sslmode=verify-full and sslrootcert=… to the database's address",
    )  # fmt: skip


def budget(config: Config, found: Examined) -> Finding:
    """Judge whether every process of this node, and how many more nodes, get their connections."""
    lent = _lent(config)
    each = (config.store.connections + lent) * config.server.workers
    said = (
        f"{plural(config.server.workers, 'worker', 'workers')} of {config.store.connections} connections each"
        f"{f', and {lent} to the vault that they lend from' if lent else ''}; "
        f"the server has room for {found.room}, of which {found.held} are held: {found.room // each} such nodes"
    )
    if found.room >= 2 * each:
        return ok("connections", said)
    return (warn if found.room >= each else fail)(
        "connections", said, "a node that gets none cannot start, and while one takes another's place both need theirs",
        "raise max_connections, lower store.connections, or put a transaction pooler in between",
    )  # fmt: skip


def _lent(config: Config) -> int:
    """Connections of one process to a vault that it lends from, counted as if the same server had it."""
    if not (config.keeper.lend and config.keeper.vault_url):
        return 0
    from evergrant.keeper.vault.postgres.vault import CONNECTIONS

    return CONNECTIONS


def kept(found: Examined) -> Iterator[Finding]:
    """Judge whether old versions of rows and old days of the audit trail are cleared away."""
    if found.left < SCARCE:
        yield fail(
            "transactions", f"{found.left} transactions are left before the server takes no writes any more",
            "something keeps autovacuum from freezing old rows; when none are left, nothing can be issued or refreshed",
            "end what is old in pg_stat_activity, pg_prepared_xacts and pg_replication_slots, then run VACUUM there",
        )  # fmt: skip
    if not found.autovacuum or found.unswept:
        yield fail(
            "vacuum", "autovacuum is off" if not found.autovacuum else "autovacuum is off for families",
            "every refresh leaves an old version of a row: the table grows without end, and then transactions run out",
            "set autovacuum to on",
        )  # fmt: skip
    elif found.dead > MANY and found.dead > BLOATED * found.live:
        yield warn(
            "vacuum", f"{found.dead} old versions of rows beside {found.live} families",
            "autovacuum does not keep up, or a transaction that has been open for hours holds it back",
            "look for one in pg_stat_activity (xact_start); else raise autovacuum_vacuum_cost_limit",
        )  # fmt: skip
    else:
        yield ok("vacuum", f"{found.dead} old versions of rows beside {found.live} families")
    if found.ahead and not found.astray:
        yield ok("trail", "tomorrow has a place of its own in the audit trail")
    else:
        yield warn(
            "trail", "what is told now has no day of its own in the audit trail" if found.astray else
            "tomorrow has no place of its own in the audit trail",
            "days are made ahead by housekeeping and dropped whole; events without one are deleted one by one",
            "let a server run; on the very first day there is nothing to do",
        )  # fmt: skip


def offset(found: Examined, now: int) -> Finding:
    """Judge this machine's clock by the database's."""
    off = round(now - found.time)
    if abs(off) <= OFF:
        return ok("time", "this machine's clock and the database's agree")
    return warn(
        "time", f"this machine's clock is {abs(off)} s {'ahead of' if off > 0 else 'behind'} the database's",
        "servers go by the database's, so nothing ends too early; but other software here does not",
        "keep every machine's clock right with NTP",
    )  # fmt: skip


def routing(
    routes: Sequence[Route], name: str = "routing", tables: str = "evergrant.family and evergrant.event",
    column: str = "the family's id",
) -> Iterator[Finding]:  # fmt: skip
    """Judge, where tables are spread over machines, whether each statement of a refresh is asked of one of them."""
    if not any(route.shards for route in routes):
        return
    astray = [f"{route.statement} of {route.shards}" for route in routes if route.shards != 1]
    if astray:
        yield fail(
            name, f"statements of the refresh path are asked of several shards: {', '.join(astray)}",
            "every refresh then costs as many machines as there are, and ends in a commit of two phases",
            f"see whether {tables} are still distributed by {column} and colocated",
        )  # fmt: skip
    else:
        yield ok(name, f"all {len(routes)} statements of a refresh are asked of one shard")


def _routes(url: str) -> Sequence[Route]:
    from evergrant.store.port import StoreUnusable
    from evergrant.store.postgres.connection import address
    from evergrant.store.postgres.distributing import is_distributed, routes

    try:
        place = address(url)
        return routes(place) if is_distributed(place) else ()
    except StoreUnusable:  # told above, as the database's own trouble
        return ()


def _key(config: Config) -> Finding:
    if config.keys.key_encryption_key or config.keys.key_encryption_key_file is not None:
        return ok("key place", "every node can be given the same key-encryption key")
    return warn(
        "key place", f"the key-encryption key lies on this node alone, in {config.store.data}",
        "another node has none, and cannot start; if this disk is lost, so is every session",
        "give all nodes the same one: keys.key_encryption_key_file, or EVERGRANT_KEYS_KEY_ENCRYPTION_KEY",
    )  # fmt: skip
