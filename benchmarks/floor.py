"""The floor: the least CPU a durable refresh with two signed tokens can cost on this machine.

What lives here: two ES256 signatures and one row update per refresh, in batches as large as the driver's connections,
one commit each, in a bare loop. What must not: HTTP, tokens, decisions: what they cost is what the ratio shows.
Neighbour: `report` prints the server's CPU per refresh beside it.

The signatures come from the library the server signs with (cryptography); the row has the columns a family row needs;
SQLite runs in WAL with synchronous=FULL, so a batch costs its fsync. Only CPU is compared: waiting for the disk is free
here as it is for the server, and shows in the refreshes per second instead.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks import processes
from benchmarks.servers import CONNECTIONS

FAMILIES = 10_000
_SCHEMA = """
CREATE TABLE family (
    id BLOB PRIMARY KEY, client BLOB NOT NULL, subject BLOB NOT NULL, scope TEXT NOT NULL, resource TEXT NOT NULL,
    generation INTEGER NOT NULL, head BLOB NOT NULL, predecessor BLOB, spent_at INTEGER, successor BLOB,
    idle_end INTEGER NOT NULL, absolute_end INTEGER NOT NULL, last_used_at INTEGER NOT NULL, ended_at INTEGER,
    reason TEXT
) WITHOUT ROWID
"""
_UPDATE = """
UPDATE family SET generation = generation + 1, predecessor = head, head = ?, successor = ?, spent_at = ?, idle_end = ?,
    last_used_at = ? WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class Floor:
    """CPU microseconds per refresh (two signatures, one update, 1/64 of a commit), and the parts of it."""

    cpu_us: float
    signatures_us: float
    update_us: float
    commit_ms: float
    """Wall milliseconds of one durable commit: what the disk here does, not part of the floor."""


def measure(workdir: Path, *, batches: int, repeats: int = 5) -> Floor:
    """Median over *repeats* loops of *batches* batches each, on the server core."""
    with processes.on_core(processes.SERVER_CORE):
        sign, database = _signer(), _database(workdir)
        rounds = [_round(sign, database, batches) for _ in range(repeats)]
        database.close()
    signatures, updates, commits = zip(*rounds, strict=True)
    return Floor(
        cpu_us=statistics.median(s + u for s, u, _ in rounds),
        signatures_us=statistics.median(signatures),
        update_us=statistics.median(updates),
        commit_ms=statistics.median(commits),
    )


def _signer() -> Callable[[], None]:
    """Sign an access token's and an ID token's signing input (lengths as the server's are)."""
    key = ec.generate_private_key(ec.SECP256R1())
    algorithm = ec.ECDSA(hashes.SHA256())
    access_token, id_token = os.urandom(430), os.urandom(380)

    def sign() -> None:
        key.sign(access_token, algorithm)
        key.sign(id_token, algorithm)

    return sign


def _database(workdir: Path) -> apsw.Connection:
    for old in workdir.glob("floor.sqlite3*"):
        old.unlink()
    database = apsw.Connection(str(workdir / "floor.sqlite3"))
    for setting in ("journal_mode=WAL", "synchronous=FULL", "mmap_size=0"):
        database.execute(f"PRAGMA {setting}").fetchall()
    database.execute(_SCHEMA)
    rows = (
        (_family(n), b"client", b"subject", "openid offline_access api", "https://api.bench.example", 0,
         bytes(32), None, None, None, 2**31, 2**31, 0, None, None)
        for n in range(FAMILIES)
    )  # fmt: skip
    with database:
        database.executemany(f"INSERT INTO family VALUES ({','.join('?' * 15)})", rows)
    return database


def _family(number: int) -> bytes:
    # Spread over the key space as random ids are, without needing randomness.
    return ((number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128).to_bytes(16, "big")


def _round(sign: Callable[[], None], database: apsw.Connection, batches: int) -> tuple[float, float, float]:
    refreshes = batches * CONNECTIONS
    start = time.process_time()
    for _ in range(refreshes):
        sign()
    signed = time.process_time()
    wall = time.perf_counter()
    head, successor = bytes(32), bytes(76)
    for batch in range(batches):
        database.execute("BEGIN IMMEDIATE")
        for place in range(CONNECTIONS):
            number = (batch * CONNECTIONS + place) % FAMILIES
            database.execute(_UPDATE, (head, successor, 1, 2, 1, _family(number)))
        database.execute("COMMIT")
    end = time.process_time()
    commit_ms = (time.perf_counter() - wall) / batches * 1e3
    return (signed - start) / refreshes * 1e6, (end - signed) / refreshes * 1e6, commit_ms
