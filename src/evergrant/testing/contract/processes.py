"""Several processes on one store: real ones, spawned, racing."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from evergrant.domain.family import Ended
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Verdict
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.store.port import Store, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, ContractFixtures, row
from evergrant.testing.presenting import Presenter, ring

PROCESSES = 4
EACH = 16
ROUNDS = 5

Opener = Callable[[], Store]
Told = list[tuple[str, str]]


def present_many(opener: Opener, token: str) -> Told:
    """Open the store, present one token `EACH` times at once; verdicts and what was handed out."""

    async def story() -> Told:
        store = opener()
        try:
            presenter = Presenter(store, SystemEntropy(), ring())
            answers = await asyncio.gather(*(presenter.present(Secret(token)) for _ in range(EACH)))
        finally:
            await store.close()
        return [(answer.verdict.value, answer.token.reveal() if answer.token else "") for answer in answers]

    return asyncio.run(story())


def end_one(opener: Opener, family_id: bytes) -> int:
    """Open the store and end one family; how many ended."""

    async def story() -> int:
        store = opener()
        try:
            over = Ended(NOW, Reason.OPERATOR)
            return await store.write(lambda tx: tx.families.end(Which(family_id=family_id), over))
        finally:
            await store.close()

    return asyncio.run(story())


def open_first(opener: Opener, n: int) -> int:
    """Open a store that may not exist yet, and write one account."""

    async def story() -> int:
        store = opener()
        try:
            await store.write(lambda tx: tx.accounts.put(specimens.account(n)))
            return await store.read(lambda tx: len(tx.accounts.find()))
        finally:
            await store.close()

    return asyncio.run(story())


class ProcessesContract(ContractFixtures):
    """One store, several processes."""

    def test_rt_06_presenters_in_several_processes_get_one_successor(self, opener: Opener) -> None:
        async def prepare() -> str:
            store = opener()
            token = await Presenter(store, SeededEntropy("processes"), ring()).begin(specimens.family())
            await store.close()
            return token.reveal()

        token = asyncio.run(prepare())
        with _pool() as pool:
            for generation in range(1, ROUNDS + 1):
                jobs = [pool.submit(present_many, opener, token) for _ in range(PROCESSES)]
                told = [answer for job in jobs for answer in job.result(timeout=240)]
                assert Counter(verdict for verdict, _ in told) == {
                    Verdict.ROTATE: 1, Verdict.REPEAT: PROCESSES * EACH - 1,
                }  # fmt: skip
                successors = {text for _, text in told}
                assert len(successors) == 1
                token = successors.pop()
                assert asyncio.run(_generation(opener)) == generation

    def test_rt_14_an_end_in_one_process_stops_the_presenters_in_every_other(self, opener: Opener) -> None:
        async def prepare() -> str:
            store = opener()
            token = await Presenter(store, SeededEntropy("end"), ring()).begin(specimens.family())
            await store.close()
            return token.reveal()

        token = asyncio.run(prepare())
        with _pool() as pool:
            racing = [pool.submit(present_many, opener, token) for _ in range(PROCESSES - 1)]
            assert pool.submit(end_one, opener, specimens.family().id).result(timeout=240) == 1
            minted = {text for job in racing for _, text in job.result(timeout=240) if text}
            for text in {token, *minted}:
                late = pool.submit(present_many, opener, text).result(timeout=240)
                assert late == [("refuse", "")] * EACH

    def test_processes_that_open_a_new_store_together_all_succeed(self, opener: Opener) -> None:
        with _pool() as pool:
            jobs = [pool.submit(open_first, opener, n) for n in range(PROCESSES * 3)]
            assert all(job.result(timeout=240) >= 1 for job in jobs)
        assert asyncio.run(_accounts(opener)) == PROCESSES * 3


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))


async def _generation(opener: Opener) -> int:
    store = opener()
    try:
        return (await row(store, specimens.family().id)).head.generation
    finally:
        await store.close()


async def _accounts(opener: Opener) -> int:
    store = opener()
    try:
        return await store.read(lambda tx: len(tx.accounts.find()))
    finally:
        await store.close()
