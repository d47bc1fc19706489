"""A vault that does not read or write at the worst moment: nothing is spent blindly, and no reply is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import NeedsReauth, VaultTrouble
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.model import ReuseEffect
from evergrant.keeper.vault.port import Change
from evergrant.testing.chaos import PLAIN
from tests.keeper.cable import Cable
from tests.keeper.living import Life, living


@asynccontextmanager
async def troubled(
    *provider: Any,
    failing: str = "",
    untold: str = "",
    expires_in: int = 1,
    clock: FixedClock | None = None,
    **how: Any,
) -> AsyncIterator[tuple[Life, Cable, Keeper]]:
    """A provider, a cable to the vault and a keeper behind it, with a token that has all but ended.

    The verb *failing* fails once; the verb *untold* is done once and told to have failed.
    """
    async with living(*provider, clock=clock) as life:
        await life.connect(expires_in=expires_in)
        cable = Cable(life.vault)
        cable.failing, cable.untold = {failing: 1}, {untold: 1}
        yield life, cable, life.another(vault=cable, **how)


async def refused(lease: Callable[..., Any], kind: type[Exception] = VaultTrouble) -> None:
    """Ask for the token, in vain."""
    with pytest.raises(kind):
        await lease("here", "user-42")


async def test_nothing_is_sent_when_the_intent_cannot_be_written() -> None:
    async with troubled(failing="intend") as (life, _, keeper):
        await refused(keeper.lease)
        assert not life.chaos.ledger.refreshes
        assert (await keeper.lease("here", "user-42")).version == 2


# Where a spent token that is sent again ends everything, a doubt is a grant given up.
HARMFUL = replace(PLAIN, reuse_effect=ReuseEffect.CLIENT_USER_REVOKED)


async def test_keep_inv_2_an_intent_written_though_the_vault_did_not_say_so_is_no_doubt_to_its_author() -> None:
    async with troubled(HARMFUL, "client_user_kill", untold="intend") as (life, _, keeper):
        await refused(keeper.lease)
        assert set((await life.vault.load("", "con_user-42")).intents) == {"main"}
        assert not life.chaos.ledger.refreshes
        assert (await keeper.lease("here", "user-42")).version == 2
        assert (life.chaos.ledger.rotations, life.chaos.ledger.killed) == (1, [])


async def test_keep_inv_1_such_an_intent_is_a_doubt_once_anybody_else_has_touched_it() -> None:
    async with troubled(HARMFUL, "client_user_kill", untold="intend") as (life, _, keeper):
        await refused(keeper.lease)
        for another in (life.another(), keeper):
            await refused(another.lease, NeedsReauth)
        assert not life.chaos.ledger.refreshes


@pytest.mark.parametrize("verb", ["journal", "change", "load"])
@pytest.mark.parametrize("times", [1, 7])
async def test_a_reply_is_kept_in_memory_until_the_vault_writes_again(verb: str, times: int) -> None:
    clock = FixedClock()
    slept: list[float] = []

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    async with troubled(PLAIN, "strict_one_shot", clock=clock, pause=pause) as (life, cable, keeper):
        # The trouble begins when the answer is there.
        cable.before = lambda called: cable.failing.update({verb: times}) if called == "journal" and not slept else None
        lease = await keeper.lease("here", "user-42")
        assert lease.version == 2
        assert len(slept) >= times
        assert max(slept) <= 5
        assert life.chaos.ledger.rotations == 1
        assert not life.chaos.ledger.second_spends


async def test_while_the_vault_is_down_a_fresh_token_is_served_from_memory() -> None:
    async with troubled(expires_in=0) as (_, cable, keeper):
        lease = await keeper.lease("here", "user-42")
        cable.dead = True
        assert await keeper.lease("here", "user-42") is lease
        with pytest.raises(VaultTrouble):
            await keeper.lease("here", "nobody")


async def test_a_vault_that_fails_before_the_claim_costs_nothing() -> None:
    async with troubled(failing="claim") as (life, _, keeper):
        await refused(keeper.lease)
        found = await life.vault.load("", "con_user-42")
        assert found.connection.health is Health.ACTIVE
        assert not life.chaos.ledger.refreshes


async def test_a_commit_that_another_change_has_overtaken_is_written_on_top_of_it() -> None:
    async with troubled() as (life, _, keeper):
        done: list[int] = []

        async def meddle() -> None:
            found = await life.vault.load("", "con_user-42")
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
