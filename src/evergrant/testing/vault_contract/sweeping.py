"""Sweeping: what is over goes, a little at a time; what may still be needed stays."""

from dataclasses import replace

from evergrant.keeper.connection import MAIN, Health
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import Missing, Vault
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
    pending,
    record,
    step,
)

FOR_EVER = 10**9


class SweepingContract(VaultFixtures):
    """Housekeeping in bounded steps."""

    async def test_closed_intents_go_an_hour_after_their_deadline(self, vault: Vault) -> None:
        one = await connected(vault)
        claim = await claimed(vault, one)
        await vault.intend(claim, intent(claim), 1)
        assert await vault.sweep(NOW + 90_000, keep_events=FOR_EVER) == 1, "the previous token alone"
        assert set((await found(vault, one)).intents) == {MAIN}
        await vault.change(step(one, claim=claim, intent=closed(intent(claim))))
        late = intent(claim).deadline + 3_600
        assert await vault.sweep(late, keep_events=FOR_EVER) == 0
        await vault.journal(intent(claim).id, b"late", NOW)
        two = (await found(vault, one)).connection
        await vault.change(step(two, intent=closed((await found(vault, one)).intents[MAIN])))
        assert await vault.sweep(late + 1, keep_events=FOR_EVER) == 1
        try:
            await vault.journal(intent(claim).id, b"later", NOW)
        except Missing:
            return
        raise AssertionError("a swept intent took a reply")

    async def test_expired_authorizations_go(self, vault: Vault) -> None:
        for n in range(3):
            await vault.await_callback(pending(n, until=NOW + n))
        assert await vault.sweep(NOW + 1, keep_events=FOR_EVER) == 2
        assert await vault.take_callback(pending(2).state_digest, NOW) == pending(2, until=NOW + 2)

    async def test_a_connection_that_nobody_came_back_for_goes_after_a_day(self, vault: Vault) -> None:
        begun = connection(version=0, health=Health.PENDING_CONSENT, created_at=NOW)
        await vault.add(begun)
        await vault.await_callback(replace(pending(1, until=NOW + 900), connection_id=begun.id))
        assert await vault.sweep(NOW + 86_401, keep_events=FOR_EVER) == 2, "the callback and what waited for it"
        assert await vault.load(begun.tenant, begun.id) is None

    async def test_a_connection_that_was_begun_today_stays(self, vault: Vault) -> None:
        begun = connection(version=0, health=Health.PENDING_CONSENT, created_at=NOW)
        await vault.add(begun)
        assert await vault.sweep(NOW + 86_400, keep_events=FOR_EVER) == 0
        assert await vault.load(begun.tenant, begun.id) is not None

    async def test_a_connection_that_stands_is_never_swept(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.sweep(NOW + FOR_EVER, keep_events=10 * FOR_EVER)
        assert (await found(vault, one)).connection == one

    async def test_previous_tokens_go_when_their_window_is_over(self, vault: Vault) -> None:
        one = await connected(vault)
        assert await vault.sweep(record(one).previous_until, keep_events=FOR_EVER) == 0
        assert await vault.sweep(record(one).previous_until + 1, keep_events=FOR_EVER) == 1
        there = await found(vault, one)
        assert there.records[MAIN] == replace(record(one), previous=b"", previous_until=0)
        assert there.connection == one
        assert await vault.sweep(NOW + 9_999, keep_events=FOR_EVER) == 0

    async def test_a_previous_token_without_a_known_window_stays(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.change(step(one, records=[record(one, 2, previous_until=0)]))
        assert await vault.sweep(NOW + FOR_EVER, keep_events=10 * FOR_EVER) == 0

    async def test_old_events_go_and_the_chain_of_the_others_still_holds(self, vault: Vault) -> None:
        await vault.note([event(n) for n in range(1, 11)])
        assert await vault.sweep(NOW + 104, keep_events=100) == 3
        left = await vault.events()
        assert [stored.number for stored in left] == list(range(4, 11))
        ends = await vault.trail_ends()
        assert (ends.swept, ends.last, ends.last_chain) == (3, 10, left[-1].chain)
        assert await verify(vault) == 0
        assert await vault.sweep(NOW + 1_000, keep_events=100) == 7
        assert await vault.events() == []
        assert await verify(vault) == 0
        await vault.note([event(11)])
        assert [stored.number for stored in await vault.events()] == [11]
        assert await verify(vault) == 0

    async def test_a_step_drops_no_more_than_it_was_told(self, vault: Vault) -> None:
        await vault.note([event(n) for n in range(10)])
        for n in range(5):
            await vault.await_callback(pending(n))
        steps = []
        while dropped := await vault.sweep(NOW + 9_000, keep_events=0, limit=4):
            steps.append(dropped)
        assert steps == [4, 4, 4, 3]
