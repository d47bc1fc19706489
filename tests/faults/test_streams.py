"""Open streams of a real server: they end when it stops, and one who does not read costs it nothing."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from evergrant.domain.ending import End
from evergrant.protocol.basic import write_basic
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from tests.faults.place import PLAIN, Place, placed, said_by, wait_for

MANY = 40_000
HANDFUL = 200


@contextlib.contextmanager
def running(folder: Path, workers: int = 1) -> Iterator[tuple[Place, bytes]]:
    """A server, and what a reader asks it."""
    with placed(folder, workers, module=PLAIN) as place:
        place.start()
        reader = said_by(place.command("client", "add", "API", "--type", "service", "--json"))
        words = write_basic(reader["id"], reader["secret"])
        asked = (
            f"GET /revocations HTTP/1.1\r\nhost: 127.0.0.1:{place.port}\r\naccept: text/event-stream\r\n"
            f"authorization: {words}\r\n\r\n"
        )
        yield place, asked.encode()


def opened(place: Place, asked: bytes, buffer: int = 0) -> socket.socket:
    link = socket.socket()
    if buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    link.settimeout(30)
    link.connect(("127.0.0.1", place.port))
    link.sendall(asked)
    return link


def beaten(link: socket.socket) -> bool:
    """Whether a beat has come."""
    got = b""
    while b"event: beat" not in got:
        part = link.recv(65_536)
        if not part:
            return False
        got += part
    return got.startswith(b"HTTP/1.1 200 OK\r\n")


def tell(place: Place, count: int) -> None:
    """Write so many ends, as another process on the same store does."""

    async def written() -> None:
        store = SqliteStore.open(place.data / FILE_NAME)
        now = int(time.time())
        for first in range(0, count, 2_000):
            ends = [End(now, "reuse", jti=f"{'x' * 60}{n}") for n in range(first, min(first + 2_000, count))]
            await store.write(lambda tx, ends=ends: tx.endings.add(ends))
        await store.close()

    asyncio.run(written())


def memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_o_20_streams_end_when_the_server_is_stopped_and_do_not_hold_it_up(tmp_path):
    for workers in (1, 2):
        with running(tmp_path / str(workers), workers) as (place, asked):
            links = [opened(place, asked) for _ in range(20)]
            assert all(beaten(link) for link in links)
            began = time.monotonic()
            assert place.terminate() == 0
            assert time.monotonic() - began < 8
            for link in links:
                with contextlib.suppress(ConnectionResetError):
                    while link.recv(65_536):
                        pass
                link.close()
        assert "Traceback" not in place.log.read_text()


def test_inv_15_one_who_does_not_read_is_cut_and_costs_no_memory_while_others_get_everything(tmp_path):
    with running(tmp_path) as (place, asked):
        idle = [opened(place, asked, 4_096) for _ in range(HANDFUL)]
        reader = opened(place, asked)
        assert beaten(reader)
        before = memory(place.pid)
        tell(place, MANY)
        assert counted(reader, MANY) == MANY
        grown = memory(place.pid) - before
        print(f"{grown / 1e6:.1f} MB for {HANDFUL} readers who do not read")
        # What lies in each connection's buffer, and the ends at hand: not what each of them has missed (1.5 GB).
        assert grown < 100_000_000
        assert wait_for(lambda: connections(place.pid) < HANDFUL // 10, 60)
        for link in (*idle, reader):
            link.close()
        assert "ERROR" not in place.log.read_text()


def counted(link: socket.socket, wanted: int) -> int:
    """How many endings have come when there are as many as wanted; chunks may cut a line, not a name in two."""
    seen, rest = 0, b""
    while seen < wanted:
        part = link.recv(262_144)
        assert part, "the stream has ended"
        rest += part
        seen += rest.count(b"event: ending")
        rest = rest[-len(b"event: endin") :]
    return seen


def connections(pid: int) -> int:
    """The sockets that a process holds open."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(entry.readlink()).startswith("socket:")
    return found
