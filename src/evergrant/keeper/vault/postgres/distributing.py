"""The vault's tables spread over machines by Citus: what goes where, and how one sees that it does.

A connection's row and all that belongs to it (tags, records, claims, intents, events that are not chained yet) lie on
one shard, by the connection's id, so that a lease, a claim and a commit are asked of one machine. What is small, or
unique by something else, is on every machine. What goes over all connections (a sweep, a re-wrap, what falls due) asks
all shards.
"""

from typing import Final

from evergrant.keeper.vault.postgres.bulk import SCHEMA
from evergrant.keeper.vault.postgres.transactions import ROOM
from evergrant.store.postgres.connection import address
from evergrant.store.postgres.distributing import Route, Spread, distribute, explained, is_distributed
from evergrant.store.postgres.migrate import migrate

_BESIDE: Final = f"{SCHEMA}.connection"
VAULT: Final = Spread(
    SCHEMA,
    (
        ("connection", "id", "none"),
        *((table, "connection_id", _BESIDE) for table in ("tag", "record", "claim", "intent", "told")),
    ),
    ("place", "event", "trail", "pending", "kept", "letter", "api_key", "moving"),
)
HOT: Final = {
    "lock": "SELECT version FROM evergrant_keeper.connection WHERE id = 'con_a' FOR NO KEY UPDATE",
    "records": "SELECT document FROM evergrant_keeper.record WHERE connection_id = 'con_a' ORDER BY name",
    "claims": "SELECT owner FROM evergrant_keeper.claim WHERE connection_id = 'con_a' ORDER BY name",
    "intents": "SELECT document FROM evergrant_keeper.intent WHERE connection_id = 'con_a' AND step <> 'closed'",
    "change": "UPDATE evergrant_keeper.connection SET version = 1 WHERE id = 'con_a'",
    "use": "UPDATE evergrant_keeper.record SET used_at = 1 WHERE connection_id = 'con_a' AND name = 'main'",
    "claim": "INSERT INTO evergrant_keeper.claim (connection_id, name, owner, fence, until, length)"
    " VALUES ('con_a', 'a', 'b', 1, 2, 3) ON CONFLICT (connection_id, name) DO UPDATE SET owner = excluded.owner",
    "tell": "INSERT INTO evergrant_keeper.told (connection_id, document) VALUES ('con_a', '{}')",
}
"""One statement of each kind that a refresh asks, with values in it."""


def spread(url: str) -> list[str]:
    """Make or migrate the tables, and spread them; what was run. Raises `StoreUnusable`."""
    place = address(url)
    return [*migrate(place, ROOM), *distribute(place, VAULT)]


def routes(url: str) -> list[Route]:
    """Where each kind of statement about a connection goes; nothing where tables are not spread. `StoreUnusable`."""
    place = address(url)
    return explained(place, HOT) if is_distributed(place, VAULT) else []
