"""A deployment moves while its clients go on: to PostgreSQL, back, and by a mover that is killed again and again."""

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evergrant.keys.local import FILE_NAME as KEY
from evergrant.store.port import Which
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.store.whereabouts import Whereabouts
from evergrant.testing import specimens
from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, furnish, get, refresh
from tests.faults.place import PLAIN, ROOT, Place, placed, wait_for

pytestmark = pytest.mark.needs("postgres")
OTHERS = 20_000
EACH = 4


def command(*words):
    return [sys.executable, "-m", "evergrant", *map(str, words)]


def run(*words):
    return subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def crowded(folder: Path) -> None:
    """Families that nobody presents, so that a copy takes its time."""

    async def fill():
        store = SqliteStore.open(folder / FILE_NAME)
        for start in range(0, OTHERS, 1_000):
            await store.write(
                lambda tx, start=start: [tx.families.add(specimens.family(n)) for n in range(start, start + 1_000)]
            )
        await store.close()

    asyncio.run(fill())


def families(where: Whereabouts) -> dict[bytes, bool]:
    """Every family by its id: whether it is alive."""

    async def found():
        store = where.open()
        try:
            return await store.read(
                lambda tx: {f.id: f.ended is None for f in tx.families.find(Which(live=False), 10**6)}
            )
        finally:
            await store.close()

    return asyncio.run(found())


class Clients:
    """Every holder in a thread of its own, refreshing without a pause and keeping what it is given."""

    def __init__(self, place: Place, holders) -> None:
        self.place, self.wrong, self.refreshed, self.refused = place, [], 0, 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(one,)) for one in holders]

    def _go_on(self, holder) -> None:
        while not self._over.is_set():
            reply = refresh(self.place, holder)
            if reply.status == 200 and not reply.cut:
                holder.token = reply.token
                self.refreshed += 1
            elif reply.status in {0, 503}:
                self.refused += 1
                time.sleep(0.02)
            elif not reply.cut:
                self.wrong.append((holder.kind.name, reply.status, reply.body))

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        for one in self._threads:
            one.join()


def moved_live(begin: Place, holders, source, target, end: Place) -> dict:
    """Move while clients refresh at *begin*; then all of them go on at *end*. What the mover said."""
    begin.start()
    with Clients(begin, holders) as clients:
        time.sleep(1)
        done = run("store", "copy", source, target, "--live", "--json")
        assert done.returncode == 0, done.stderr
        time.sleep(0.5)
        assert {refresh(begin, holder).status for holder in holders} == {503}
        assert get(begin, "/healthz").status == 200
    assert clients.wrong == []
    assert clients.refreshed > len(holders)
    begin.kill()
    end.data.mkdir(mode=0o700, exist_ok=True)
    if not (end.data / KEY).exists():
        shutil.copy(begin.data / KEY, end.data / KEY)
    end.start()
    for holder in holders:
        reply = refresh(end, holder)
        assert reply.status == 200, (holder.kind.name, reply.body)
        holder.token = reply.token
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_every_session_is_alive_after_a_live_move_to_postgresql_and_after_one_back(tmp_path, postgres):
    url = postgres.database()
    with (
        placed(tmp_path / "one", module=PLAIN) as one,
        placed(tmp_path / "many", module=PLAIN, options=("--store", url)) as many,
        placed(tmp_path / "last", module=PLAIN) as last,
    ):
        holders = furnish(one.data, Wanted((PUBLIC, CONFIDENTIAL), EACH))
        crowded(one.data)
        before = families(Whereabouts(one.data))
        said = moved_live(one, holders, one.data, url, many)
        assert said["rows"]["family"] == len(before) == OTHERS + len(holders)
        assert said["again"] > 0
        assert families(Whereabouts(tmp_path, url)) == before
        many.kill()
        said = moved_live(many, holders, url, last.data, last)
        last.kill()
        assert families(Whereabouts(last.data)) == before
    postgres.drop(url)


def killed(postgres, source: Path, url: str, after: float) -> None:
    """Kill a mover so many seconds after it began to write in its target; nothing that it sent is still to come."""
    mover = subprocess.Popen(
        command("store", "copy", source, url, "--live", "--replace"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert wait_for(lambda: any(postgres.sessions(url)) or mover.poll() is not None)
    time.sleep(after)
    mover.send_signal(signal.SIGKILL)
    _, said = mover.communicate()
    assert mover.returncode in {0, -signal.SIGKILL}, said
    # What it had sent already, its commit too, is carried out without it.
    assert wait_for(lambda: not postgres.sessions(url))


@pytest.mark.timeout(600)
def test_a_mover_that_is_killed_leaves_a_source_that_serves_and_a_target_that_the_next_one_fills(tmp_path, postgres):
    url, chance = postgres.database(), random.Random(1)
    with placed(tmp_path / "one", module=PLAIN) as one:
        holders = furnish(one.data, Wanted((PUBLIC, CONFIDENTIAL), 1))
        crowded(one.data)
        everybody = families(Whereabouts(one.data))
        one.start()
        unfinished = 0
        for after in (0.0, *(chance.random() * 2 for _ in range(5))):
            with Clients(one, holders) as clients:
                killed(postgres, one.data, url, after)
            assert clients.wrong == []
            found = families(Whereabouts(tmp_path, url))
            left = refresh(one, holders[0]).status == 503
            assert found in ({}, everybody), "a part has arrived"
            assert left or not found, "both can be served from"
            if left:  # killed in its last steps, or too late: nobody has served from the target, so back it is
                assert run("store", "reopen", one.data, "--yes").returncode == 0
                postgres.drop(url)
                url = postgres.database()
            unfinished += not found
            for holder in holders:
                holder.token = refresh(one, holder).token
        assert unfinished, "every mover was killed too late"
        one.kill()
        done = run("store", "copy", one.data, url, "--replace")
        assert done.returncode == 0, done.stderr
        assert families(Whereabouts(tmp_path, url)) == everybody
    postgres.drop(url)
