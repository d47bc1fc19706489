"""Values as rows, the same in every vault that asks in SQL.

A value is a document (JSON) beside the columns it is found by; sealed bytes have columns of their own. New optional
members therefore need no migration. What lives here: which members are columns, in which order, and what a row means.
What must not: a statement, a driver. Vaults differ in how a document lies in its column: that comes in.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Generic, LiteralString, TypeVar

from msgspec import json

from evergrant.keeper.connection import Claim, Connection, Intent, Pending, Record
from evergrant.keeper.vault import comparing
from evergrant.keeper.vault.comparing import Held
from evergrant.keeper.vault.port import Found, Missing, Taken

T = TypeVar("T")
D = TypeVar("D", bytes, str)
Row = tuple[Any, ...]
RECORD: Final[LiteralString] = "document, used_at, previous_until, access_token, refresh_token, previous"
"""What `record` reads."""


def decode(document: bytes | str, kind: type[T]) -> T:
    """The value behind a document. Raises `msgspec.ValidationError` when it is not one."""
    return json.decode(document, type=kind)


def record(row: Row) -> Record:
    """The record in a row of `RECORD`."""
    document, used_at, previous_until, access_token, refresh_token, previous = row
    return replace(
        decode(document, Record), used_at=used_at, previous_until=previous_until, access_token=access_token,
        refresh_token=refresh_token, previous=previous,
    )  # fmt: skip


def intent(row: Row) -> Intent:
    """The intent in a row that begins with its document and its reply."""
    return replace(decode(row[0], Intent), reply=row[1])


def pending(row: Row, now: int) -> Pending | None:
    """The pending in a row of its sealed part and its document; None when it has expired."""
    found = replace(decode(row[1], Pending), sealed=row[0])
    return found if found.until > now else None


def tags(connection: Connection) -> str:
    """The tags of a connection, to compare them."""
    return json.encode(sorted(connection.tags.items())).decode()


def found(
    connection: Connection,
    records: Iterable[Row],
    intents: Iterable[Intent],
    held: Iterable[tuple[str, Held]],
    now: float,
) -> Found:
    """A connection with what belongs to it; of the claims those that are live."""
    claims: Mapping[str, Claim] = {
        name: Claim(connection.id, name, one.owner, one.fence, one.until) for name, one in held if one.live(now)
    }
    kept = [record(row) for row in records]
    return Found(connection, {one.name: one for one in kept}, {one.name: one for one in intents}, claims)


def missing(connection_id: str) -> Missing:
    """What is raised when a tenant has no such connection."""
    return Missing(f"there is no connection {connection_id}")


def taken(connection: Connection) -> Taken:
    """What is raised when an account has a connection already."""
    return Taken(f"{connection.client} has a connection of account {connection.account} already")


class Rows(Generic[D]):
    """Rows to write; *encode* makes a document of a value."""

    def __init__(self, encode: Callable[[object], D]) -> None:
        self._encode: Callable[[object], D] = encode

    def connection(self, connection: Connection) -> Row:
        """The columns of a connection, its id last."""
        return (
            connection.tenant, connection.client, connection.provider, connection.account, connection.user,
            connection.health.value, connection.version, connection.retry_at, tags(connection),
            self._encode(connection), connection.id,
        )  # fmt: skip

    def record(self, record: Record, *, asleep: bool) -> Row:
        """The columns of a record, in the order of the table."""
        document = self._encode(replace(record, access_token=b"", refresh_token=b"", previous=b""))
        return (
            record.connection_id, record.name, record.version, comparing.due_at(record), asleep,
            record.used_at, record.previous_until, record.fingerprint, record.access_token, record.refresh_token,
            record.previous, document,
        )  # fmt: skip

    def intent(self, intent: Intent, noted_by: int) -> Row:
        """The columns of an intent, in the order of the table."""
        return (
            intent.id, intent.connection_id, intent.name, intent.step.value, intent.deadline, noted_by, intent.reply,
            self._encode(replace(intent, reply=b"")),
        )  # fmt: skip

    def pending(self, pending: Pending) -> Row:
        """The columns of an authorization under way, in the order of the table."""
        document = self._encode(replace(pending, sealed=b""))
        return (pending.state_digest, pending.connection_id, pending.until, pending.sealed, document)
