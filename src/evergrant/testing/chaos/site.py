"""One request from its arrival to its answer: which endpoint it is for, and what goes wrong on the way."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Final

from evergrant.testing.chaos import addresses
from evergrant.testing.chaos.behaviour import Behaviour
from evergrant.testing.chaos.endpoints import token as tokens
from evergrant.testing.chaos.endpoints.api import called, discovery, introspect, jwks
from evergrant.testing.chaos.endpoints.authorize import authorize
from evergrant.testing.chaos.endpoints.control import CONTROL, control
from evergrant.testing.chaos.endpoints.device import PAGE, device, device_page
from evergrant.testing.chaos.endpoints.revoke import revoke
from evergrant.testing.chaos.mode import Occasion
from evergrant.testing.chaos.replies import error
from evergrant.testing.chaos.spending import Outcome
from evergrant.testing.chaos.state import State
from evergrant.testing.chaos.wire import Answer, Ending, Request

Answering = Callable[[State, Request], Answer]

_ENDPOINTS: Final[Mapping[str, tuple[Occasion, Answering]]] = {
    addresses.AUTHORIZE: (Occasion.AUTHORIZE, authorize),
    addresses.DEVICE: (Occasion.DEVICE, device),
    PAGE: (Occasion.AUTHORIZE, device_page),
    addresses.REVOKE: (Occasion.REVOKE, revoke),
    addresses.INTROSPECT: (Occasion.INTROSPECT, introspect),
    addresses.USERINFO: (Occasion.API, called),
    addresses.API: (Occasion.API, called),
    addresses.JWKS: (Occasion.DISCOVERY, lambda state, _: jwks(state)),
    addresses.DISCOVERY: (Occasion.DISCOVERY, lambda state, _: discovery(state)),
}
_GRANTS: Final = {
    tokens.CODE: Occasion.EXCHANGE,
    tokens.REFRESH: Occasion.REFRESH,
    tokens.DEVICE: Occasion.DEVICE,
}


class Site:
    """The server behind the listener."""

    def __init__(self, state: State) -> None:
        """Answer for *state*."""
        self._state = state

    def accepts(self) -> bool:
        """Whether a new connection is read at all."""
        behaviour, _ = self._state.modes.changed(self._state.base, Occasion.CONNECTION)
        return not behaviour.refuses_connections

    async def handle(self, request: Request) -> Answer:
        """Answer one request, and write down what is to be known of it."""
        state = self._state
        if request.path.startswith(CONTROL + "/"):
            return self._dated(control(state, request), 0)
        if request.path in {addresses.TOKEN, addresses.REFRESH}:
            return await self._token(request)
        occasion, answering = _endpoint(request.path)
        if answering is _nothing and (b"refresh_token" in request.body or b"client_secret" in request.body):
            state.ledger.astray += 1
        behaviour, _ = state.modes.changed(state.base, occasion)
        return await self._around(behaviour, lambda: behaviour.instead or answering(state, request))

    async def _token(self, request: Request) -> Answer:
        state = self._state
        params = state.params(request)
        usual = tokens.REFRESH if request.path == addresses.REFRESH else ""
        occasion = _GRANTS.get(params.get("grant_type", usual), Occasion.EXCHANGE)
        behaviour, modes = state.modes.changed(state.base, occasion)
        if occasion is not Occasion.REFRESH:
            return await self._around(
                behaviour, lambda: behaviour.instead or tokens.token(state, request, behaviour, modes)
            )
        value = params.get("refresh_token", "")

        def answering() -> Answer:
            if behaviour.instead is not None:
                tokens.note(state, params, Outcome.UNREACHED, modes)
                return behaviour.instead
            return tokens.token(state, request, behaviour, modes)

        state.ledger.begins(value)
        try:
            return await self._around(behaviour, answering)
        finally:
            state.ledger.ends(value)

    async def _around(self, behaviour: Behaviour, answering: Callable[[], Answer]) -> Answer:
        """What happens before and after an answer is made."""
        if behaviour.wait_before:
            await asyncio.sleep(behaviour.wait_before)
        answer = answering()
        for change in behaviour.then:
            answer = change(answer)
        if behaviour.wait_after:
            await asyncio.sleep(behaviour.wait_after)
        if behaviour.held:
            await self._state.released.wait()
        return self._dated(answer, behaviour.skew)

    def _dated(self, answer: Answer, skew: int) -> Answer:
        if answer.ending in {Ending.CLOSED, Ending.RESET}:
            return answer
        date = formatdate(self._state.clock.now() + skew, usegmt=True)
        return replace(answer, headers=(("date", date), *answer.headers))


def _endpoint(path: str) -> tuple[Occasion, Answering]:
    found = _ENDPOINTS.get(path)
    if found is None and path.startswith((addresses.API + "/", addresses.REVOKE + "/")):
        found = _ENDPOINTS["/" + path.split("/")[1]]
    return found or (Occasion.API, _nothing)


def _nothing(_: State, __: Request) -> Answer:
    return error("not_found", "There is nothing at this address.", status=404)
