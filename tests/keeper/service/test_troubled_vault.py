"""A vault that does not read or write at the worst moment: nothing is spent blindly, and no reply is lost."""

from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import NeedsReauth, VaultTrouble
from evergrant.keeper.provider.model import ReuseEffect
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable
from tests.keeper.living import living


async def test_nothing_is_sent_when_the_intent_cannot_be_written() -> None:
    async with living() as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        cable.failing["intend"] = 1
        keeper = life.another(vault=cable)
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "user-42")
        assert not life.chaos.ledger.refreshes
        assert (await keeper.lease("here", "user-42")).version == 2


# Where a spent token that is sent again ends everything, a doubt is a grant given up.
HARMFUL = replace(PLAIN, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED)


async def test_keep_inv_2_an_intent_written_though_the_vault_did_not_say_so_is_no_doubt_to_its_author() -> None:
    async with living(HARMFUL, "client_user_kill") as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        cable.untold["intend"] = 1
        keeper = life.another(vault=cable)
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "user-42")
        assert set((await life.vault.load("", "con_user-42")).intents) == {"main"}
        assert not life.chaos.ledger.refreshes
        assert (await keeper.lease("here", "user-42")).version == 2
        assert (life.chaos.ledger.rotations, life.chaos.ledger.killed) == (1, [])


async def test_keep_inv_1_such_an_intent_is_a_doubt_once_anybody_else_has_touched_it() -> None:
    async with living(HARMFUL, "client_user_kill") as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        cable.untold["intend"] = 1
        keeper = life.another(vault=cable)
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "user-42")
        with pytest.raises(NeedsReauth):
            await life.another().lease("here", "user-42")
        with pytest.raises(NeedsReauth):
            await keeper.lease("here", "user-42")
        assert not life.chaos.ledger.refreshes


@pytest.mark.parametrize("verb", ["journal", "change", "load"])
@pytest.mark.parametrize("times", [1, 7])
async def test_a_reply_is_kept_in_memory_until_the_vault_writes_again(verb: str, times: int) -> None:
    clock = FixedClock()
    slept: list[float] = []

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    async with living(PLAIN, "strict_one_shot", clock=clock) as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        keeper = life.another(vault=cable, pause=pause)
        # The trouble begins when the answer is there.
        cable.before = lambda called: cable.failing.update({verb: times}) if called == "journal" and not slept else None
        lease = await keeper.lease("here", "user-42")
        assert lease.version == 2
        assert len(slept) >= times
        assert max(slept) <= 5
        assert life.chaos.ledger.rotations == 1
        assert not life.chaos.ledger.second_spends


async def test_while_the_vault_is_down_a_fresh_token_is_served_from_memory() -> None:
    async with living() as life:
        await life.connect()
        cable = Cable(life.vault)
        keeper = life.another(vault=cable)
        lease = await keeper.lease("here", "user-42")
        cable.dead = True
        assert await keeper.lease("here", "user-42") is lease
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "nobody")


async def test_a_vault_that_fails_before_the_claim_costs_nothing() -> None:
    async with living() as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        cable.failing["claim"] = 1
        keeper = life.another(vault=cable)
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "user-42")
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE
        assert not life.chaos.ledger.refreshes


async def test_a_commit_that_another_change_has_overtaken_is_written_on_top_of_it() -> None:
    async with living() as life:
        await life.connect(expires_in=1)
        cable = Cable(life.vault)
        keeper = life.another(vault=cable)
        done: list[int] = []

        async def meddle() -> None:
            found = await life.vault.load("", "con_user-42")
            from evergrant.keeper.vault.port import Change

            after = replace(found.connection, version=found.connection.version + 1, tags={"seen": "yes"})
            await life.vault.change(Change(after, expected=found.connection.version))

        original = life.vault.change

        async def change(one: object) -> None:
            if not done:
                done.append(1)
                life.vault.change = original  # type: ignore[method-assign]
                await meddle()
            await original(one)

        life.vault.change = change  # type: ignore[method-assign, assignment]
        lease = await keeper.lease("here", "user-42")
        found = await life.vault.load("", "con_user-42")
        assert lease.version == 2
        assert found.connection.tags == {"seen": "yes"}
        assert found.records["main"].version == 2
        assert life.chaos.ledger.rotations == 1
