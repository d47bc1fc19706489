"""A process that dies while an account is being connected: at every verb of the vault, before and after it."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from evergrant.keeper.connection import Step
from evergrant.keeper.errors import CallbackRefused, VaultTrouble
from evergrant.keeper.event import What
from evergrant.keeper.exchange import Answer, Asked, Lost
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.sealing import Sealer
from evergrant.keeper.service.connecting import Connecting
from evergrant.keeper.service.landing import NAME
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keys.local import LocalKek
from tests.keeper.connect.scene import Health, Scene, stage

pytestmark = pytest.mark.long

VERBS = ("take_callback", "claim", "load", "intend", "journal", "change", "release")


TROUBLE = (
    "unavailable", "server_error", "lost_reply", "reset_after", "truncated_json", "captive_portal", "no_content",
    "duplicate_keys", "cut_reply", "not_an_object", "too_many_requests", "redirect", "invalid_client",
)  # fmt: skip


class Died(BaseException):
    """What a crash looks like from inside: nobody catches it."""


class Dying:
    """A vault whose process dies at the *count*th call of *verb*, before or after it was done."""

    def __init__(self, vault: Any, verb: str, count: int, *, after: bool) -> None:
        self._vault, self._verb, self._left, self._after = vault, verb, count, after

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._vault, name)
        if name != self._verb:
            return verb

        async def dying(*given: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Died
            found = await verb(*given, **more)
            if self._left == 0:
                raise Died
            return found

        return dying


class Failing(Dying):
    """A vault that does not answer the first *count* calls of *verb*."""

    def __init__(self, vault: Any, verb: str, count: int) -> None:
        super().__init__(vault, verb, count, after=False)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._vault, name)
        if name != self._verb:
            return verb

        async def failing(*given: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left >= 0:
                raise VaultUnavailable("no")
            return await verb(*given, **more)

        return failing


def with_vault(here: Scene, vault: Any) -> Connecting:
    return Connecting(replace(here.ground, vault=vault))


async def crashed(here: Scene, verb: str, count: int, *, after: bool) -> bool:
    """Connect until the crash; whether there was one."""
    link = await here.services.connect.begin("plain", "ada")
    callback = await here.browser(link.url)
    try:
        await with_vault(here, Dying(here.vault, verb, count, after=after)).connect.finish(callback, "ada")
    except Died:
        return True
    return False


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_keep_inv_2_a_grant_that_was_journalled_is_never_lost_and_no_code_is_sent_twice(verb, after):
    for count in range(1, 9):
        async with stage() as here:
            if not await crashed(here, verb, count, after=after):
                return
            here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
            connection = (await here.vault.look_up("", "plain", "ada")).connection
            granted = len(here.chaos.ledger.granted)
            intent = (await here.found(connection)).intents.get(NAME)
            journalled = intent is not None and intent.step is Step.ANSWERED
            stood = connection.health is Health.ACTIVE
            await here.services.landing.recover("", connection.id)
            found = await here.found(connection)
            assert (found.connection.health is Health.ACTIVE) == (stood or journalled)
            assert found.intents == {}
            assert len(here.chaos.ledger.granted) == granted <= 1, "recovery asks the provider nothing"
            done = await here.connect()
            assert done.connection.id == connection.id
            assert done.connection.health is Health.ACTIVE


@pytest.mark.parametrize("verb", ["claim", "intend", "journal", "change"])
async def test_keep_inv_2_the_same_holds_for_a_vault_in_a_file(verb, tmp_path):
    async with stage(vault=partial(SqliteVault.open, tmp_path / "keeper.db")) as here:
        assert await crashed(here, verb, 1, after=True)
        connection = (await here.vault.look_up("", "plain", "ada")).connection
        here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
        await here.services.landing.recover("", connection.id)
        found = await here.found(connection)
        assert (found.connection.health is Health.ACTIVE) == (verb in {"journal", "change"})
        assert found.intents == {}
        assert (await here.connect()).connection.id == connection.id
        await here.vault.close()


async def test_a_vault_in_trouble_after_the_exchange_is_waited_for_and_the_grant_is_kept():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        services = with_vault(here, Failing(here.vault, "journal", 5))
        assert (await services.connect.finish(callback, "ada")).connection.health is Health.ACTIVE


async def test_a_vault_in_trouble_is_a_typed_reason_and_what_was_journalled_is_committed_later():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        with pytest.raises(VaultTrouble):
            await with_vault(here, Failing(here.vault, "change", 1)).connect.finish(callback, "ada")
        assert await here.services.landing.recover("", link.connection_id)
        assert (await here.vault.look_up("", "plain", "ada")).connection.health is Health.ACTIVE


async def test_a_reply_that_was_journalled_is_committed_by_whoever_connects_next_or_recovers_first():
    async with stage() as here:
        assert await crashed(here, "change", 1, after=False)
        here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
        connection = (await here.vault.look_up("", "plain", "ada")).connection
        (tenant, intent), *_ = await here.vault.open_intents()
        assert (tenant, intent.name, intent.step) == ("", NAME, Step.ANSWERED)
        assert await here.services.landing.recover("", connection.id)
        assert not await here.services.landing.recover("", connection.id), "once"
        access, refresh = await here.tokens(connection)
        assert access
        assert refresh
        assert (await here.told())[-1] is What.CONNECTED


async def test_keep_inv_3_a_provider_in_trouble_during_the_exchange_leaves_the_old_grant_as_it_was():
    for mode in TROUBLE:
        async with stage() as here:
            connection = (await here.connect()).connection
            tokens = await here.tokens(connection)
            here.chaos.set(f"{mode}:on=exchange")
            with pytest.raises(CallbackRefused) as refused:
                await here.connect()
            assert refused.value.code == "exchange_failed", mode
            found = await here.found(connection)
            assert found.connection == connection, mode
            assert (await here.tokens(connection), found.intents) == (tokens, {}), mode
            assert here.chaos.ledger.astray == 0
            here.chaos.clear()
            assert (await here.connect()).reconnected


async def test_a_code_that_did_not_reach_the_provider_is_sent_again_and_one_that_may_have_is_not():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        await here.chaos.stop()
        with pytest.raises(CallbackRefused, match="could not be reached"):
            await here.services.connect.finish(callback, "ada")
        assert len(here.waited) == 2, "three tries in all"


async def test_two_finishes_at_once_wait_for_each_other():
    """Two tabs, both sent away, both back."""
    async with stage() as here:
        links = [await here.services.connect.begin("plain", "ada") for _ in range(2)]
        callbacks = [await here.browser(link.url) for link in links]
        done = await asyncio.gather(*(here.services.connect.finish(one, "ada") for one in callbacks))
        assert {one.connection.id for one in done} == {links[0].connection_id}
        assert (await here.found(done[0].connection)).connection.version == 2


async def test_many_users_finishing_at_once_each_get_their_own_account():
    """simple-oauth2 88: tokens handed to the wrong user, because one object served all."""
    async with stage() as here:
        names = [f"user-{number}" for number in range(20)]
        links = [await here.services.connect.begin("plain", name) for name in names]
        callbacks = [await here.browser(link.url, login_hint=name) for link, name in zip(links, names, strict=True)]
        finished = [here.services.connect.finish(one, name) for one, name in zip(callbacks, names, strict=True)]
        done = await asyncio.gather(*finished)
        assert [one.connection.subject for one in done] == names
        assert [one.connection.account for one in done] == names
        tokens = [await here.tokens(one.connection) for one in done]
        assert len({token for pair in tokens for token in pair}) == 40


async def test_k_22_disconnecting_shreds_a_reply_that_was_journalled_and_never_committed():
    async with stage() as here:
        assert await crashed(here, "change", 1, after=False)
        here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
        assert [intent.reply != b"" for intent, _ in here.vault._intents.values()] == [True]
        after = await here.services.disconnect.disconnect("plain", "ada")
        assert after.health is Health.REVOKED
        assert [(intent.step, intent.reply) for intent, _ in here.vault._intents.values()] == [(Step.CLOSED, b"")]


async def test_whoever_connects_next_commits_first_what_a_crash_left():
    async with stage() as here:
        assert await crashed(here, "change", 1, after=False)
        here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
        assert (await here.connect()).reconnected
        told = [what for what in await here.told() if what is not What.BEGUN]
        assert told == [What.CONNECTED, What.RECONNECTED]


class Losing:
    """A transport whose answers to token requests never arrive."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.sent = 0

    async def send(self, asked: Asked, deadline: float) -> Answer:
        if not asked.url.endswith("/token"):
            return await self._real.send(asked, deadline)
        self.sent += 1
        await self._real.send(asked, deadline)
        raise Lost("no answer")


