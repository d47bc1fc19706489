"""What ends at one node is heard at every other, whatever order transactions finish in; nothing is passed over."""

import asyncio
import random
from pathlib import Path

import pytest

from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.ending import End
from evergrant.store.postgres import PostgresStore
from evergrant.testing.in_process import running
from tests.following import following, reader_of
from tests.issuing import claims_of, hold, post_as

KEY = bytes(range(32))
WRITERS, EACH = 8, 40
SEED = 11


@pytest.mark.long
@pytest.mark.needs("postgres")
async def test_an_end_at_one_node_reaches_those_who_follow_another(database: str, tmp_path: Path) -> None:
    config, clock = Config().replace(keys__key_encryption_key=KEY), FixedClock()
    async with (
        running(tmp_path / "one", PostgresStore.open(database), config, clock) as one,
        running(tmp_path / "two", PostgresStore.open(database), config, clock) as two,
    ):
        await one.person()
        held = await hold(one, ClientType.WEB)
        async with following(two, await reader_of(two)) as follower:
            await post_as(one, "/revoke", held.client, held.secret, {"token": held.refresh})
            await follower.until(lambda me: me.dead(claims_of(held.access)))


@pytest.mark.long
@pytest.mark.needs("postgres")
async def test_a_follower_misses_no_end_however_transactions_overlap(database: str, tmp_path: Path) -> None:
    config, clock = Config().replace(keys__key_encryption_key=KEY), FixedClock()
    async with running(tmp_path / "one", PostgresStore.open(database), config, clock) as issuer:
        others = [PostgresStore.open(database) for _ in range(2)]
        chance, now = random.Random(SEED), clock.now()

        async def write(writer: int) -> None:
            for n in range(EACH):
                store = chance.choice([issuer.house.store, *others])
                ends = [End(now, "reuse", jti=f"{writer}.{n}.{part}") for part in range(chance.randint(1, 3))]
                wanted.update(end.jti for end in ends)
                await store.write(lambda tx, ends=ends: tx.endings.add(ends))

        wanted: set[str] = set()
        async with following(issuer, await reader_of(issuer)) as follower:
            await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
            await follower.until(lambda me: {ending.jti for ending in me.endings} >= wanted)
            assert sorted(ending.jti for ending in follower.endings) == sorted(wanted)
        for store in others:
            await store.close()
