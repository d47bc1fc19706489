"""Passing every sealed field through one function: what a re-wrap does to each kind of row, and in which order.

What lives here: which fields of a row are sealed, one list for all vaults. What must not: keys; the function comes in.
A re-wrap goes over what was kept once, then over connections by id, then over pendings; the mark of where it stands
is `KEPT` and the last connection's id, or `PENDING` and the last pending's digest.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Intent, Pending, Record

KEPT: Final = "connections after:"
PENDING: Final = "pendings after:"


class Turn:
    """The function, and how many fields it has changed. An empty field is not sealed and stays empty."""

    def __init__(self, turn: Callable[[bytes], bytes]) -> None:
        self._turn = turn
        self.changed = 0

    def __call__(self, sealed: bytes) -> bytes:
        if not sealed:
            return sealed
        turned = self._turn(sealed)
        self.changed += turned != sealed
        return turned


def turned_record(record: Record, turn: Turn) -> Record:
    """The record with its three sealed fields turned."""
    return replace(
        record,
        access_token=turn(record.access_token),
        refresh_token=turn(record.refresh_token),
        previous=turn(record.previous),
    )


def turned_intent(intent: Intent, turn: Turn) -> Intent:
    """The intent with its journalled replies turned."""
    return replace(intent, reply=turn(intent.reply), earlier=tuple(turn(reply) for reply in intent.earlier))


def turned_pending(pending: Pending, turn: Turn) -> Pending:
    """The pending with its sealed part turned."""
    return replace(pending, sealed=turn(pending.sealed))