async def test_a_code_that_may_have_been_spent_is_never_sent_again():
    async with stage() as here:
        losing = Losing(here.ground.transport)
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        with pytest.raises(CallbackRefused):
            await Connecting(replace(here.ground, transport=losing)).connect.finish(callback, "ada")
        assert losing.sent == 1
        assert not await here.services.landing.recover("", link.connection_id)
        assert losing.sent == 1


async def test_a_browser_that_closes_during_the_exchange_costs_no_grant():
    async with stage("held_reply:on=exchange") as here:
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        task = asyncio.create_task(here.services.connect.finish(callback, "ada"))
        for _ in range(10_000):
            if here.chaos.ledger.granted:
                break
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        here.chaos.release()
        await here.services.landing.rest(10)
        found = await here.services.finding.named("plain", "ada")
        assert found.connection.health is Health.ACTIVE
        assert all(await here.tokens(found.connection))


async def test_a_reply_under_a_key_that_is_missing_for_now_waits_for_it():
    async with stage() as here:
        assert await crashed(here, "change", 1, after=False)
        here.clock.advance(int(here.ground.settings.claim_seconds) + 2)
        connection = (await here.vault.look_up("", "plain", "ada")).connection
        other = replace(here.ground, sealer=Sealer(Keyring([LocalKek(b"x" * 32)]), here.ground.entropy))
        assert not await Connecting(other).landing.recover("", connection.id)
        assert await here.services.landing.recover("", connection.id)
        assert all(await here.tokens(connection))
