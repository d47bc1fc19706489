"""Several processes on one vault: real ones, spawned, racing."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from evergrant.keeper.connection import MAIN
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import Fenced, Vault
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    Opener,
    VaultFixtures,
    claimed,
    closed,
    connected,
    event,
    found,
    intent,
    pending,
    record,
    step,
)

PROCESSES = 3
ROUNDS = 20
PATIENCE = 20
"""Seconds for which a machine may be too busy to look."""
T = TypeVar("T")


def told_by(opener: Opener, story: Callable[..., Awaitable[T]], *given: Any) -> T:
    """In whichever process this is: open the vault, run *story*, close."""

    async def run() -> T:
        vault = opener()
        try:
            return await story(vault, *given)
        finally:
            await vault.close()

    return asyncio.run(run())


async def claim_one(vault: Vault, owner: str) -> int:
    """The fence that was got, or 0."""
    claim = await vault.claim("con_acme_001", MAIN, owner, 60)
    return claim.fence if claim is not None else 0


async def take_one(vault: Vault, n: int) -> bool:
    """Whether the pending was ours."""
    return await vault.take_callback(pending(n).state_digest, NOW) is not None


async def keep_one(vault: Vault, sealed: bytes) -> bytes:
    """What is kept."""
    return await vault.keep_once("name", sealed)


async def refresh_many(vault: Vault, owner: str) -> list[int]:
    """Refresh one connection as often as the claim can be got; the versions committed."""
    committed = []
    for turn in range(ROUNDS):
        claim = await vault.claim("con_acme_001", MAIN, owner, 60)
        if claim is None:
            await asyncio.sleep(0.002)
            continue
        there = await vault.load(ACME, "con_acme_001")
        assert there is not None
        version = there.records[MAIN].version
        note = intent(claim, claim.fence, version, id=f"int_{owner}_{turn}")
        await vault.intend(claim, note, version)
        await vault.journal(note.id, b"reply", NOW)
        change = step(
            there.connection, records=[record(there.connection, version + 1)], claim=claim, intent=closed(note),
            release=True, events=[event(version)],
        )  # fmt: skip
        try:
            await vault.change(change)
        except Fenced:
            raise AssertionError("a live claim was fenced") from None
        committed.append(version + 1)
    return committed


class ProcessesContract(VaultFixtures):
    """One vault, several processes."""

    def test_k_15_keep_inv_1_of_processes_that_claim_at_once_one_holds(self, opener: Opener) -> None:
        told_by(opener, connected)
        with _pool() as pool:
            jobs = [pool.submit(told_by, opener, claim_one, f"process {n}") for n in range(PROCESSES * 3)]
            fences = [job.result(timeout=240) for job in jobs]
        assert sum(fence > 0 for fence in fences) == 1

    def test_k_15_k_16_refreshes_from_several_processes_follow_each_other(self, opener: Opener) -> None:
        told_by(opener, connected)
        with _pool() as pool:
            jobs = [pool.submit(told_by, opener, refresh_many, f"process {n}") for n in range(PROCESSES)]
            committed = [version for job in jobs for version in job.result(timeout=240)]
        assert sorted(committed) == list(range(2, len(committed) + 2))

        async def judge(vault: Vault) -> None:
            there = await vault.load(ACME, "con_acme_001")
            assert there is not None
            assert there.records[MAIN].version == len(committed) + 1
            assert [s.event.version for s in await vault.events(limit=1_000)] == list(range(1, len(committed) + 1))
            assert await verify(vault) == 0

        told_by(opener, judge)

    def test_k_06_an_authorization_under_way_is_taken_by_one_process(self, opener: Opener) -> None:
        async def prepare(vault: Vault) -> None:
            for n in range(4):
                await vault.await_callback(pending(n))

        told_by(opener, prepare)
        with _pool() as pool:
            jobs = [pool.submit(told_by, opener, take_one, n) for n in range(4) for _ in range(PROCESSES)]
            assert sum(job.result(timeout=240) for job in jobs) == 4

    def test_processes_that_open_a_new_vault_together_keep_one_thing(self, opener: Opener) -> None:
        with _pool() as pool:
            jobs = [pool.submit(told_by, opener, keep_one, b"sealed %d" % n) for n in range(PROCESSES * 2)]
            assert len({job.result(timeout=240) for job in jobs}) == 1

    async def test_a_stamp_tells_of_what_another_process_has_changed(self, opener: Opener) -> None:
        vault = opener()
        try:
            one = await connected(vault)
            before = vault.stamp()
            assert vault.stamp() == before
            with _pool() as pool:
                loop = asyncio.get_running_loop()
                fence = await loop.run_in_executor(pool, told_by, opener, claim_one, "elsewhere")
            await _told(vault, before)
            assert (await found(vault, one)).claims[MAIN].fence == fence
            assert await vault.claim(one.id, MAIN, "here", 30) is None
        finally:
            await vault.close()

    async def test_fences_rise_across_processes(self, opener: Opener) -> None:
        vault = opener()
        try:
            one = await connected(vault)
            mine = await claimed(vault, one)
            await vault.release(mine)
            with _pool() as pool:
                loop = asyncio.get_running_loop()
                assert await loop.run_in_executor(pool, told_by, opener, claim_one, "elsewhere") > mine.fence
        finally:
            await vault.close()


async def _told(vault: Vault, before: int) -> None:
    """Return when the stamp has changed, which it does within the seconds that the vault names."""
    looks = int(PATIENCE / vault.late) if vault.late else 0
    for _ in range(looks):
        if vault.stamp() != before:
            return
        await asyncio.sleep(vault.late)
    assert vault.stamp() != before


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
