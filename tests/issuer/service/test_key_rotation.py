"""Signing keys take turns by themselves, by command, and at once after a compromise."""

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.event import What
from evergrant.domain.key import Use
from evergrant.entropy import SeededEntropy
from evergrant.issuer.service.housekeeping import Housekeeper
from evergrant.issuer.service.key_rotation import KeyRotation
from evergrant.keys.lifecycle import Schedule, ensure
from evergrant.keys.local import LocalKek
from evergrant.keys.ring import Ring
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery

HOUR, DAY = 3_600, 86_400
EVERY = 90 * DAY
SCHEDULE = Schedule(publish_before=HOUR, retire_after=DAY)


class Bench:
    """One store with its keys, its housekeeper and a clock that stands still."""

    def __init__(self) -> None:
        self.clock, self.entropy, self.store = FixedClock(), SeededEntropy("rotation"), MemoryStore()
        self.kek = LocalKek(self.entropy.draw(32))
        self.keys = KeyRotation(self.store, self.kek, self.clock, self.entropy, SCHEDULE, EVERY)
        self.keeper = Housekeeper(
            self.store, self.clock, name="1", batch=10, interval=30, retention=90 * DAY, keys=self.keys
        )

    async def begin(self, *algs: str) -> None:
        now = self.clock.now()
        await self.store.write(lambda tx: ensure(tx, algs, self.kek, self.entropy, now))

    async def ring(self) -> Ring:
        return Ring(await self.store.read(lambda tx: tx.keys.find()), self.kek)

    async def published(self) -> list[str]:
        return [key["kid"] for key in (await self.ring()).public_set(self.clock.now())]

    async def signer(self, alg: str = "ES256") -> str:
        return (await self.ring()).signer(alg, self.clock.now()).kid


@pytest.fixture
async def bench():
    made = Bench()
    await made.begin("ES256")
    return made


async def test_j_14_a_successor_is_published_ahead_takes_over_on_the_day_and_the_old_key_leaves_later(bench):
    first = await bench.signer()

    bench.clock.advance(EVERY - HOUR - 1)
    assert (await bench.keeper.round()).successors == 0

    bench.clock.advance(1)
    assert (await bench.keeper.round()).successors == 1
    assert len(await bench.published()) == 2
    assert await bench.signer() == first

    bench.clock.advance(HOUR - 1)
    assert (await bench.keeper.round()).successors == 0
    assert await bench.signer() == first

    bench.clock.advance(1)
    second = await bench.signer()
    assert second != first

    bench.clock.advance(DAY - 1)
    await bench.keeper.round()
    assert set(await bench.published()) == {first, second}

    bench.clock.advance(1)
    await bench.keeper.round()
    assert await bench.published() == [second]


async def test_a_year_of_housekeeping_rotates_each_algorithm_four_times_and_always_signs(bench):
    await bench.begin("Ed25519")
    seen: dict[str, set[str]] = {"ES256": set(), "Ed25519": set()}
    for _ in range(366):
        bench.clock.advance(DAY)
        await bench.keeper.round()
        for alg, kids in seen.items():
            kids.add(await bench.signer(alg))

    assert {alg: len(kids) for alg, kids in seen.items()} == {"ES256": 5, "Ed25519": 5}
    assert len(await bench.published()) <= 4


async def test_a_server_that_slept_for_a_year_still_publishes_before_it_signs(bench):
    first = await bench.signer()
    bench.clock.advance(365 * DAY)
    assert (await bench.keeper.round()).successors == 1
    assert await bench.signer() == first

    bench.clock.advance(HOUR)
    assert await bench.signer() != first


async def test_two_housekeepers_at_the_same_moment_publish_one_successor(bench):
    bench.clock.advance(EVERY)
    other = KeyRotation(bench.store, bench.kek, bench.clock, bench.entropy, SCHEDULE, EVERY)

    assert [await bench.keys.rotate_due(), await other.rotate_due()] == [1, 0]


async def test_a_rotation_by_command_counts_as_the_turn_that_was_due(bench):
    bench.clock.advance(EVERY - 2 * HOUR)
    await bench.keys.rotate(["ES256"])
    bench.clock.advance(2 * HOUR)

    assert await bench.keys.rotate_due() == 0


async def test_after_a_compromise_nothing_that_older_keys_signed_is_verified(bench):
    stolen = (await bench.ring()).signer("ES256", bench.clock.now())
    await bench.keys.rotate(["ES256"])
    waiting = await bench.published()
    (fresh,) = await bench.keys.replace_at_once(["ES256"])

    ring = await bench.ring()
    assert await bench.published() == [fresh.id]
    assert fresh.id not in waiting
    assert ring.signer("ES256", bench.clock.now()).kid == fresh.id
    assert ring.verify(stolen.sign("at+jwt", b"{}"), "at+jwt") is None
    told = await bench.store.read(lambda tx: tx.events.find(EventQuery(what=What.KEY_RETIRED)))
    assert [event.detail for _, event in told][-2:] == [f"{kid} at once" for kid in sorted(waiting)]


async def test_a_compromise_of_one_algorithm_leaves_the_others_alone(bench):
    await bench.begin("Ed25519")
    other = await bench.signer("Ed25519")
    await bench.keys.replace_at_once(["ES256"])

    assert await bench.signer("Ed25519") == other
    assert await bench.keys.algorithms() == ("ES256", "Ed25519")


async def test_a_new_token_key_leaves_the_older_ones_verifying(bench):
    await bench.keys.rotate_mac()
    at_once = await bench.keys.rotate_mac(at_once=True)

    ring = await bench.ring()
    assert ring.mac_version(bench.clock.now()) == at_once.version == 3
    bench.clock.advance(HOUR)
    assert ring.mac_version(bench.clock.now()) == 3
    assert {key.version for key in ring.sealed if key.use is Use.MAC} == {1, 2, 3} == set(ring.mac_keys)
