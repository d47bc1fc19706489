"""What the database counted: statements, commits, bytes of its log, rows rewritten in place, sizes.

What lives here: reading the server's own statistics. What must not: dividing them by anything but refreshes.
Neighbour: `cluster` runs the server.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields

from benchmarks.postgres.cluster import Cluster

# A session tells the shared statistics what it did within a second of becoming idle.
SETTLED_SECONDS = 1.2
_COUNTED = """
SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database()),
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'),
       (SELECT wal_sync FROM pg_stat_wal), (SELECT wal_fpi FROM pg_stat_wal), (SELECT wal_records FROM pg_stat_wal)
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """Totals of one database (statements, commits) and of its server (the log)."""

    statements: float
    commits: float
    wal_bytes: float
    wal_syncs: float
    full_pages: float
    wal_records: float

    def since(self, before: Counted, refreshes: int) -> dict[str, float]:
        """What one refresh took, by name."""
        return {
            each.name: (getattr(self, each.name) - getattr(before, each.name)) / max(refreshes, 1)
            for each in fields(self)
        }


def counted(cluster: Cluster, name: str) -> Counted:
    """Read after everybody has become idle."""
    time.sleep(SETTLED_SECONDS)
    return Counted(*(float(value) for value in cluster.ask(_COUNTED, name=name)[0]))


def statements(cluster: Cluster, name: str, most: int = 8) -> list[dict[str, object]]:
    """The statements that were run most often: how often, how long in the mean, rows, bytes of log."""
    rows = cluster.ask(
        "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 160), calls, mean_exec_time, rows, wal_bytes"
        " FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()"
        f" ORDER BY calls DESC LIMIT {most}",
        name=name,
    )
    return [
        {"query": query, "calls": int(calls), "mean_ms": float(mean), "rows": int(rows_), "wal_bytes": int(wal)}
        for query, calls, mean, rows_, wal in rows
    ]


@dataclass(frozen=True, slots=True)
class Size:
    """Of one table. *dead* is the server's estimate."""

    rows: int
    table: int
    indexes: int
    updated: int
    updated_in_place: int
    dead: int
    vacuums: int

    @property
    def in_place(self) -> float:
        """The share of updates that touched no index (HOT)."""
        return self.updated_in_place / max(self.updated, 1)


def size(cluster: Cluster, name: str, table: str) -> Size:
    (row,) = cluster.ask(
        f"SELECT (SELECT count(*) FROM {table}), pg_table_size('{table}'), pg_indexes_size('{table}'),"
        " n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count"
        f" FROM pg_stat_user_tables WHERE relid = '{table}'::regclass",
        name=name,
    )
    return Size(*(int(value) for value in row))
