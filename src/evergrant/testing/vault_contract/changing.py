"""Changing: compared, whole, and with nothing half done."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.vault.port import Change, Fenced, Missing, Taken, Vault
from evergrant.testing.vault_contract.fixtures import (
    NOW,
    VaultFixtures,
    claimed,
    closed,
    connected,
    connection,
    event,
    found,
    intent,
    letter,
    record,
    step,
)


class ChangingContract(VaultFixtures):
    """One transaction: everything in it happens, or nothing."""

    async def test_everything_in_a_change_is_written_together(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        after = replace(one, health=Health.DEGRADED, reason=Reason.PROVIDER_BUSY, failures=2, retry_at=NOW + 9)
        change = step(
            after, records=[record(one, 2)], claim=claim, intent=closed(note), release=True,
            events=[event(1), event(2)], letters=[letter()],
        )  # fmt: skip
        await vault.change(change)
        there = await found(vault, one)
        assert there.connection == replace(after, version=2)
        assert dict(there.records) == {"main": record(one, 2)}
        assert (dict(there.intents), dict(there.claims)) == ({}, {})
        assert [stored.event for stored in await vault.events()] == [event(1), event(2)]
        assert await vault.letters(NOW + 1) == [letter()]

    async def test_k_16_inv_16_a_change_of_what_has_moved_on_writes_nothing(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        before = await found(vault, one)
        for wrong in (0, 2):
            change = step(
                one, expected=wrong, records=[record(one, 9)], claim=claim, intent=closed(note), release=True,
                events=[event()], letters=[letter()],
            )  # fmt: skip
            with pytest.raises(Fenced):
                await vault.change(change)
        assert await found(vault, one) == before
        assert (await vault.events(), await vault.letters(NOW + 99)) == ([], [])

    async def test_k_16_inv_16_a_late_writer_does_not_overwrite_what_came_after_it(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        one = await connected(vault)
        late = await claimed(vault, one, "late", 30)
        note = intent(late)
        await vault.intend(late, note, 1)
        clock.advance(31)
        heir = await claimed(vault, one, "heir")
        with pytest.raises(Fenced):
            await vault.change(step(one, records=[record(one, 2)], claim=late, intent=closed(note), events=[event()]))
        await vault.change(step(one, records=[record(one, 3)], claim=heir, intent=closed(note)))
        two = (await found(vault, one)).connection
        with pytest.raises(Fenced):
            await vault.change(step(two, records=[record(one, 2)], claim=late, release=True))
        assert (await found(vault, one)).records["main"] == record(one, 3)
        assert await vault.events() == []

    async def test_a_claim_that_ran_out_and_was_not_taken_still_commits(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        clock.advance(3_600)
        await vault.change(step(one, records=[record(one, 2)], claim=claim))
        assert (await found(vault, one)).records["main"] == record(one, 2)

    async def test_k_16_a_claim_that_was_released_does_not_commit(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        await vault.release(claim)
        with pytest.raises(Fenced):
            await vault.change(step(one, records=[record(one, 2)], claim=claim))

    async def test_of_many_changes_of_one_version_one_wins(self, vault: Vault) -> None:
        one = await connected(vault)
        asked = (vault.change(step(one, records=[record(one, n)], events=[event(n)])) for n in range(2, 18))
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(answer is None for answer in told) == 1
        assert sum(isinstance(answer, Fenced) for answer in told) == 15
        winner = told.index(None) + 2
        assert (await found(vault, one)).records["main"].version == winner
        assert [stored.event for stored in await vault.events()] == [event(winner)]

    async def test_one_that_is_refused_does_not_disturb_those_beside_it(self, vault: Vault) -> None:
        every = [await connected(vault, n) for n in range(12)]
        asked = (
            vault.change(step(one, expected=7 if n % 3 == 0 else 1, records=[record(one, 2)], events=[event(n)]))
            for n, one in enumerate(every)
        )
        told = await asyncio.gather(*asked, return_exceptions=True)
        for n, one in enumerate(every):
            assert isinstance(told[n], Fenced) is (n % 3 == 0)
            assert (await found(vault, one)).records["main"].version == (1 if n % 3 == 0 else 2)
        assert sorted(s.event.version for s in await vault.events()) == [n for n in range(12) if n % 3]

    async def test_two_records_of_a_connection_are_kept_apart(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.change(step(one, records=[record(one, 1, "user")]))
        two = (await found(vault, one)).connection
        await vault.change(step(two, records=[record(one, 2, "user")]))
        assert dict((await found(vault, one)).records) == {"main": record(one), "user": record(one, 2, "user")}

    async def test_a_change_of_what_is_not_there_is_missing(self, vault: Vault) -> None:
        with pytest.raises(Missing):
            await vault.change(step(connection(), events=[event()]))
        assert await vault.events() == []

    async def test_an_account_cannot_become_one_that_is_connected(self, vault: Vault) -> None:
        one, _ = await connected(vault, 1), await connected(vault, 2)
        with pytest.raises(Taken):
            await vault.change(step(replace(one, account="user-2"), records=[record(one, 2)], events=[event()]))
        assert (await found(vault, one)).connection == one
        assert await vault.events() == []

    def test_k_24_a_change_cannot_carry_parts_of_another_connection(self) -> None:
        with pytest.raises(ValueError, match="parts of another connection"):
            Change(connection(1), 0, records=[record(connection(2))])

    async def test_k_24_a_connection_cannot_move_to_another_tenant(self, vault: Vault) -> None:
        one = await connected(vault)
        with pytest.raises(Missing):
            await vault.change(step(replace(one, tenant="thief")))
        assert (await found(vault, one)).connection == one

    async def test_a_stamp_changes_with_every_change_and_only_then(self, vault: Vault) -> None:
        seen = [vault.stamp()]
        assert vault.stamp() == seen[0]
        one = await connected(vault)
        seen.append(vault.stamp())
        await vault.change(step(one))
        seen.append(vault.stamp())
        await vault.remove(one.tenant, one.id)
        seen.append(vault.stamp())
        assert len(set(seen)) == len(seen)
        assert await vault.load(one.tenant, one.id) is None
        assert vault.stamp() == seen[-1]
