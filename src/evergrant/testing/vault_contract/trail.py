"""The audit trail: numbered without gaps, chained, and told page by page."""

import asyncio
from dataclasses import replace

from evergrant.keeper.event import Stored
from evergrant.keeper.vault.chain import first_broken, verify
from evergrant.keeper.vault.port import TrailEnds, Vault
from evergrant.testing.vault_contract.fixtures import VaultFixtures, event


class TrailContract(VaultFixtures):
    """What happened, in order."""

    async def test_events_are_numbered_from_one_and_told_as_they_were(self, vault: Vault) -> None:
        assert await vault.trail_ends() == TrailEnds()
        assert await verify(vault) == 0
        await vault.note([event(1), event(2)])
        await vault.note([])
        await vault.note([event(3)])
        told = await vault.events()
        assert [(stored.number, stored.event) for stored in told] == [(n, event(n)) for n in (1, 2, 3)]
        assert len({stored.chain for stored in told}) == 3
        assert await verify(vault) == 0

    async def test_events_are_told_page_by_page(self, vault: Vault) -> None:
        await vault.note([event(n) for n in range(1, 8)])
        pages, after = [], 0
        while page := await vault.events(after=after, limit=3):
            pages.append([stored.number for stored in page])
            after = page[-1].number
        assert pages == [[1, 2, 3], [4, 5, 6], [7]]
        assert await verify(vault, page=3) == 0

    async def test_many_writers_make_one_chain(self, vault: Vault) -> None:
        await asyncio.gather(*(vault.note([event(2 * n), event(2 * n + 1)]) for n in range(40)))
        told = await vault.events(limit=1_000)
        assert [stored.number for stored in told] == list(range(1, 81))
        assert first_broken(told) == 0
        assert await verify(vault, page=7) == 0

    async def test_a_change_anywhere_breaks_the_chain_there(self, vault: Vault) -> None:
        await vault.note([event(n) for n in range(1, 8)])
        told = await vault.events()
        for place, stored in enumerate(told):
            other = replace(stored.event, detail="another line")
            changed = [*told[:place], Stored(stored.number, other, stored.chain), *told[place + 1 :]]
            assert first_broken(changed) == stored.number
            if place + 1 < len(told):
                assert first_broken([*told[:place], *told[place + 1 :]]) == stored.number
                swapped = [*told[:place], told[place + 1], stored, *told[place + 2 :]]
                assert first_broken(swapped) == stored.number
        assert first_broken(told[2:], told[1].number, told[1].chain) == 0
        assert first_broken(told[2:], told[1].number, told[0].chain) == told[2].number

    async def test_a_trail_that_is_verified_while_it_grows_and_is_swept_holds(self, vault: Vault) -> None:
        async def write() -> None:
            for n in range(30):
                await vault.note([event(n)])
                if n % 5 == 4:
                    await vault.sweep(event(n).at, keep_events=3, limit=4)

        writing = asyncio.create_task(write())
        looked = 0
        while not writing.done():
            assert await verify(vault, page=2) == 0
            looked += 1
            await asyncio.sleep(0)
        await writing
        assert await verify(vault) == 0
        assert looked
