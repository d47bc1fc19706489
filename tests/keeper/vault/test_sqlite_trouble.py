"""A vault's file in trouble: full, held, failing, changed by hand; and what is removed is really gone."""

import asyncio
import random
import shutil
import time
from dataclasses import replace

import apsw
import pytest

from evergrant.clock import FixedClock
from evergrant.entropy import SystemEntropy
from evergrant.keeper.connection import MAIN
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.sealing import Place, Unreadable, unlock
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import Fenced, Vault, VaultUnavailable, VaultUnusable, Wanted
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keys.local import LocalKek
from evergrant.store.sqlite import writer
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    OTHER,
    claimed,
    closed,
    connected,
    connection,
    event,
    found,
    intent,
    record,
    step,
)
from tests.store.disk import Plan, broken_disk, real_disk

FEWEST, MOST = 25, 400  # operations on the disk in one life, roughly: batches form by chance


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.db"


@pytest.fixture
async def vault(path):
    opened = SqliteVault.open(path)
    yield opened
    await opened.close()


# ---- one commit for many, and nobody waits on the loop


async def test_what_queues_while_a_commit_runs_is_committed_together(path):
    vault = SqliteVault.open(path)
    sizes = []
    committed = vault._writer._committed
    vault._writer._committed = lambda size: (sizes.append(size), committed(size))
    await asyncio.gather(*(vault.add(connection(n)) for n in range(300)))
    await vault.close()
    assert sum(sizes) == 300
    assert len(sizes) <= 30, sizes


async def test_the_loop_goes_on_while_another_process_holds_the_file(vault, path):
    one = await connected(vault)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(vault.change(step(one, records=[record(one, 2)])))
    for _ in range(20):
        await asyncio.sleep(0.002)
        assert (await found(vault, one)).connection == one, "readers are not held up"
    assert not waiting.done(), "a loop that stood still would find it given up"
    holder.execute("COMMIT")
    holder.close()
    await waiting
    assert (await found(vault, one)).connection.version == 2


async def test_a_file_held_for_too_long_is_unavailable_and_nothing_is_written(vault, path, monkeypatch):
    monkeypatch.setattr(writer, "BUSY_MILLISECONDS", 30)
    one = await connected(vault)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    for verb in (vault.change(step(one)), vault.claim(one.id, MAIN, "a", 30)):
        with pytest.raises(VaultUnavailable, match="another process holds the database"):
            await verb
    holder.execute("ROLLBACK")
    holder.close()
    assert (await found(vault, one)).connection == one
    await vault.change(step(one))


async def test_the_vaults_own_clock_is_that_of_the_host(vault):
    one = await connected(vault)
    before = time.time()
    claim = await claimed(vault, one, "a", 30)
    assert before + 30 <= claim.until <= time.time() + 31


# ---- disks


async def test_o_08_a_disk_that_is_full_for_a_while_undoes_whole_verbs_and_then_goes_on(path):
    vault = SqliteVault.open(path)
    raw = vault._writer._connection
    before = raw.pragma("max_page_count")
    raw.pragma("max_page_count", raw.pragma("page_count") + 6)
    big = {"instance_url": "x" * 3_000}
    asked = (vault.add(connection(n, fields=big), [event(n)]) for n in range(64))
    told = await asyncio.gather(*asked, return_exceptions=True)
    full = [error for error in told if error is not None]
    assert {str(error) for error in full} == {f"{path}: the disk is full"}
    assert all(isinstance(error, VaultUnavailable) for error in full)
    kept = {one.id for one in await vault.search(Wanted(ACME), limit=1_000)}
    assert kept == {connection(n).id for n, error in enumerate(told) if error is None}
    assert len(await vault.events(limit=1_000)) == len(kept)
    raw.pragma("max_page_count", before)
    for n, error in enumerate(told):
        if error is not None:
            await vault.add(connection(n, fields=big), [event(n)])
    assert len(await vault.search(Wanted(ACME), limit=1_000)) == 64
    assert await verify(vault) == 0
    await vault.close()


