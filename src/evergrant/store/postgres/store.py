"""The store object: lines for settles on the loop, a few threads for writes and reads, one database."""

from asyncio import AbstractEventLoop, Future, Semaphore, get_running_loop, timeout, wait_for
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Timer
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg import generators

from evergrant.domain.family import Family
from evergrant.domain.rotation import Settlement
from evergrant.store.applying import apply
from evergrant.store.batch import Job
from evergrant.store.port import Finish, StoreUnavailable
from evergrant.store.postgres import hot, routed
from evergrant.store.postgres.connection import Address, Connection, address, connect, sentence, translated
from evergrant.store.postgres.distributing import is_distributed
from evergrant.store.postgres.horizon import Horizon
from evergrant.store.postgres.line import LONGEST_TRIP, Trouble
from evergrant.store.postgres.listening import Listening
from evergrant.store.postgres.migrate import migrate
from evergrant.store.postgres.sessions import LONGEST_SILENCE, LONGEST_WAIT, Sessions
from evergrant.store.postgres.settling import LINES, Settling
from evergrant.store.postgres.tables import PostgresTx
from evergrant.store.postgres.transactions import Transactions
from evergrant.store.postgres.writing import Writing

T = TypeVar("T")
CONNECTIONS: Final = 10
LONGEST_CLOSE: Final = 3.0
# The settles' lines, the patient one, and the one that listens.
_OWN: Final = LINES + 2
_ON_LINES: Final = (
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;"
    " SET enable_mergejoin = off; SET jit = off; SET idle_in_transaction_session_timeout = '15s'"
)


class _Side(NamedTuple):
    """What belongs to one event loop."""

    settling: Settling
    writing: Writing
    reading: Semaphore


class PostgresStore:
    """The shared store (see `evergrant.store.port.Store`)."""

    def __init__(
        self, place: Address, connections: int, committed: Callable[[int], None], *, distributed: bool = False,
        wait: float = LONGEST_WAIT, silence: float = LONGEST_SILENCE,
    ) -> None:  # fmt: skip
        self._place, self._committed, self._distributed, self._wait = place, committed, distributed, wait
        writers = max(1, (connections - _OWN) // 2)
        readers = max(1, connections - _OWN - writers)
        self._writers, self._readers = writers, readers
        self._sessions = (
            Sessions(place, writers, wait, silence=silence),
            Sessions(place, readers, wait, silence=silence),
        )
        self._transactions = Transactions(place, *self._sessions, self._see, partial(PostgresTx, horizon=Horizon()))
        self._writing = ThreadPoolExecutor(writers, thread_name_prefix="evergrant-writer")
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="evergrant-reader")
        self._opening = ThreadPoolExecutor(1, thread_name_prefix="evergrant-opener")
        self._sides: dict[AbstractEventLoop, _Side] = {}
        self._seen = 0
        self._closed = False
        self._listening = Listening(place, self._see)

    @classmethod
    def open(
        cls, url: str, committed: Callable[[int], None] = lambda _: None, connections: int = CONNECTIONS
    ) -> "PostgresStore":
        """Open the database, migrating it as needed. Raises `StoreUnusable` with one sentence."""
        place = address(url)
        migrate(place)
        return cls(place, connections, committed, distributed=is_distributed(place))

    @property
    def seen_revision(self) -> int:
        return self._seen

    async def settle(self, family_id: bytes, decide: Callable[[Family | None], Settlement]) -> Settlement:
        settled: Settlement = await self._side().settling.submit(family_id, decide)
        return settled

    def settle_then(
        self, family_id: bytes, decide: Callable[[Family | None], Settlement], finish: Finish[T]
    ) -> "Future[T]":
        return self._side().settling.submit(family_id, decide, finish)

    async def write(self, work: Callable[[Any], T]) -> T:
        result: T = await self._side().writing.submit(work)
        return result

    async def read(self, work: Callable[[Any], T]) -> T:
        free = self._side().reading
        try:
            await (wait_for(free.acquire(), self._wait) if free.locked() else free.acquire())
        except TimeoutError as error:
            msg = f"{self._place.shown}: every connection for reading was busy for {self._wait:g} seconds"
            raise StoreUnavailable(msg) from error
        try:
            return await get_running_loop().run_in_executor(self._reading, self._transactions.read, work)
        finally:
            free.release()

    async def close(self) -> None:
        """Commit what is queued, then close; what a silent server keeps waiting is broken off. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        mine = self._sides.get(get_running_loop())
        with suppress(TimeoutError):
            async with timeout(LONGEST_CLOSE):
                if mine is not None:
                    await mine.settling.drained()
                    await mine.writing.drained()
        for side in self._sides.values():
            side.settling.close()
            side.writing.close()
        await get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        cutting = Timer(LONGEST_CLOSE, self._cut)
        cutting.start()
        self._listening.close()
        for threads in (self._writing, self._reading, self._opening):
            threads.shutdown(wait=True)
        cutting.cancel()
        for sessions in self._sessions:
            sessions.close()

    def _cut(self) -> None:
        for sessions in self._sessions:
            sessions.close()  # or what is cut would be begun again on a new session
            sessions.cut()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"{self._place.shown}: the store is closed")

    def _side(self) -> _Side:
        self._refuse_closed()
        loop = get_running_loop()
        side = self._sides.get(loop)
        if side is None:
            writing = Writing(loop, self._writing, self._writers, self._wait, self._transactions.write)
            settling = Settling(
                loop, self._opening, self._wait, self._open_line, lambda job: writing.queue(_alone(job)),
                self._said, self._committed, distributed=self._distributed,
            )  # fmt: skip
            side = self._sides[loop] = _Side(settling, writing, Semaphore(self._readers))
        return side

    def _see(self, revision: int) -> None:
        self._seen = max(self._seen, revision)

    def _said(self, trouble: Trouble) -> str:
        try:
            return sentence(self._place, psycopg.errors.lookup(trouble.code)(trouble.words))
        except KeyError:  # none at all, or one that the driver does not know: an extension's, a newer server's
            return sentence(self._place, psycopg.DatabaseError(trouble.words))

    def _open_line(self) -> tuple[Connection, bool]:
        """In a thread: a connection for settles, and whether its statements are kept prepared."""
        connection = connect(self._place, silence=LONGEST_TRIP)
        prepared = connection.prepare_threshold is not None
        with translated(self._place):
            if prepared:
                connection.execute(_ON_LINES)
                for statement in (routed if self._distributed else hot).STATEMENTS:
                    connection.pgconn.send_prepare(statement.name, statement.text)
                    results = connection.wait(generators.execute(connection.pgconn))
                    if not results or results[-1].status != psycopg.pq.ExecStatus.COMMAND_OK:
                        said = results[-1].get_error_message() if results else "server closed the connection"
                        raise psycopg.OperationalError(said)
        return connection, prepared


def _alone(job: Job) -> Job:
    """A settle whose effect is wider than its family, as a write."""
    family_id = job.family_id or b""

    def work(tx: Any) -> Settlement:
        settlement: Settlement = job.work(tx.families.get(family_id))
        apply(tx, settlement)
        return settlement

    return job._replace(family_id=None, work=work)
