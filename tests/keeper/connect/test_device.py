"""Connecting without a browser: a code to type elsewhere, polled as the provider asks (RFC 8628)."""

import asyncio
import json
from dataclasses import replace

import pytest

from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import BadRequest, CallbackRefused, TryLater
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent
from evergrant.keeper.service.connecting import Connecting
from tests.keeper.connect.scene import Health, Scene, stage


class Polled:
    """A transport that answers polls as a script says, and everything else for real."""

    def __init__(self, here: Scene, *script: object) -> None:
        self._real = here.ground.transport
        self._clock = here.clock
        self._script = list(script)
        self.polls = 0

    async def send(self, asked: Asked, deadline: float) -> Answer:
        if b"device_code" not in asked.body or not self._script:
            return await self._real.send(asked, deadline)
        self.polls += 1
        said = self._script.pop(0)
        if isinstance(said, Exception):
            raise said
        status, members = said if isinstance(said, tuple) else (400, {"error": said})
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        return Answer(status, {"content-type": "application/json"}, body, self._clock.now())

    async def close(self) -> None:
        return


def polled(here: Scene, *script: object) -> Connecting:
    return Connecting(replace(here.ground, transport=Polled(here, *script)))


async def test_a_device_is_connected_once_its_code_was_allowed_elsewhere():
    async with stage() as here:
        shown = []

        async def show(prompt):
            shown.append(prompt)
            assert here.chaos.decide_device(prompt.user_code)

        done = await here.services.device.connect("plain", "ada", show, scopes=["read"], tags={"kind": "tv"})
        connection = (await here.found(done.connection)).connection
        assert (connection.health, connection.subject, connection.tags) == (Health.ACTIVE, "ada", {"kind": "tv"})
        assert connection.granted_scope == ("read",)
        assert all(await here.tokens(connection))
        assert shown[0].verification_uri.startswith(here.chaos.url)
        assert here.waited == [shown[0].code.interval]


async def test_while_the_user_takes_their_time_it_is_polled_at_the_interval_and_slower_when_told():
    async with stage() as here:
        services = polled(here, "authorization_pending", "slow_down", "authorization_pending", "slow_down")
        prompt = await services.device.begin("plain", "ada")
        here.chaos.decide_device(prompt.user_code)
        await services.device.wait(prompt)
        first = prompt.code.interval
        assert here.waited == [first, first, first + 5, first + 5, first + 10]


@pytest.mark.parametrize(
    "trouble",
    [
        NotSent("no"),
        Lost("no"),
        (503, b"<html>"),
        (200, b"<html>portal"),
        (500, {}),
        (429, {"error": "slow_down"}),
        (502, b""),
    ],
)
async def test_trouble_on_the_way_slows_the_polling_and_never_ends_it(trouble):
    async with stage() as here:
        services = polled(here, trouble, trouble, "authorization_pending")
        prompt = await services.device.begin("plain", "ada")
        here.chaos.decide_device(prompt.user_code)
        assert (await services.device.wait(prompt)).connection.health is Health.ACTIVE
        assert here.waited[0] < here.waited[1] < here.waited[2] <= 60
        assert here.waited[2] == here.waited[3]


@pytest.mark.parametrize(("error", "code"), [("access_denied", "denied"), ("expired_token", "unknown_state")])
async def test_a_refusal_and_a_code_that_ran_out_are_told_apart(error, code):
    async with stage() as here:
        services = polled(here, "authorization_pending", error)
        prompt = await services.device.begin("plain", "ada")
        with pytest.raises(CallbackRefused) as trouble:
            await services.device.wait(prompt)
        assert trouble.value.code == code
        assert (await here.vault.look_up("", "plain", "ada")).connection.health is Health.PENDING_CONSENT


async def test_nobody_is_polled_for_ever():
    async with stage() as here:
        services = polled(here, *["authorization_pending"] * 1_000)
        prompt = await services.device.begin("plain", "ada")
        with pytest.raises(CallbackRefused, match="run out"):
            await services.device.wait(prompt)
        assert here.clock.now() >= prompt.expires_at


async def test_a_denied_device_changes_nothing_of_a_standing_connection():
    async with stage() as here:
        connection: Connection = (await here.connect()).connection
        prompt = await here.services.device.begin("plain", "ada")
        here.chaos.decide_device(prompt.user_code, allow=False)
        with pytest.raises(CallbackRefused) as trouble:
            await here.services.device.wait(prompt)
        assert trouble.value.code == "denied"
        assert (await here.found(connection)).connection == connection


async def test_k_25_a_device_that_somebody_else_allowed_is_refused():
    async with stage() as here:
        connection = (await here.connect()).connection
        prompt = await here.services.device.begin("plain", "ada")
        here.chaos.decide_device(prompt.user_code, user="mallory")
        with pytest.raises(CallbackRefused) as trouble:
            await here.services.device.wait(prompt)
        assert trouble.value.code == "account_changed"
        assert (await here.found(connection)).connection == connection


async def test_a_provider_without_devices_and_one_that_is_silent_say_so_at_once():
    async with stage(facts={"device_url": ""}) as here:
        with pytest.raises(BadRequest, match="no device authorization"):
            await here.services.device.begin("plain", "ada")
    async with stage() as here:
        await here.chaos.stop()
        with pytest.raises(TryLater):
            await here.services.device.begin("plain", "ada")


async def test_k_23_neither_device_code_nor_tokens_are_in_what_is_shown_or_kept():
    async with stage() as here:
        prompt = await here.services.device.begin("plain", "ada")
        code = prompt.code.device_code.reveal()
        assert code not in repr(prompt)
        assert code not in repr(vars(here.vault))


async def test_waiting_can_be_given_up():
    async with stage() as here:
        prompt = await here.services.device.begin("plain", "ada")
        task = asyncio.create_task(here.services.device.wait(prompt))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
