"""The same tables spread over machines by Citus: what goes where, and how one sees that it does.

A family's row and its events lie on one shard, by the family's id, so that a refresh is asked of one machine. What is
found by its key alone (codes, flows, barred tokens, buckets, notices) is spread by that key. What is small, or must be
unique by something else than its key (accounts, sessions, clients, keys), is on every machine.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import psycopg

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres import routed
from evergrant.store.postgres.connection import Address, Connection, connect, sentence


class Spread(NamedTuple):
    """Where the tables of one schema go. *spread*: a table, the column that tells its shard, what it lies beside."""

    schema: str
    spread: tuple[tuple[str, str, str], ...]
    everywhere: tuple[str, ...]

    @property
    def first(self) -> str:
        """The table by which one sees that all are spread."""
        return f"{self.schema}.{self.spread[0][0]}"


SPREAD: Final = (
    ("family", "id", "none"), ("event", "family", "evergrant.family"), ("code", "digest", "none"),
    ("flow", "digest", "none"), ("notice", "family_id", "none"), ("barred", "jti", "none"), ("bucket", "key", "none"),
)  # fmt: skip
EVERYWHERE: Final = (
    "client", "account", "session", "grant_", "key_", "lease", "stream", "delivery", "ending", "ending_swept",
    "meta", "write_gate",
)  # fmt: skip
ISSUER: Final = Spread("evergrant", SPREAD, EVERYWHERE)
_EXTENSION: Final = "SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus'"
_SPREAD: Final = "SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid = to_regclass(%s)"


def is_distributed(place: Address, plan: Spread = ISSUER) -> bool:
    """Whether the tables of *plan* are spread over machines. Raises `StoreUnusable`."""
    connection = connect(place, read_only=True)
    try:
        return is_spread(connection, plan)
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def is_spread(connection: Connection, plan: Spread) -> bool:
    """The same, asked of a connection."""
    there = connection.execute(_EXTENSION).fetchall()
    return bool(there and connection.execute(_SPREAD, (plan.first,)).fetchall())


def statements(plan: Spread = ISSUER) -> list[str]:
    """What `distribute` runs, in order."""
    spread = [
        f"SELECT create_distributed_table('{plan.schema}.{table}', '{column}', colocate_with => '{beside}')"
        for table, column, beside in plan.spread
    ]
    return [*spread, *(f"SELECT create_reference_table('{plan.schema}.{table}')" for table in plan.everywhere)]


def distribute(place: Address, plan: Spread = ISSUER) -> list[str]:
    """Spread the tables; what was run, nothing where they are spread already. Raises `StoreUnusable`."""
    connection = connect(place)
    try:
        if not connection.execute(_EXTENSION).fetchall():
            raise StoreUnusable(f"{place.shown}: the extension citus is not there; run: CREATE EXTENSION citus")
        if is_spread(connection, plan):
            return []
        with connection.transaction():
            for statement in statements(plan):
                connection.execute(statement)
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()
    return statements(plan)


class Route(NamedTuple):
    """Where a statement of the refresh path goes: *shards* as the plan says, 0 where tables are not distributed."""

    statement: str
    shards: int


def routes(place: Address) -> list[Route]:
    """Where each statement about a family goes, by the server's own plan. Raises `StoreUnusable`."""
    hot = (routed.LOCK_FREE, routed.KNOWN, routed.UPDATE, routed.INSERT)
    return explained(place, {one.name.decode(): _with_samples(one.text.decode()) for one in hot})


def explained(place: Address, hot: Mapping[str, str]) -> list[Route]:
    """Where statements go that have values in them, by name; they are planned and not run. Raises `StoreUnusable`."""
    connection = connect(place, read_only=True)
    try:
        found = []
        for name, text in hot.items():
            lines = [str(row[0]) for row in connection.execute(f"EXPLAIN (COSTS OFF) {text}")]
            found.append(Route(name, shards(lines)))
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()
    return found


def shards(plan: Sequence[str]) -> int:
    """How many shards a plan asks: the `Task Count` that Citus prints; 0 in a plan of one machine."""
    counts = [int(line.split(":")[1]) for line in plan if line.strip().startswith("Task Count:")]
    return sum(counts)


def _with_samples(text: str) -> str:
    """The statement with a value for every parameter; EXPLAIN runs nothing."""
    samples = {"bytea": "'\\x00'::bytea", "bigint": "0::bigint", "text": "''::text"}
    for place in range(60, 0, -1):
        for kind, sample in samples.items():
            text = text.replace(f"${place}::{kind}", sample)
    return text
