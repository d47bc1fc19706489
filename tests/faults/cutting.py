"""A cable between a server and those who follow it, that can be cut, or go silent without anybody being told.

What lives here: bytes through threads. What must not: what they mean.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Line:
    """The cable. While it is *silent* nothing passes and nothing closes; while it is *down* nobody gets through."""

    port: int
    server: int
    silent: bool = False
    down: bool = False
    _ends: set[socket.socket] = field(default_factory=set)
    _gate: threading.Condition = field(default_factory=threading.Condition)

    def cut(self) -> None:
        """Close everything that is open; what comes anew gets through unless the cable is down."""
        with self._gate:
            ends, self._ends = self._ends, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def silence(self, *, silent: bool) -> None:
        with self._gate:
            self.silent = silent
            self._gate.notify_all()

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            if self.down:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.server))
            except OSError:
                near.close()
                continue
            with self._gate:
                self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := one.recv(65_536):
                with self._gate:
                    self._gate.wait_for(lambda: not self.silent)
                other.sendall(part)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def cabled(server: int) -> Iterator[Line]:
    """A cable to a port of this machine, for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(listener.getsockname()[1], server)
        thread = threading.Thread(target=line.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield line
        finally:
            line.silence(silent=False)
            line.down = True
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            line.cut()
