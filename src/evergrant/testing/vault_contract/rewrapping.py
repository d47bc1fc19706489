"""Turning keys in place: everything sealed passes by, and nothing else notices."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.keeper.connection import MAIN
from evergrant.keeper.vault.port import Fenced, Vault
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    VaultFixtures,
    claimed,
    closed,
    connected,
    found,
    intent,
    pending,
    record,
    step,
)

FIELDS = 3


def turned(sealed: bytes) -> bytes:
    """What stands for a re-wrap: it marks what it has seen, and leaves what is marked."""
    assert sealed, "an empty field is not sealed"
    return sealed if sealed.startswith(b"new ") else b"new " + sealed


async def turn_all(vault: Vault, limit: int) -> tuple[int, int]:
    """Turn everything: how many fields were changed, in how many steps."""
    changed, steps, after = 0, 0, ""
    while True:
        after, more = await vault.rewrap(turned, after=after, limit=limit)
        changed, steps = changed + more, steps + 1
        if not after:
            return changed, steps
        await asyncio.sleep(0)


class RewrappingContract(VaultFixtures):
    """A step is a transaction; between steps everybody works on."""

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_keep_inv_6_every_sealed_field_passes_by_once(self, vault: Vault, limit: int) -> None:
        for n in range(3):
            await connected(vault, n)
        bare = await connected(vault, 3)
        await vault.change(step(bare, records=[record(bare, 2, refresh_token=b"", previous=b"")]))
        answered = await connected(vault, 4)
        claim = await claimed(vault, answered)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.journal(note.id, b"one", NOW)
        await vault.journal(note.id, b"two", NOW + 1)
        for n in range(3):
            await vault.await_callback(pending(n, "con_elsewhere"))
        await vault.keep_once("name", b"kept")
        changed, _ = await turn_all(vault, limit)
        assert changed == 4 * FIELDS + 1 + 2 + 3 + 1
        there = await found(vault, answered)
        assert (there.intents[MAIN].earlier, there.intents[MAIN].reply) == ((b"new one",), b"new two")
        plain = record(answered)
        assert there.records[MAIN] == replace(
            plain, access_token=turned(plain.access_token), refresh_token=turned(plain.refresh_token),
            previous=turned(plain.previous),
        )  # fmt: skip
        assert await vault.keep_once("name", b"x") == b"new kept"
        assert (await turn_all(vault, limit))[0] == 0
        assert await vault.take_callback(pending(1).state_digest, NOW) == pending(
            1, "con_elsewhere", sealed=turned(pending().sealed)
        )

    async def test_a_rewrap_changes_no_version_and_fences_nobody(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await turn_all(vault, 10)
        there = await found(vault, one)
        assert (there.connection, there.records[MAIN].version, there.claims[MAIN]) == (one, 1, claim)
        await vault.change(step(one, records=[record(one, 2)], claim=claim, intent=closed(note)))

    async def test_a_step_that_fails_changes_nothing_and_its_error_is_told(self, vault: Vault) -> None:
        one, two = await connected(vault, 1), await connected(vault, 2)
        seen = []

        def fails(sealed: bytes) -> bytes:
            seen.append(sealed)
            if len(seen) == FIELDS + 1:
                msg = "does not open"
                raise LookupError(msg)
            return turned(sealed)

        after, _ = await vault.rewrap(fails, after="", limit=10)
        with pytest.raises(LookupError, match="does not open"):
            await vault.rewrap(fails, after=after, limit=10)
        for each in (one, two):
            assert (await found(vault, each)).records[MAIN] == record(each)

    async def test_keep_inv_6_changes_made_during_a_rewrap_are_not_lost(self, vault: Vault) -> None:
        every = [await connected(vault, n) for n in range(12)]
        running = True

        async def refresh(n: int) -> int:
            rounds = 0
            while running:
                there = (await found(vault, every[n])).connection
                version = there.version + 1
                try:
                    await vault.change(step(there, records=[record(there, version)]))
                except Fenced:
                    continue
                rounds += 1
                await asyncio.sleep(0)
            return rounds

        refreshing = [asyncio.create_task(refresh(n)) for n in range(12)]
        for _ in range(4):
            await turn_all(vault, 3)
        running = False
        rounds = await asyncio.gather(*refreshing)
        assert sum(rounds) >= len(every)
        for n, one in enumerate(every):
            there = await found(vault, one)
            assert there.connection.version == 1 + rounds[n]
            version = there.records[MAIN].version
            assert version == there.connection.version
            assert there.records[MAIN].access_token.removeprefix(b"new ") == record(one, version).access_token
        await turn_all(vault, 5)
        for one in every:
            kept = (await found(vault, one)).records[MAIN]
            assert kept.access_token == b"new " + record(one, kept.version).access_token
        assert (await vault.load(ACME, every[0].id)) is not None
