"""Hearing at once that clients or keys have changed: one connection that listens, in a thread of its own.

It is a convenience: whoever relies on caches asks for the revision every so often anyway (`evergrant.issuer.catalog`).
Behind a transaction pooler nobody is told anything, so nobody listens there.
"""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import CONNECT_SECONDS, Address, Connection, closed, connect
from evergrant.store.postgres.tables import CHANNEL, REVISION

SHORTEST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
# A connection on which nothing is said for so long is asked whether it is still there.
LONGEST_SILENCE: Final = 30.0


class Listening:
    """Tells *seen* every revision it hears of, from now until `close`."""

    def __init__(self, place: Address, seen: Callable[[int], None]) -> None:
        self._place, self._seen = place, seen
        self._over = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="evergrant-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._wake.close()
        self._thread.join()
        self._woken.close()

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._over.is_set():
            try:
                if not self._listen():
                    return
            except (psycopg.Error, OSError, StoreUnusable):  # whoever asks the store tells what is the matter
                self._over.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = SHORTEST_PAUSE

    def _listen(self) -> bool:
        """Listen until told to stop; False where listening is of no use."""
        connection = connect(self._place, silence=CONNECT_SECONDS)
        try:
            if connection.prepare_threshold is None:
                return False
            # What is told while something is asked comes with the answer.
            connection.add_notify_handler(lambda told: self._heard(told.payload))
            connection.execute(f"LISTEN {CHANNEL}")
            self._ask(connection)
            # Not by select(), which cannot watch a file whose number is above 1023: a busy node has as many.
            watched = select.poll()
            for file in (connection.pgconn.socket, self._woken):
                watched.register(file, select.POLLIN)
            while not self._over.is_set():
                ready = watched.poll(LONGEST_SILENCE * 1_000)
                if not ready:
                    self._ask(connection)
                elif any(file == connection.pgconn.socket for file, _ in ready):
                    self._hear(connection)
            return True
        finally:
            closed(connection)

    def _ask(self, connection: Connection) -> None:
        row = connection.execute(REVISION).fetchone()
        self._seen(int(row[0]) if row else 0)

    def _hear(self, connection: Connection) -> None:
        connection.pgconn.consume_input()
        while (told := connection.pgconn.notifies()) is not None:
            self._heard(told.extra)

    def _heard(self, said: str | bytes) -> None:
        with suppress(ValueError):  # anybody on the same database may say anything on the channel
            self._seen(int(said))