class Life:
    """A refresher that refreshes one connection again and again; `done` is what was acknowledged."""

    def __init__(self, clock: FixedClock, rounds: int, tries: int):
        self.clock, self.rounds, self.tries = clock, rounds, tries
        self.version, self.journalled, self.fence = 1, 0, 0

    async def go_on(self, vault: Vault) -> None:
        while self.version <= self.rounds:
            version = self.version
            claim = await self._insist(lambda: vault.claim(connection().id, MAIN, "life", 60))
            assert claim.fence > self.fence
            self.fence = claim.fence
            note = intent(claim, version, version)
            there = await found(vault, connection())
            if there.records[MAIN].version > version:  # the commit was done, its answer was lost
                self.version = there.records[MAIN].version
                continue
            if MAIN in there.intents:
                note = there.intents[MAIN]
            else:
                await self._insist(lambda claim=claim, note=note, v=version: vault.intend(claim, note, v))
            await self._insist(lambda note=note, v=version: vault.journal(note.id, b"reply %d" % v, NOW))
            self.journalled = version
            try:
                await self._insist(lambda c=claim, n=note, t=there: vault.change(self._step(t.connection, c, n)))
            except Fenced:
                continue
            self.version = version + 1

    def _step(self, there, claim, note):
        version = self.version
        return step(
            there, records=[record(there, version + 1)], claim=claim, intent=closed(note, answered_at=NOW),
            release=True, events=[event(version)],
        )  # fmt: skip

    async def _insist(self, ask):
        for left in range(self.tries, 0, -1):
            try:
                return await ask()
            except VaultUnavailable:
                if left == 1:
                    raise
        raise AssertionError


async def judged(path, life: Life, where: str) -> None:
    """Nothing acknowledged is missing, and at most the one step after it is there."""
    plain = apsw.Connection(str(path))
    assert plain.pragma("integrity_check") == "ok", where
    plain.close()
    vault = SqliteVault.open(path, life.clock)
    try:
        there = await found(vault, connection())
        version = there.records[MAIN].version
        assert version in {life.version, life.version + 1}, where
        assert there.records[MAIN] == record(connection(), version), where
        assert [s.event.version for s in await vault.events(limit=1_000)] == list(range(1, version)), where
        assert await verify(vault) == 0, where
        if life.journalled == version:
            assert there.intents[MAIN].reply == b"reply %d" % version, where
        claim = await vault.claim(connection().id, MAIN, "judge", 60)
        assert claim is None or claim.fence > life.fence, where
    finally:
        await vault.close()


@pytest.fixture(scope="module")
def born(tmp_path_factory):
    """A vault with one connection."""
    path = tmp_path_factory.mktemp("born") / "keeper.db"

    async def story():
        vault = SqliteVault.open(path)
        await connected(vault)
        await vault.close()

    asyncio.run(story())
    return path


async def live(plan: Plan, path, life: Life, fail_at: int) -> bool:
    vault = SqliteVault.open(path, life.clock)
    plan.arm(fail_at)
    try:
        await life.go_on(vault)
    except VaultUnavailable:
        assert plan.failures, "trouble without a failure"
        return False
    else:
        return True
    finally:
        await asyncio.wait_for(vault.close(), 30)


def lives(born, tmp_path, tries: int, **plan):
    """One life per operation that can fail, until one is lived without any."""
    for n in range(1, MOST + 1):
        planned = Plan(**plan)
        folder = tmp_path / f"{n}"
        folder.mkdir()
        shutil.copy(born, folder / "keeper.db")
        life = Life(FixedClock(NOW), 2, tries)
        with broken_disk(planned) as disk:
            finished = asyncio.run(live(planned, folder / "keeper.db", life, n))
            with real_disk():
                yield n, disk, folder / "keeper.db", life, finished
        shutil.rmtree(folder)
        if not planned.failures:
            assert finished
            return
    pytest.fail(f"a life takes more than {MOST} operations")


