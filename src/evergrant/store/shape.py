"""One table per mapping: how each kind of record lies in a table.

A record is a key, the few columns it is found by, an end for housekeeping, and a document (JSON) with the whole value.
New optional fields therefore need no migration. Families and events, which are hot or many, have tables of their own.
"""

from collections.abc import Iterable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec import json, to_builtins

from evergrant.domain.account import Account
from evergrant.domain.client import Client
from evergrant.domain.grant import Code, Flow, Grant
from evergrant.domain.key import SealedKey
from evergrant.domain.lease import Lease
from evergrant.domain.receiver import Delivery, Stream
from evergrant.domain.session import Notice, Session
from evergrant.domain.throttle import Barred, Bucket
from evergrant.store.port import Key

R = TypeVar("R")


class Shape(NamedTuple, Generic[R]):
    """How one kind of record is kept. *unique* and *columns* name attributes; *end* the one housekeeping sweeps by."""

    table: str
    type: type[R]
    key: str
    unique: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    end: str = ""

    @property
    def found_by(self) -> tuple[str, ...]:
        """Every column but the key, the end and the document."""
        return self.unique + self.columns

    def refuse_unknown(self, names: Iterable[str]) -> None:
        """Raise `ValueError` for a column that records of this shape are not found by."""
        unknown = sorted(set(names) - set(self.found_by))
        if unknown:
            msg = f"{self.table} is not found by {', '.join(unknown)}"
            raise ValueError(msg)

    def refuse_everything(self, names: Iterable[str]) -> None:
        """Raise `ValueError` for no column at all, which would mean every record, and for an unknown one."""
        if not names:
            msg = f"which records of {self.table}? no choice would take them all"
            raise ValueError(msg)
        self.refuse_unknown(names)

    def refuse_endless(self) -> None:
        """Raise `ValueError` when records of this shape have no end: sweeping them would take them all."""
        if not self.end:
            msg = f"{self.table} is not swept: its records have no end"
            raise ValueError(msg)

    def write(self, record: R) -> bytes:
        """The document of a record."""
        return json.encode(to_builtins(record, builtin_types=()))

    def read(self, document: bytes) -> R:
        """The record behind a document. Raises `msgspec.ValidationError` when it is not one."""
        return json.decode(document, type=self.type)

    def row(self, record: R) -> tuple[Any, ...]:
        """Key, columns, end (0 when there is none) and document, in table order."""
        found = [getattr(record, name) for name in self.found_by]
        end = getattr(record, self.end) if self.end else 0
        return (getattr(record, self.key), *found, end, self.write(record))


CLIENTS: Final = Shape("client", Client, "id")
ACCOUNTS: Final = Shape("account", Account, "id", unique=("username",))
SESSIONS: Final = Shape(
    "session", Session, "id", unique=("digest",), columns=("account_id", "previous"), end="absolute_end"
)
GRANTS: Final = Shape("grant_", Grant, "id", columns=("account_id", "client_id"))
CODES: Final = Shape("code", Code, "digest", columns=("account_id", "client_id"), end="expires_at")
FLOWS: Final = Shape("flow", Flow, "digest", end="expires_at")
NOTICES: Final = Shape("notice", Notice, "family_id", columns=("account_id",))
KEYS: Final = Shape("key_", SealedKey, "id")
BARRED: Final = Shape("barred", Barred, "jti", end="expires_at")
BUCKETS: Final = Shape("bucket", Bucket, "key", end="ends_at")
LEASES: Final = Shape("lease", Lease, "name")

STREAMS: Final = Shape("stream", Stream, "id")
DELIVERIES: Final = Shape("delivery", Delivery, "id", columns=("client_id",), end="ends_at")

SHAPES: Final[tuple[Shape[Any], ...]] = (
    CLIENTS, ACCOUNTS, SESSIONS, GRANTS, CODES, FLOWS, NOTICES, KEYS, BARRED, BUCKETS, LEASES,
    STREAMS, DELIVERIES,
)  # fmt: skip


_ATTRIBUTES: Final = {
    "client": "clients", "account": "accounts", "session": "sessions", "grant_": "grants", "code": "codes",
    "flow": "flows", "notice": "notices", "key_": "keys", "barred": "barred", "bucket": "buckets", "lease": "leases",
    "stream": "streams", "delivery": "deliveries",
}  # fmt: skip


def attribute(shape: Shape[Any]) -> str:
    """The name under which a transaction offers a shape's records."""
    return _ATTRIBUTES[shape.table]


__all__ = ["SHAPES", "Key", "Shape", "attribute"]
