"""How work is done: one transaction of one session, in pipelined journeys, repeated where that is right.

A conflict with another transaction is a clean nothing and is tried again here. So is a session that turns out to be
gone before the commit was sent. When it goes while the commit is on its way, nobody knows whether it happened: work
that may be done twice is done again, for any other the caller is told that the vault did not answer. The same is told
when it was committed here and the wait for a standby was broken off, by an operator or because it took longer than a
statement may: a failover now would lose it.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import psycopg

from evergrant.clock import Clock
from evergrant.keeper.vault.port import VaultMoved, VaultUnavailable
from evergrant.keeper.vault.postgres.asking import Asking
from evergrant.keeper.vault.postgres.tables import Tables
from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.postgres.connection import AGAIN, Address, is_spent, sentence, warned
from evergrant.store.postgres.migrate import Room, whither
from evergrant.store.postgres.sessions import Sessions

T = TypeVar("T")
ROOM: Final = Room("evergrant.keeper.vault.postgres", "evergrant_keeper")
CONFLICTS: Final = 20
# Longer than any statement may take, and no longer: a server that is frozen must not hold a lease up for minutes.
LONGEST_SILENCE: Final = 15.0
# Of this transaction alone, so that a pooler may hand the session to somebody else after it.
_SETTINGS: Final = (
    "SELECT set_config('search_path', 'evergrant_keeper', true), set_config('statement_timeout', '10s', true),"
    " set_config('lock_timeout', '5s', true), set_config('idle_in_transaction_session_timeout', '10s', true)"
)
_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NUMBER: Final = "SELECT pg_current_xact_id_if_assigned()::text::bigint"


class _Unknown(Exception):
    """The commit was sent, and no answer came."""


class _Unconfirmed(_Unknown):
    """It was committed on the primary alone: the server warns of it."""


class _Gone(Exception):
    """The session was gone before the commit was sent: nothing has happened."""


class Transactions:
    """Does work on one of at most *most* sessions, from any thread.

    *committed* is told the number of each transaction that has changed something, 0 for one that perhaps has.
    """

    def __init__(self, place: Address, most: int, clock: Clock | None, committed: Callable[[int], None]) -> None:
        self._place, self._clock, self._committed = place, clock, committed
        self.back_at: Callable[[], float] = float
        self.distributed = False
        self._sessions = Sessions(place, most, silence=LONGEST_SILENCE)
        # So many sessions may have gone to sleep before the server did; one more is new.
        self._tries = most + 1

    def do(
        self, work: Callable[[Tables], T], *, writes: bool, twice: bool = False,
        committed: Callable[[int], None] | None = None,
    ) -> T:  # fmt: skip
        """What *work* returns, committed. *twice*: it may be done again after a commit that perhaps happened.

        Raises `VaultUnavailable`, and what *work* raises, its writes undone.
        """
        conflicts = tries = 0
        while True:
            try:
                result, number = self._once(work, writes=writes)
            except StoreUnavailable as error:
                raise VaultUnavailable(str(error)) from error
            except AGAIN as error:
                conflicts += 1
                if conflicts > CONFLICTS:
                    raise VaultUnavailable(sentence(self._place, error)) from error
            except (_Unknown, _Gone) as error:
                tries += 1
                if isinstance(error, _Unknown):
                    self._committed(0)
                hopeless = tries > self._tries or isinstance(error, _Unconfirmed)
                if hopeless or not (twice or isinstance(error, _Gone)):
                    raise VaultUnavailable(str(error)) from error
            except psycopg.Error as error:
                raise trouble(self._place, error) from error
            else:
                if number:
                    (committed or self._committed)(number)
                return result

    def _once(self, work: Callable[[Tables], T], *, writes: bool) -> tuple[T, int]:
        sent = False
        with self._sessions.lent() as connection:
            try:
                with warned(connection) as warnings, connection.pipeline():
                    connection.execute(_WRITE if writes else _READ)
                    connection.execute(_SETTINGS)
                    asking = Asking(connection, self._clock, self.back_at(), distributed=self.distributed)
                    result = work(Tables(asking))
                    number = connection.execute(_NUMBER)
                    sent = True
                    connection.execute("COMMIT")
                row = number.fetchone()
                if warnings:
                    raise _Unconfirmed(f"{self._place.shown}: {warnings[0]}")
            except psycopg.Error as error:
                if sent and writes and _is_silent(error):
                    raise _Unknown(f"{self._place.shown}: the connection was lost while committing") from error
                if is_spent(connection, error):
                    raise _Gone(sentence(self._place, error)) from error
                raise
        return result, int(row[0] or 0) if row is not None else 0

    def close(self) -> None:
        """Close every session."""
        self._sessions.close()


def trouble(place: Address, error: psycopg.Error) -> VaultUnavailable:
    """What went wrong, in the port's words: where to everything has gone, when the tables have."""
    if isinstance(error, psycopg.errors.UndefinedTable):
        with suppress(StoreUnusable):
            if there := whither(place, ROOM):
                return VaultMoved(f"{place.shown}: everything in it was moved to {there}; let the keeper use that")
    return VaultUnavailable(sentence(place, error))


def _is_silent(error: psycopg.Error) -> bool:
    """Whether nobody knows if what was sent last has happened: the connection is gone, or the server is going."""
    code = error.sqlstate or ""
    return not code or code.startswith(("08", "57P"))