@pytest.mark.long
@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_o_08_one_failing_operation_anywhere_is_a_retry_and_nothing_more(born, tmp_path, error):
    n = 0
    for n, _, path, life, finished in lives(born, tmp_path, 2, error=error, torn=True):
        assert finished, f"operation {n}: the vault did not recover"
        asyncio.run(judged(path, life, f"operation {n}"))
    assert n > FEWEST


@pytest.mark.long
@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_keep_inv_2_a_disk_that_stays_broken_loses_nothing_acknowledged(born, tmp_path, error):
    stopped = 0
    for n, _, path, life, finished in lives(born, tmp_path, 1, error=error, for_good=True):
        stopped += not finished
        asyncio.run(judged(path, life, f"operation {n} and all later ones"))
    assert stopped > FEWEST // 2


@pytest.mark.long
def test_o_07_keep_inv_2_no_power_cut_loses_what_was_acknowledged(born, tmp_path):
    cuts = 0
    for n, disk, _, life, _ in lives(born, tmp_path, 1, error=apsw.IOError, for_good=True, torn=True):
        for seed in range(3):
            into = tmp_path / f"cut {n} {seed}"
            into.mkdir()
            disk.after_power_cut(into, random.Random(f"{n} {seed}"))
            asyncio.run(judged(into / "keeper.db", life, f"power cut before operation {n}, seed {seed}"))
            shutil.rmtree(into)
            cuts += 1
    assert cuts > FEWEST * 3
    print(f"{cuts} power cuts, nothing lost")


@pytest.mark.long
def test_o_08_whatever_operation_fails_at_the_first_start_the_next_start_succeeds(tmp_path):
    async def start(path):
        vault = SqliteVault.open(path)
        try:
            assert await vault.keep_once("name", b"sealed") == b"sealed"
        finally:
            await vault.close()

    async def trouble_of(path) -> str | None:
        try:
            await start(path)
        except (VaultUnusable, VaultUnavailable) as error:
            return str(error)
        return None

    counting = Plan()
    with broken_disk(counting):
        asyncio.run(start(tmp_path / "counting.db"))
    refused = 0
    for n in range(1, counting.count + 1, 2):
        path = tmp_path / f"{n}.db"
        plan = Plan(error=apsw.FullError, for_good=True)
        plan.arm(n)
        with broken_disk(plan):
            trouble = asyncio.run(trouble_of(path))
        assert trouble in {None, f"{path}: the disk is full"}
        refused += trouble is not None
        asyncio.run(start(path))
    assert refused > counting.count // 4


# ---- rows changed by hand


async def test_k_21_a_row_swapped_between_tenants_is_detected_when_it_is_opened(vault, path):
    sealer = await unlock(vault, Keyring([LocalKek(b"k" * 32)]), SystemEntropy())
    rows = [await connected(vault, 1, ACME), await connected(vault, 1, OTHER)]
    places = [Place(one.tenant, one.id, "main.refresh_token", 2) for one in rows]
    for one, place in zip(rows, places, strict=True):
        await vault.change(step(one, records=[record(one, 2, refresh_token=sealer.seal(b"1//clear", place))]))
    raw = apsw.Connection(str(path))
    tokens = dict(raw.execute("SELECT connection_id, refresh_token FROM record").fetchall())
    for this, that in ((0, 1), (1, 0)):
        raw.execute(
            "UPDATE record SET refresh_token = ? WHERE connection_id = ?", (tokens[rows[that].id], rows[this].id)
        )
    raw.close()
    for one, place in zip(rows, places, strict=True):
        swapped = (await found(vault, one)).records[MAIN].refresh_token
        with pytest.raises(Unreadable, match=f"{one.id} of tenant {one.tenant}") as trouble:
            sealer.unseal(swapped, place)
        assert "clear" not in str(trouble.value)


