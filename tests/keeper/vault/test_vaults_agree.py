"""All vaults answer alike, whatever is asked of them in whatever order: the reference says what is owed.

Lists of random steps, made and made smaller by hypothesis; every answer and every refusal is compared, and at the end
everything that can be read.
"""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.clock import FixedClock
from evergrant.keeper.connection import MAIN, Claim, Health, Step
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import ApiKey, Change, Fenced, Missing, Taken, VaultUnavailable, Wanted
from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    OTHER,
    connection,
    event,
    intent,
    letter,
    pending,
    record,
)
from tests.keeper.vault.emptied import EMPTIED

REFUSALS = (Fenced, Missing, Taken, ValueError)
SOME = st.integers(0, 1)
NOTES = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("add"), SOME, st.sampled_from([ACME, OTHER])),
    st.tuples(st.just("remove"), SOME, st.sampled_from([ACME, OTHER])),
    st.tuples(st.just("claim"), SOME, st.sampled_from(["a", "b"]), st.sampled_from([1, 30, 0.5])),
    st.tuples(st.just("claim"), SOME, st.sampled_from(["a", "b"]), st.sampled_from([1, 30, 0.5])),
    st.tuples(st.just("renew"), SOME, st.sampled_from([1, 60])),
    st.tuples(st.just("release"), SOME),
    st.tuples(st.just("intend"), SOME, st.integers(-1, 0), NOTES),
    st.tuples(st.just("intend"), SOME, st.just(0), NOTES),
    st.tuples(st.just("journal"), SOME, NOTES),
    st.tuples(
        st.just("change"), SOME, st.integers(-1, 0), st.sampled_from(["none", "latest", "first"]),
        st.sampled_from(["none", "open", "closed", "unseen"]), st.sampled_from(list(Health)), st.booleans(),
    ),
    st.tuples(
        st.just("change"), SOME, st.just(0), st.just("latest"), st.just("closed"), st.just(Health.ACTIVE), st.booleans()
    ),
    st.tuples(st.just("touch"), SOME, st.integers(0, 100)),
    st.tuples(st.just("advance"), st.sampled_from([1, 29, 31, 4_000])),
    st.tuples(st.just("step"), st.sampled_from([-7_200, -5, 5, 7_200])),
    st.tuples(st.just("sweep"), st.sampled_from([1, 3, 500]), st.sampled_from([0, 10**9])),
    st.tuples(st.just("rewrap"), st.integers(1, 3)),
    st.tuples(st.just("await"), SOME),
    st.tuples(st.just("take"), SOME, st.sampled_from([0, 10_000])),
    st.tuples(st.just("post"), SOME, st.booleans()),
    st.tuples(st.just("keep"), SOME),
    st.tuples(st.just("api key"), SOME, st.booleans()),
)  # fmt: skip


