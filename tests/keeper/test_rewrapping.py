"""Turning the key of a vault: nothing lost, everything readable, at any moment and beside running refreshes."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from evergrant.clock import FixedClock
from evergrant.entropy import SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.connection import Connection, Health, Record
from evergrant.keeper.rewrapping import Progress, key_ids, rewrap_all
from evergrant.keeper.sealing import Place, unlock
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import Change, Fenced
from evergrant.keeper.vault.sqlite import SqliteVault

ENTROPY = SystemEntropy()
CLOCK = FixedClock()
COUNT = 40


@pytest.fixture(params=["memory", "sqlite"])
async def vault(request, tmp_path):
    kinds = {"memory": partial(MemoryVault, CLOCK), "sqlite": partial(SqliteVault.open, tmp_path / "keeper.db", CLOCK)}
    opened = kinds[request.param]()
    yield opened
    await opened.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.key"


def place(n: int, field: str, version: int) -> Place:
    return Place("acme", f"con_{n:03}", f"main.{field}", version)


def clear(n: int, field: str, version: int) -> bytes:
    return f"{field} of {n}, version {version}".encode()


def sealed_record(sealer, n: int, version: int) -> Record:
    tokens = {
        field: sealer.seal(clear(n, field, version), place(n, field, version))
        for field in ("access_token", "refresh_token", "previous")
    }
    return Record(f"con_{n:03}", version=version, **tokens)


async def fill(vault, sealer) -> None:
    for n in range(COUNT):
        new = Connection(f"con_{n:03}", "acme", "x", "x", f"user-{n}", "u", health=Health.ACTIVE)
        await vault.add(new)
        await vault.change(Change(replace(new, version=1), 0, [sealed_record(sealer, n, 1)]))


async def refresh(vault, sealer, n: int) -> bool:
    """Read, open, seal the next pair, commit: what a refresher does, without a provider."""
    found = await vault.load("acme", f"con_{n:03}")
    record = found.records["main"]
    version = record.version
    assert sealer.unseal(record.refresh_token, place(n, "refresh_token", version)) == clear(n, "refresh_token", version)
    after = replace(found.connection, version=found.connection.version + 1)
    try:
        await vault.change(Change(after, found.connection.version, [sealed_record(sealer, n, version + 1)]))
    except Fenced:
        return False
    return True


async def all_readable(vault, sealer) -> int:
    read = 0
    for n in range(COUNT):
        await asyncio.sleep(0)  # a vault in memory never waits, and the refreshers would not have their turn
        record = (await vault.load("acme", f"con_{n:03}")).records["main"]
        for field in ("access_token", "refresh_token", "previous"):
            assert sealer.unseal(getattr(record, field), place(n, field, record.version)) == clear(
                n, field, record.version
            )
            read += 1
    return read


async def test_k_21_a_turn_is_add_rewrap_look_retire(vault, path):
    old = keyring.from_file(path, ENTROPY, make=True)
    await fill(vault, await unlock(vault, old, ENTROPY))
    new = keyring.add_current(path, ENTROPY)
    sealer = await unlock(vault, new, ENTROPY)
    assert await key_ids(vault) == {old.current.id: COUNT * 3 + 1}
    told = []
    done = await rewrap_all(vault, sealer, CLOCK, told.append, step=7)
    assert done == Progress(COUNT, COUNT, COUNT * 3 + 1, 0, over=True) == told[-1]
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert len(told) > COUNT // 7
    assert await key_ids(vault) == {new.current.id: COUNT * 3 + 1}
    alone = await unlock(vault, keyring.retire(path, old.current.id, ENTROPY), ENTROPY)
    assert await all_readable(vault, alone) == COUNT * 3
    assert [stored.event.what.value for stored in await vault.events()] == ["key.rewrapped"]
    assert await verify(vault) == 0


async def test_a_second_rewrap_changes_nothing(vault, path):
    keyring.from_file(path, ENTROPY, make=True)
    sealer = await unlock(vault, keyring.add_current(path, ENTROPY), ENTROPY)
    await fill(vault, sealer)
    assert (await rewrap_all(vault, sealer, CLOCK)).changed == 0


async def test_one_damaged_value_does_not_keep_the_others_under_the_old_key(vault, path):
    old = keyring.from_file(path, ENTROPY, make=True)
    await fill(vault, await unlock(vault, old, ENTROPY))
    found = await vault.load("acme", "con_003")
    broken = replace(found.records["main"], access_token=b"no envelope", previous=b"\x01\x01\x04abcd\0\0" + b"x" * 40)
    await vault.change(Change(replace(found.connection, version=2), 1, [broken]))
    sealer = await unlock(vault, keyring.add_current(path, ENTROPY), ENTROPY)
    done = await rewrap_all(vault, sealer, CLOCK, step=5)
    assert (done.changed, done.unreadable) == (COUNT * 3 - 2 + 1, 2)
    assert await key_ids(vault) == {sealer.key_id: COUNT * 3 - 2 + 1, "": 1, "abcd": 1}


async def test_keep_inv_6_a_turn_at_any_moment_beside_running_refreshes_leaves_every_record_readable(vault, path):
    first = keyring.from_file(path, ENTROPY, make=True)
    await fill(vault, await unlock(vault, first, ENTROPY))
    running = await unlock(vault, keyring.from_file(path, ENTROPY, make=False), ENTROPY)
    refreshed = [0] * COUNT
    going = True

    async def worker(mine: list[int]) -> None:
        while going:
            for n in mine:
                refreshed[n] += await refresh(vault, running, n)
                await asyncio.sleep(0)

    workers = [asyncio.create_task(worker(list(range(k, COUNT, 4)))) for k in range(4)]
    turns = 4
    for _ in range(turns):
        turned = await unlock(vault, keyring.add_current(path, ENTROPY), ENTROPY)
        assert (await rewrap_all(vault, turned, CLOCK, step=3)).unreadable == 0
        assert await all_readable(vault, turned) == COUNT * 3
    going = False
    await asyncio.gather(*workers)
    assert all(refreshed)
    for n in range(COUNT):
        record = (await vault.load("acme", f"con_{n:03}")).records["main"]
        assert record.version == 1 + refreshed[n], "a refresh was lost"
    assert running.key_id == turned.key_id, "who runs on has learnt of the new key"
    await rewrap_all(vault, turned, CLOCK)
    assert set(await key_ids(vault)) == {turned.key_id}
    keyring.retire(path, first.current.id, ENTROPY)
    assert await all_readable(vault, turned) == COUNT * 3


async def test_keep_inv_6_a_turn_that_was_broken_off_is_finished_by_the_next(vault, path):
    old = keyring.from_file(path, ENTROPY, make=True)
    await fill(vault, await unlock(vault, old, ENTROPY))
    sealer = await unlock(vault, keyring.add_current(path, ENTROPY), ENTROPY)

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done >= COUNT // 2:
            raise Stop

    with pytest.raises(Stop):
        await rewrap_all(vault, sealer, CLOCK, stop, step=5)
    assert len(await key_ids(vault)) == 2
    assert await all_readable(vault, sealer) == COUNT * 3
    assert (await rewrap_all(vault, sealer, CLOCK)).changed > 0
    assert set(await key_ids(vault)) == {sealer.key_id}
