"""Claims: one holder at a time, fences that only rise, and a clock that is nobody's friend."""

import asyncio

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import MAIN, Claim
from evergrant.keeper.vault.port import Fenced, Missing, Vault
from evergrant.testing.vault_contract.fixtures import ACME, NOW, VaultFixtures, claimed, connected, connection, found


class ClaimingContract(VaultFixtures):
    """The right to spend."""

    async def test_a_claim_is_live_for_its_seconds_and_then_free(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        assert (claim.owner, claim.until) == ("a", NOW + 30)
        assert dict((await found(vault, one)).claims) == {MAIN: claim}
        clock.advance(29)
        assert await vault.claim(one.id, MAIN, "b", 30) is None
        clock.advance(1)
        assert dict((await found(vault, one)).claims) == {}
        heir = await claimed(vault, one, "b", 30)
        assert heir.fence > claim.fence

    async def test_a_claim_never_ends_before_its_seconds_are_over(self, vault: Vault) -> None:
        one = await connected(vault)
        assert (await claimed(vault, one, "a", 0.2)).until == NOW + 1

    async def test_keep_inv_1_of_many_that_claim_at_once_one_holds(self, vault: Vault) -> None:
        one = await connected(vault)
        for _ in range(5):
            told = await asyncio.gather(*(vault.claim(one.id, MAIN, f"w{n}", 30) for n in range(32)))
            held = [claim for claim in told if claim is not None]
            assert len(held) == 1
            await vault.release(held[0])

    async def test_records_of_one_connection_are_claimed_apart(self, vault: Vault) -> None:
        one = await connected(vault)
        assert await vault.claim(one.id, "bot", "a", 30)
        assert await vault.claim(one.id, "user", "b", 30)
        assert set((await found(vault, one)).claims) == {"bot", "user"}

    async def test_k_16_an_owner_that_asks_again_fences_its_former_self(self, vault: Vault) -> None:
        one = await connected(vault)
        first, second = await claimed(vault, one, "a"), await claimed(vault, one, "a")
        assert second.fence > first.fence
        with pytest.raises(Fenced):
            await vault.renew(first, 30)
        await vault.release(first)
        assert (await found(vault, one)).claims[MAIN] == second

    async def test_fences_rise_for_ever_also_when_a_connection_was_removed_and_added(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        fences = []
        for round_ in range(3):
            one = await connected(vault)
            for owner in "ab":
                fences.append((await claimed(vault, one, owner, 5)).fence)
                clock.advance(6)
            released = await claimed(vault, one, "c")
            await vault.release(released)
            fences.append(released.fence)
            assert fences == sorted(set(fences)), round_
            await vault.remove(ACME, one.id)

    async def test_a_claim_on_nothing_is_missing(self, vault: Vault) -> None:
        with pytest.raises(Missing):
            await vault.claim(connection().id, MAIN, "a", 30)

    async def test_a_claim_may_come_before_its_record(self, vault: Vault) -> None:
        new = connection()
        await vault.add(new)
        assert await vault.claim(new.id, "code", "a", 30) is not None

    async def test_a_claim_is_prolonged_and_its_end_never_moves_earlier(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        clock.advance(20)
        longer = await vault.renew(claim, 30)
        assert (longer.fence, longer.until) == (claim.fence, NOW + 50)
        assert (await vault.renew(longer, 1)).until == NOW + 50
        clock.advance(29)
        assert await vault.claim(one.id, MAIN, "b", 30) is None

    async def test_a_claim_that_ran_out_is_prolonged_unless_it_was_taken_or_released(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        clock.advance(60)
        assert (await vault.renew(claim, 30)).until == NOW + 90
        clock.advance(60)
        heir = await claimed(vault, one, "b", 30)
        with pytest.raises(Fenced):
            await vault.renew(claim, 30)
        await vault.release(heir)
        for gone in (claim, heir):
            with pytest.raises(Fenced):
                await vault.renew(gone, 30)

    async def test_releasing_what_is_not_ours_changes_nothing(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        old = await claimed(vault, one, "a", 5)
        clock.advance(6)
        heir = await claimed(vault, one, "b")
        for claim in (old, Claim(one.id, MAIN, "a", heir.fence, 0), Claim("con_nothing", MAIN, "a", 1, 0)):
            await vault.release(claim)
        assert (await found(vault, one)).claims[MAIN] == heir

    async def test_k_20_a_clock_set_back_keeps_a_claim_its_full_length_and_not_for_ever(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        one = await connected(vault)
        await claimed(vault, one, "a", 30)
        clock.set(NOW - 7_200)
        assert await vault.claim(one.id, MAIN, "b", 30) is None
        clock.advance(29)
        assert await vault.claim(one.id, MAIN, "b", 30) is None
        clock.advance(1)
        assert await vault.claim(one.id, MAIN, "b", 30) is not None

    async def test_k_20_a_holder_prolongs_across_a_clock_set_back(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        clock.set(NOW - 7_200)
        assert (await vault.renew(claim, 60)).until == NOW - 7_200 + 60
        clock.advance(59)
        assert await vault.claim(one.id, MAIN, "b", 30) is None

    async def test_k_20_a_clock_that_jumps_ahead_ends_a_claim_and_the_fence_still_holds(
        self, vault: Vault, clock: FixedClock
    ) -> None:
        one = await connected(vault)
        late = await claimed(vault, one, "a", 30)
        clock.set(NOW + 7_200)
        heir = await claimed(vault, one, "b", 30)
        clock.set(NOW)
        with pytest.raises(Fenced):
            await vault.renew(late, 30)
        assert (await found(vault, one)).claims[MAIN].fence == heir.fence
