"""Columns as the arrays of PostgreSQL's binary protocol: one value for many rows of a statement."""

from collections.abc import Sequence
from struct import Struct
from typing import Final

_HEAD: Final = Struct("!iiiii")  # dimensions, whether there are nulls, type, length, lower bound
_LENGTH: Final = Struct("!i").pack
_INT8: Final = Struct("!iq").pack
_NULL: Final = b"\xff\xff\xff\xff"
_OID_BYTEA: Final = 17
_OID_INT8: Final = 20
_OID_TEXT: Final = 25


def integers(values: Sequence[int | None]) -> bytes:
    """A `bigint[]`."""
    parts = [_NULL if value is None else _INT8(8, value) for value in values]
    return _HEAD.pack(1, 1, _OID_INT8, len(parts), 1) + b"".join(parts)


def octets(values: Sequence[bytes | None]) -> bytes:
    """A `bytea[]`."""
    parts = [_NULL if value is None else _LENGTH(len(value)) + value for value in values]
    return _HEAD.pack(1, 1, _OID_BYTEA, len(parts), 1) + b"".join(parts)


def texts(values: Sequence[str | None]) -> bytes:
    """A `text[]`; what text cannot hold is replaced."""
    parts = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            raw = value.encode()
            if 0 in raw:
                raw = raw.replace(b"\0", b"\xef\xbf\xbf")
            parts.append(_LENGTH(len(raw)) + raw)
    return _HEAD.pack(1, 1, _OID_TEXT, len(parts), 1) + b"".join(parts)
