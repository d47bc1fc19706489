"""Signing keys and token keys take turns: when an operator says so, when it is time, or at once after a compromise.

A key is made before the transaction that publishes it: an RSA pair takes a tenth of a second, and no refresh may wait
for it. When a key signs and when it leaves is said in `keys.lifecycle`.
"""

from asyncio import get_running_loop
from collections.abc import Iterable

from evergrant.clock import Clock
from evergrant.domain.key import SealedKey, Use
from evergrant.entropy import Entropy
from evergrant.keys import lifecycle
from evergrant.keys.lifecycle import Schedule
from evergrant.keys.port import Kek
from evergrant.store.port import Store, Tx


class KeyRotation:
    """The keys of one store. *every*: how many seconds a signing key signs before its successor takes over."""

    def __init__(
        self, store: Store, kek: Kek, clock: Clock, entropy: Entropy, schedule: Schedule, every: int
    ) -> None:  # fmt: skip
        self._store, self._kek, self._clock, self._entropy = store, kek, clock, entropy
        self._schedule, self._every = schedule, every

    async def algorithms(self) -> tuple[str, ...]:
        """The algorithms that something is signed with."""
        now = self._clock.now()
        held = await self._store.read(lambda tx: tx.keys.find())
        return tuple(sorted({key.alg for key in held if key.use is Use.SIGN and key.published(now)}))

    async def rotate(self, algs: Iterable[str]) -> list[SealedKey]:
        """Publish a successor for each algorithm now; it takes over as soon as verifiers can know it."""
        now = self._clock.now()
        made = [await self._made(alg, now, now + self._schedule.publish_before) for alg in algs]

        def work(tx: Tx) -> list[SealedKey]:
            for key in made:
                lifecycle.publish(tx, key, now, self._schedule)
            return made

        return await self._store.write(work)

    async def replace_at_once(self, algs: Iterable[str]) -> list[SealedKey]:
        """After a compromise: sign with new keys from now on, and disown everything that older ones signed."""
        now = self._clock.now()
        made = [await self._made(alg, now, now) for alg in algs]

        def work(tx: Tx) -> list[SealedKey]:
            for key in made:
                lifecycle.replace_at_once(tx, key, now)
            return made

        return await self._store.write(work)

    async def rotate_mac(self, *, at_once: bool = False) -> SealedKey:
        """A new key for the checksums of refresh tokens. The older ones go on verifying: families outlive keys."""
        now = self._clock.now()
        schedule = self._schedule._replace(publish_before=0) if at_once else self._schedule
        return await self._store.write(lambda tx: lifecycle.rotate_mac(tx, self._kek, self._entropy, now, schedule))

    async def rotate_due(self) -> int:
        """Publish the successors whose time has come; how many."""
        now = self._clock.now()
        held = await self._store.read(lambda tx: tx.keys.find())
        wanted = lifecycle.due(held, self._every, now, self._schedule)
        made = [await self._made(alg, now, at) for alg, at in sorted(wanted.items())]

        def work(tx: Tx) -> int:
            # Looked at again: an operator may have rotated in the meantime.
            still = lifecycle.due(tx.keys.find(), self._every, now, self._schedule)
            published = [key for key in made if key.alg in still]
            for key in published:
                lifecycle.publish(tx, key, now, self._schedule)
            return len(published)

        return await self._store.write(work) if made else 0

    async def _made(self, alg: str, now: int, active_at: int) -> SealedKey:
        return await get_running_loop().run_in_executor(
            None, lifecycle.make_signing_key, alg, self._kek, self._entropy, now, active_at
        )
