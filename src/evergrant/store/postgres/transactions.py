"""Transactions for work: what it runs in, when it is run again, and how its errors are told.

A write runs SERIALIZABLE and holds the weakest lock of the write gate; what conflicts is run again. A write that has
lost several times takes the gate alone and runs READ COMMITTED: no other write can be under way, so that nothing it
reads can change but families under refreshes, whose row locks it waits for. Refreshes never touch the gate.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final, TypeVar

import psycopg

from evergrant.store.batch import Answer, Job, failed
from evergrant.store.port import OutcomeUnknown, StoreUnavailable
from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.connection import AGAIN, Address, Connection, committing, is_spent, sentence
from evergrant.store.postgres.sessions import NoSession, Sessions
from evergrant.store.postgres.tables import REVISION, PostgresTx

T = TypeVar("T")
ATTEMPTS: Final = 4
# One statement of any work, and never many rows of a big table: crowds are ended, swept and moved in parts.
LONGEST_STATEMENT: Final = "15s"
LONGEST_LOCK: Final = "10s"
# Index scans keep what a transaction is taken to have read as small as what it asked for; a sequential scan of a table
# that happens to be small would make every two writes conflict.
_LIMITS: Final = (
    f"SET LOCAL lock_timeout = '{LONGEST_LOCK}'; SET LOCAL statement_timeout = '{LONGEST_STATEMENT}';"
    " SET LOCAL enable_seqscan = off; SET LOCAL jit = off;"
)
# A table's lock, not an advisory one: it is taken before the transaction's snapshot, so that whoever has waited for a
# write that was alone sees what it wrote.
BEGIN: Final = f"BEGIN ISOLATION LEVEL SERIALIZABLE; {_LIMITS} LOCK TABLE evergrant.write_gate IN ROW SHARE MODE"
BEGIN_ALONE: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED; {_LIMITS} LOCK TABLE evergrant.write_gate IN EXCLUSIVE MODE"
)
BEGIN_READ: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LIMITS} {REVISION}"
RECONNECTS: Final = 2


class Transactions:
    """Runs work on one database. Called by threads; *seen* is told every revision that a transaction saw."""

    def __init__(
        self, place: Address, writing: Sessions, reading: Sessions, seen: Callable[[int], None],
        tables: Callable[..., Any] = PostgresTx,
    ) -> None:  # fmt: skip
        self._place, self._writing, self._reading, self._seen, self._tables = place, writing, reading, seen, tables

    def write(self, batch: Sequence[Job]) -> list[Answer]:
        """Do a batch in one transaction, and whatever keeps it from being done together, each alone."""
        if len(batch) > 1:
            try:
                return self._run(batch, BEGIN, self._writing)
            except (NoSession, OutcomeUnknown) as error:
                return [Answer(job, None, error) for job in batch]
            except (psycopg.Error, _NotBegun):
                pass  # the reason will be whoever's it is
        answers: list[Answer] = []
        for job in batch:
            answers.append(self._alone(job))
            trouble = answers[-1].error
            if isinstance(trouble, NoSession):  # each of the others would wait as long, one after the other
                return answers + [Answer(one, None, trouble) for one in batch[len(answers) :]]
        return answers

    def read(self, work: Callable[[Any], T]) -> T:
        """Run *work* on one snapshot of the primary. Raises `StoreUnavailable`, and what work raises."""
        return self._connected(lambda: self._read(work))

    def _read(self, work: Callable[[Any], T]) -> T:
        with self._reading.lent() as connection:
            rows = _begun(connection, BEGIN_READ)
            self._seen(int(rows[0][0]))
            tx = self._tables(Asking(connection), writing=False)
            try:
                result = work(tx)
                tx.flush()
            except StopIteration as error:
                raise RuntimeError("work raised StopIteration") from error  # a future refuses it, and would wait on
            connection.execute("COMMIT")
            return result

    def _alone(self, job: Job) -> Answer:
        """One job, again and again until it is done or there is no hope."""
        trouble = StoreUnavailable(f"{self._place.shown}: too many transactions at once wanted the same")
        for attempt in range(ATTEMPTS + 2):
            begin = BEGIN if attempt < ATTEMPTS else BEGIN_ALONE
            try:
                return self._connected(lambda begin=begin: self._run([job], begin, self._writing)[0])  # type: ignore[misc]
            except StoreUnavailable as error:
                if not isinstance(error.__cause__, AGAIN):
                    return Answer(job, None, error)
                trouble = error
        return Answer(job, None, trouble)

    def _connected(self, work: Callable[[], T]) -> T:
        """Run *work*; again on a new session when the one it had was gone before anything was asked of it."""
        for attempt in range(RECONNECTS + 1):
            try:
                return work()
            except _NotBegun as error:
                if attempt == RECONNECTS:
                    raise StoreUnavailable(sentence(self._place, error.trouble)) from error.trouble
            except psycopg.Error as error:
                raise StoreUnavailable(sentence(self._place, error)) from error
        raise AssertionError("unreachable")

    def _run(self, batch: Sequence[Job], begin: str, sessions: Sessions) -> list[Answer]:
        with sessions.lent() as connection:
            _begun(connection, begin)
            tx = self._tables(Asking(connection), writing=True)
            if len(batch) == 1:
                return [self._only(batch[0], connection, tx)]
            answers = [self._apart(job, connection, tx) for job in batch]
            self._commit(connection, tx)
            return answers

    def _only(self, job: Job, connection: Connection, tx: Any) -> Answer:
        try:
            result = job.work(tx)
            self._commit(connection, tx)
        except (psycopg.Error, OutcomeUnknown):
            raise
        except BaseException as error:  # noqa: BLE001 - work's own error goes to whoever asked
            connection.execute("ROLLBACK")
            return failed(job, error)
        return Answer(job, result, None)

    def _commit(self, connection: Connection, tx: Any) -> None:
        """Write what is only noted down, and commit, in one trip.

        Raises `OutcomeUnknown` (see `committing`).
        """
        with committing(self._place, connection), connection.pipeline() if tx.unwritten else nullcontext():
            tx.flush()
            connection.execute("COMMIT")
        if tx.turned:
            self._seen(tx.turned)

    def _apart(self, job: Job, connection: Connection, tx: Any) -> Answer:
        connection.execute("SAVEPOINT work")
        turned = tx.turned
        try:
            answer = Answer(job, job.work(tx), None)
            tx.flush()
        except psycopg.Error:
            raise
        except BaseException as error:  # noqa: BLE001 - work's own error goes to whoever asked
            answer = failed(job, error)
            tx.forget(turned)
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return answer


class _NotBegun(Exception):
    """The session was gone before a transaction began on it: nothing was asked of it yet."""

    def __init__(self, trouble: psycopg.Error) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


def _begun(connection: Connection, begin: str) -> list[tuple[Any, ...]]:
    try:
        cursor = connection.execute(begin)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        if is_spent(connection, error):
            raise _NotBegun(error) from error
        raise
