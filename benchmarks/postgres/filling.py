"""Millions of families in seconds: rows made by the server from a real one, and the indexes made afterwards.

What lives here: one statement and what is around it. What must not: a family that anybody refreshes.
Neighbour: `sizes` says how many.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from benchmarks.postgres.cluster import Cluster

TABLE = "evergrant.family"
# With fewer rows to add, keeping the indexes while filling is quicker than making them again.
MANY = 300_000
# Real rows are moved among the new ones so often, or they would all lie in the first pages.
SLICES = 16
# What differs from row to row. Everything else is as in the row they are made from.
_OWN = {
    "id": "decode(md5('family' || i), 'hex')",
    "digest": "sha256(('digest' || i)::bytea)",
    "grant_id": "left(t.grant_id, 4) || left(md5('grant' || i), 22)",
    "session_id": "CASE WHEN t.session_id = '' THEN '' ELSE left(t.session_id, 4) || left(md5('session' || i), 22) END",
}


@dataclass(frozen=True, slots=True)
class Filler:
    """Whose the rows are: the first ones of *users*, *per_user* each; the next *crowd* of *client*; others nobody's."""

    users: tuple[str, ...]
    per_user: int
    client: str
    crowd: int

    def columns(self) -> dict[str, str]:
        """An expression for each column that is not copied; `i` counts, `t` is the row that is copied."""
        own, first = len(self.users) * self.per_user, len(self.users)
        user = "CASE i % {n} {cases} END".format(
            n=max(first, 1), cases=" ".join(f"WHEN {n} THEN '{user}'" for n, user in enumerate(self.users))
        )
        somebody = "left(t.account_id, 4) || left(md5('account' || i), 22)"
        account = f"CASE WHEN i < {own} THEN {user} ELSE {somebody} END" if first else somebody
        crowd = f"i >= {own} AND i < {own + self.crowd}"
        client = f"CASE WHEN {crowd} THEN '{self.client}' ELSE 'cli_nobodys_in_particular' END"
        return {**_OWN, "account_id": account, "client_id": client}


def fill(cluster: Cluster, name: str, filler: Filler, begin: int, end: int) -> float:
    """Add the rows *begin* to *end* (exclusive); the seconds it took, indexes and statistics included."""
    start = time.perf_counter()
    with psycopg.connect(cluster.url(name), autocommit=True) as connection:
        made_again = _drop_indexes(connection) if end - begin >= MANY else []
        columns = [row[0] for row in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' ORDER BY attnum", (TABLE,)
        ).fetchall()]  # fmt: skip
        own = filler.columns()
        chosen = ", ".join(own.get(column, f"t.{column}") for column in columns)
        real = connection.execute(f"SELECT count(*) FROM {TABLE} WHERE client_id NOT LIKE 'cli_nobodys%'").fetchone()
        for number in range(SLICES):
            low, high = (begin + (end - begin) * part // SLICES for part in (number, number + 1))
            connection.execute(
                f"INSERT INTO {TABLE} ({', '.join(columns)}) SELECT {chosen}"
                f" FROM (SELECT * FROM {TABLE} WHERE sealed IS NOT NULL LIMIT 1) t,"
                f" generate_series({low}, {high - 1}) i"
            )
            if begin == 0 and real:
                _move(connection, int(real[0]) // SLICES + 1)
        for statement in made_again:
            connection.execute(statement)
        connection.execute(f"VACUUM (ANALYZE) {TABLE}")
        connection.execute("CHECKPOINT")
    return time.perf_counter() - start


def _move(connection: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    """Move some of the first rows to the end of the table."""
    connection.execute(
        f"WITH moved AS (DELETE FROM {TABLE} WHERE ctid IN (SELECT ctid FROM {TABLE} ORDER BY ctid LIMIT {count})"
        f" RETURNING *) INSERT INTO {TABLE} SELECT * FROM moved"
    )


def _drop_indexes(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Drop them all; the statements that make them again."""
    rows = connection.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname, pg_get_constraintdef(c.oid)"
        " FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid WHERE i.indrelid = %s::regclass",
        (TABLE,),
    ).fetchall()
    again = []
    for index, definition, constraint, words in rows:
        if constraint:
            connection.execute(f'ALTER TABLE {TABLE} DROP CONSTRAINT "{constraint}"')
            again.append(f'ALTER TABLE {TABLE} ADD CONSTRAINT "{constraint}" {words}')
        else:
            connection.execute(f"DROP INDEX {index}")
            again.append(str(definition))
    return again