class Side:
    """One vault, and what its user remembers."""

    def __init__(self, vault, clock: FixedClock):
        self.vault, self.clock = vault, clock
        self.claims: dict[int, list[Claim]] = {}
        self.after = ""

    async def take(self, step: tuple) -> object:
        """The answer, or the kind of the refusal."""
        name, *rest = step
        try:
            return await getattr(self, name.replace(" ", "_") + "_")(*rest)
        except REFUSALS as error:
            return type(error)

    def _claim(self, n: int, which: str = "latest") -> Claim:
        made = self.claims.get(n) or [Claim(connection(n).id, MAIN, "nobody", 0, 0)]
        return made[-1 if which == "latest" else 0]

    async def add_(self, n, tenant):
        return await self.vault.add(connection(n, tenant, id=connection(n).id), [event(n)])

    async def remove_(self, n, tenant):
        return await self.vault.remove(tenant, connection(n).id, [event(n)])

    async def claim_(self, n, owner, seconds):
        claim = await self.vault.claim(connection(n).id, MAIN, owner, seconds)
        if claim is not None:
            self.claims.setdefault(n, []).append(claim)
        return claim

    async def renew_(self, n, seconds):
        return await self.vault.renew(self._claim(n), seconds)

    async def release_(self, n):
        return await self.vault.release(self._claim(n))

    async def intend_(self, n, off, which):
        claim = self._claim(n)
        version = await self._version(n)
        return await self.vault.intend(claim, intent(claim, which, version), version + off)

    async def journal_(self, n, which):
        return await self.vault.journal(intent(self._claim(n), which).id, b"reply %d" % which, NOW + which)

    async def _found(self, n):
        return await self.vault.load(ACME, connection(n).id) or await self.vault.load(OTHER, connection(n).id)

    async def _version(self, n) -> int:
        found = await self._found(n)
        return found.records[MAIN].version if found and MAIN in found.records else 0

    async def change_(self, n, off, which, note, health, release):
        found = await self._found(n)
        one = found.connection if found else connection(n)
        written = found.intents.get(MAIN) if found and note != "none" else None
        if written is not None:
            written = replace(written, step=Step.OPEN if note == "open" else Step.CLOSED)
            written = replace(written, answered_at=0) if note == "unseen" else written
        version = await self._version(n) + 1
        change = Change(
            replace(one, version=one.version + 1, health=health, tags={"health": health.value}, retry_at=NOW + version),
            one.version + off,
            records=[] if note == "open" else [record(one, version, previous_until=NOW + 5 * version)],
            claim=None if which == "none" else self._claim(n, which),
            intent=written, release=release, events=[event(version, one.id)], letters=[letter(version)],
        )  # fmt: skip
        return await self.vault.change(change)

    async def touch_(self, n, seconds):
        return await self.vault.touch(connection(n).id, MAIN, NOW + seconds)

    async def advance_(self, seconds):
        self.clock.advance(seconds)

    async def step_(self, seconds):
        self.clock.set(self.clock.now() + seconds)

    async def sweep_(self, limit, keep):
        return await self.vault.sweep(self.clock.now(), keep_events=keep, limit=limit)

    async def rewrap_(self, limit):
        self.after, changed = await self.vault.rewrap(lambda sealed: sealed + b"'", after=self.after, limit=limit)
        return self.after, changed

    async def await_(self, n):
        return await self.vault.await_callback(pending(n, connection(n).id))

    async def take_(self, n, seconds):
        return await self.vault.take_callback(pending(n).state_digest, NOW + seconds)

    async def post_(self, n, again):
        return await self.vault.post([] if again else [letter(n).id], [letter(n, tries=n + 1)] if again else [])

    async def keep_(self, n):
        return await self.vault.keep_once("name", b"kept %d" % n)

    async def api_key_(self, n, ends):
        if ends:
            return await self.vault.end_api_key(f"key {n}", NOW + n, [event(n)])
        return await self.vault.add_api_key(ApiKey(f"key {n}", ACME, f"key {n}", b"x", ("a",), NOW), [event(n)])

    async def everything(self) -> list[object]:
        """All that can be read."""
        vault = self.vault
        told: list[object] = [await self._found(n) for n in range(2)]
        told += [await vault.look_up(tenant, "hubspot", f"user-{n}") for tenant in (ACME, OTHER) for n in range(2)]
        told += [await vault.search(Wanted(tenant)) for tenant in (ACME, OTHER)]
        told += [await vault.search(Wanted(ACME, tags={"health": health.value}), limit=2) for health in Health]
        told += [await vault.due(NOW + 10**6, limit=2), await vault.revoking(NOW + 2), await vault.open_intents()]
        told += [await vault.holders(record(connection(1), n).fingerprint) for n in range(4)]
        told += [dict(await vault.counts()), await vault.events(limit=1_000), await vault.trail_ends()]
        told += [await vault.letters(NOW + 9), await vault.api_keys(), await verify(vault)]
        return told


async def lived(opener: Callable[[FixedClock], Any], steps: list[tuple]) -> None:
    sides = [Side(make(clock := FixedClock(NOW)), clock) for make in (MemoryVault, opener)]
    try:
        for side in sides:
            for n in range(2):
                await side.add_(n, ACME)
                await side.change_(n, 0, "none", "none", Health.ACTIVE, release=False)
                await side.claim_(n, "a", 30)
        for n, step in enumerate(steps):
            reference, embedded = [await side.take(step) for side in sides]
            assert embedded == reference, f"step {n}: {step}"
        reference, embedded = [await side.everything() for side in sides]
        assert embedded == reference
        assert reference[-1] == 0
    finally:
        for side in sides:
            await side.vault.close()


@pytest.mark.long
@settings(max_examples=150)
@given(st.lists(STEP, min_size=10, max_size=60))
def test_the_embedded_vault_answers_as_the_reference_does(steps):
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(lived(partial(SqliteVault.open, Path(folder) / "keeper.db"), steps))
        except VaultUnavailable as error:
            pytest.fail(str(error))


@pytest.mark.long
@pytest.mark.needs("postgres")
@settings(max_examples=40)
@given(steps=st.lists(STEP, min_size=10, max_size=60))
def test_the_shared_vault_answers_as_the_reference_does(postgres, vault_database, steps):
    postgres.execute(EMPTIED, vault_database)
    try:
        asyncio.run(lived(partial(PostgresVault.open, vault_database), steps))
    except VaultUnavailable as error:
        pytest.fail(str(error))
