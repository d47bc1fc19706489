"""Intents: written before a spend, answered by whoever hears something, and never overwritten unseen."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Step
from evergrant.keeper.vault.port import Fenced, Missing, Taken, Vault
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    VaultFixtures,
    claimed,
    closed,
    connected,
    connection,
    found,
    intent,
    record,
    step,
)

REPLY, LATE = b"sealed reply \x00", b"sealed late reply \xff"


class IntendingContract(VaultFixtures):
    """The durable note, and the reply beside it."""

    async def test_an_intent_is_there_until_it_is_closed(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        assert dict((await found(vault, one)).intents) == {"main": note}
        await vault.change(step(one, claim=claim, intent=closed(note)))
        assert dict((await found(vault, one)).intents) == {}

    async def test_an_intent_needs_the_live_claim_and_the_records_version(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        for wrong in (0, 2):
            with pytest.raises(Fenced):
                await vault.intend(claim, intent(claim), wrong)
        with pytest.raises(Fenced):
            await vault.intend(replace(claim, fence=claim.fence + 1), intent(claim), 1)
        clock.advance(30)
        with pytest.raises(Fenced):
            await vault.intend(claim, intent(claim), 1)
        heir = await claimed(vault, one, "b")
        await vault.intend(heir, intent(heir), 1)
        assert dict((await found(vault, one)).intents) == {"main": intent(heir)}

    async def test_an_intent_may_come_before_its_record(self, vault: Vault) -> None:
        new = connection()
        await vault.add(new)
        claim = await vault.claim(new.id, "code", "a", 30)
        assert claim is not None
        with pytest.raises(Fenced):
            await vault.intend(claim, intent(claim), 1)
        await vault.intend(claim, intent(claim), 0)
        assert set((await found(vault, new)).intents) == {"code"}

    async def test_keep_inv_1_a_record_has_one_open_intent(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        asked = (vault.intend(claim, intent(claim, n), 1) for n in range(8))
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(answer is None for answer in told) == 1
        assert sum(isinstance(answer, Fenced) for answer in told) == 7
        note = (await found(vault, one)).intents["main"]
        with pytest.raises(Fenced):
            await vault.change(step(one, claim=claim, intent=intent(claim, 99)))
        await vault.change(step(one, claim=claim, intent=closed(note)))
        await vault.intend(claim, intent(claim, 50), 1)

    async def test_the_same_intent_asked_for_again_is_the_same(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.intend(claim, note, 1)
        await vault.change(step(one, claim=claim, intent=closed(note)))
        with pytest.raises(Taken):
            await vault.intend(claim, note, 1)

    async def test_a_reply_is_kept_with_its_intent(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.journal(note.id, REPLY, NOW + 3)
        answered = replace(note, step=Step.ANSWERED, reply=REPLY, answered_at=NOW + 3)
        assert (await found(vault, one)).intents["main"] == answered
        with pytest.raises(Missing):
            await vault.journal("int_nothing", REPLY, NOW)

    async def test_k_14_a_reply_that_comes_after_a_takeover_is_kept(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        late = await claimed(vault, one, "late", 5)
        note = intent(late)
        await vault.intend(late, note, 1)
        clock.advance(6)
        await claimed(vault, one, "heir")
        await vault.journal(note.id, LATE, NOW + 7)
        assert (await found(vault, one)).intents["main"].reply == LATE

    async def test_k_14_a_late_reply_and_that_of_a_replay_are_both_kept(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        late = await claimed(vault, one, "late", 5)
        note = intent(late)
        await vault.intend(late, note, 1)
        clock.advance(6)
        heir = await claimed(vault, one, "heir")
        await vault.change(step(one, claim=heir, intent=replace(note, replays=1, fence=heir.fence)))
        await vault.journal(note.id, REPLY, NOW + 7)
        await vault.journal(note.id, LATE, NOW + 8)
        stored = (await found(vault, one)).intents["main"]
        assert (stored.earlier, stored.reply, stored.answered_at, stored.replays) == ((REPLY,), LATE, NOW + 8, 1)

    @pytest.mark.parametrize("step_", [Step.OPEN, Step.CLOSED])
    async def test_k_14_an_heir_cannot_overwrite_a_reply_it_has_not_seen(
        self, vault: Vault, clock: FixedClock, step_: Step
    ) -> None:
        one = await connected(vault)
        late = await claimed(vault, one, "late", 5)
        note = intent(late)
        await vault.intend(late, note, 1)
        clock.advance(6)
        heir = await claimed(vault, one, "heir")
        unseen = (await found(vault, one)).intents["main"]
        await vault.journal(note.id, LATE, NOW + 7)
        with pytest.raises(Fenced):
            await vault.change(step(one, claim=heir, intent=replace(unseen, step=step_)))
        seen = (await found(vault, one)).intents["main"]
        assert (seen.reply, seen.step) == (LATE, Step.ANSWERED)
        await vault.change(step(one, claim=heir, intent=replace(seen, step=step_)))

    async def test_whoever_wrote_the_intent_closes_it_as_it_knew_it(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.journal(note.id, REPLY, NOW + 1)
        await vault.change(step(one, claim=claim, intent=closed(note)))
        assert await vault.open_intents() == []

    async def test_k_14_a_reply_to_a_closed_intent_opens_it_again_when_nothing_has_moved_on(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.change(step(one, claim=claim, intent=closed(note), release=True))
        await vault.journal(note.id, LATE, NOW + 50)
        ((tenant, again),) = await vault.open_intents()
        assert (tenant, again.step, again.reply) == (ACME, Step.ANSWERED, LATE)

    async def test_a_reply_to_a_closed_intent_stays_with_it_when_the_record_has_moved_on(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        note = intent(claim)
        await vault.intend(claim, note, 1)
        await vault.change(step(one, records=[record(one, 2)], claim=claim, intent=closed(note), release=True))
        await vault.journal(note.id, LATE, NOW + 50)
        assert await vault.open_intents() == []

    async def test_a_reply_to_a_closed_intent_does_not_disturb_the_next_one(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        await vault.intend(claim, intent(claim), 1)
        await vault.change(step(one, claim=claim, intent=closed(intent(claim))))
        await vault.intend(claim, intent(claim, 2), 1)
        await vault.journal(intent(claim).id, LATE, NOW + 50)
        assert dict((await found(vault, one)).intents) == {"main": intent(claim, 2)}

    async def test_open_intents_are_those_that_nobody_is_busy_with(self, vault: Vault, clock: FixedClock) -> None:
        notes = []
        for n, seconds in enumerate((30, 10, 30)):
            one = await connected(vault, n)
            claim = await claimed(vault, one, "a", seconds)
            notes.append(intent(claim))
            await vault.intend(claim, notes[n], 1)
            if n == 2:
                await vault.release(claim)
        assert await vault.open_intents() == [(ACME, notes[2])]
        clock.advance(10)
        assert await vault.open_intents() == [(ACME, notes[1]), (ACME, notes[2])]
        assert len(await vault.open_intents(limit=1)) == 1
        clock.advance(20)
        assert [one for _, one in await vault.open_intents()] == notes