@pytest.mark.parametrize("document", [b"{}", b"garbage", b'{"id":7}', b""])
async def test_a_row_that_cannot_be_read_is_one_sentence(vault, path, document):
    one, two = await connected(vault, 1), await connected(vault, 2)
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE connection SET document = ? WHERE id = ?", (document, one.id))
    raw.close()
    with pytest.raises(VaultUnavailable, match="a row that this release cannot read"):
        await vault.load(ACME, one.id)
    assert (await found(vault, two)).connection == two


@pytest.mark.parametrize(
    ("by_hand", "first"),
    [
        ("UPDATE event SET document = replace(document, 'line 4', 'line 9') WHERE number = 4", 4),
        ("DELETE FROM event WHERE number = 4", 4),
        ("DELETE FROM event WHERE number < 3", 1),
        ("DELETE FROM event WHERE number > 6", 7),
        ("UPDATE event SET chain = x'00' WHERE number = 7", 7),
        ("UPDATE event SET document = (SELECT document FROM event WHERE number = 2) WHERE number = 5", 5),
        ("UPDATE trail SET last_chain = x'00'", 7),
        ("UPDATE trail SET last = 9", 8),
    ],
)
async def test_an_audit_trail_changed_by_hand_is_found_out_at_the_first_link(vault, path, by_hand, first):
    await vault.note([event(n) for n in range(1, 8)])
    assert await verify(vault, page=3) == 0
    raw = apsw.Connection(str(path))
    raw.execute(by_hand)
    assert raw.changes() > 0
    raw.close()
    assert await verify(vault, page=3) == first


# ---- removed is gone


async def test_k_22_what_was_removed_is_nowhere_in_the_files(vault, path):
    keep, gone = await connected(vault, 1), await connected(vault, 2)
    marks = {}
    for one, mark in ((keep, b"kept-and-sealed-" * 8), (gone, b"gone-and-sealed-" * 8)):
        marks[one.id] = mark
        await vault.change(step(one, records=[replace(record(one, 2), refresh_token=mark, access_token=mark)]))
    assert lying_in(path, marks[gone.id])
    await vault.remove(ACME, gone.id)
    assert not lying_in(path, marks[gone.id])
    assert lying_in(path, marks[keep.id])


async def test_k_22_tokens_that_were_taken_away_or_are_over_are_nowhere_in_the_files(vault, path):
    blank, swept = await connected(vault, 1), await connected(vault, 2)
    marks = {one.id: name * 8 for one, name in ((blank, b"blanked-sealed-"), (swept, b"swept-previous-"))}
    for one in (blank, swept):
        token = {"refresh_token" if one is blank else "previous": marks[one.id], "previous_until": NOW + 5}
        await vault.change(step(one, records=[record(one, 2, **token)]))
        assert lying_in(path, marks[one.id])
    empty = record(blank, 3, access_token=b"", refresh_token=b"", previous=b"", previous_until=0)
    await vault.change(step((await found(vault, blank)).connection, records=[empty]))
    assert not lying_in(path, marks[blank.id])
    assert lying_in(path, marks[swept.id])
    assert await vault.sweep(NOW + 6, keep_events=10**9) == 1
    assert not lying_in(path, marks[swept.id])


def lying_in(path, mark: bytes) -> bool:
    return any(mark in file.read_bytes() for file in path.parent.iterdir())


async def test_k_22_a_reader_in_the_way_only_delays_it(vault, path):
    gone, other = await connected(vault, 2), await connected(vault, 3)
    mark = b"gone-and-sealed-" * 8
    await vault.change(step(gone, records=[replace(record(gone, 2), refresh_token=mark)]))
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM connection").fetchall()
    await vault.remove(ACME, gone.id)
    assert lying_in(path, mark)
    reader.execute("ROLLBACK")
    await vault.touch(other.id, MAIN, NOW)
    assert not lying_in(path, mark)
    reader.close()
