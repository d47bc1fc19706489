"""What outlives the process: everything that was acknowledged."""

import asyncio

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import MAIN
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import Vault, VaultUnavailable, Wanted
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    Opener,
    VaultFixtures,
    claimed,
    connected,
    connection,
    event,
    found,
    intent,
    letter,
    pending,
    step,
)


class DurableContract(VaultFixtures):
    """Opened again, it is the same vault."""

    async def test_everything_is_there_when_the_vault_is_opened_again(self, opener: Opener, clock: FixedClock) -> None:
        vault = opener(clock)
        one = await connected(vault)
        claim = await claimed(vault, one, "a", 30)
        await vault.intend(claim, intent(claim), 1)
        await vault.journal(intent(claim).id, b"reply", NOW)
        two = step(one, events=[event()], letters=[letter()])
        await vault.change(two)
        await vault.await_callback(pending())
        await vault.keep_once("name", b"kept")
        before = await found(vault, one)
        await vault.close()
        vault = opener(clock)
        try:
            assert await found(vault, one) == before
            assert before.claims[MAIN] == claim
            assert await vault.letters(NOW + 9) == [letter()]
            assert [stored.event for stored in await vault.events()] == [event()]
            assert await verify(vault) == 0
            assert await vault.keep_once("name", b"other") == b"kept"
            assert await vault.take_callback(pending().state_digest, NOW) == pending()
            clock.advance(31)
            assert (await claimed(vault, one, "b")).fence > claim.fence
        finally:
            await vault.close()

    async def test_what_was_asked_before_closing_is_done(self, opener: Opener) -> None:
        vault = opener()
        asked = [asyncio.ensure_future(vault.add(connection(n))) for n in range(20)]
        await asyncio.sleep(0)
        await vault.close()
        told = await asyncio.gather(*asked, return_exceptions=True)
        vault = opener()
        try:
            kept = {one.id for one in await vault.search(Wanted(ACME))}
        finally:
            await vault.close()
        assert kept == {connection(n).id for n, answer in enumerate(told) if answer is None}
        assert kept

    async def test_a_closed_vault_says_so_and_may_be_closed_again(self, opener: Opener) -> None:
        vault: Vault = opener()
        await vault.close()
        await vault.close()
        with pytest.raises(VaultUnavailable):
            await vault.load(ACME, "con")
        with pytest.raises(VaultUnavailable):
            await vault.add(connection())
        with pytest.raises(VaultUnavailable):
            vault.stamp()
