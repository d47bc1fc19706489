"""grant_type=refresh_token (RFC 6749 section 6). Parameters foreign to it have no influence (attack RT-20).

One family gets only so many places in the queue, so that a flood of it leaves the others theirs (attack A-08). Whoever
finds none may come again: nothing was spent. An honest client needs as many as it has copies racing each other.
"""

from collections.abc import Callable
from typing import Any, Final

from evergrant.domain.client import REFRESH_TOKEN, Client
from evergrant.issuer.service.refresh import RefreshAsk, Refresher
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.ask import Ask

MOST_AT_ONCE: Final = 128
# The prefix, the key's version and the family's identifier: the same in every token of one family.
_FAMILY: Final = slice(26)


class RefreshTokenGrant:
    """The refresh grant."""

    name: Final = REFRESH_TOKEN

    def __init__(self, refresher: Refresher) -> None:
        self._refresher = refresher
        self._under_way: dict[str, int] = {}

    async def answer(self, client: Client, ask: Ask, form: Form, now: int, binding: str) -> dict[str, Any]:
        wanted = _wanted(ask, form, binding)
        family = self._enter(wanted)
        try:
            return await self._refresher.refresh(client, wanted, now)
        finally:
            self._leave(family)

    def begin(
        self, client: Client, ask: Ask, form: Form, now: int, done: Callable[[dict[str, Any] | BaseException], None]
    ) -> None:
        """As `answer`, in step; *done* gets the members or what went wrong. Raises `Refused`."""
        wanted = _wanted(ask, form)
        family = self._enter(wanted)

        def left(outcome: dict[str, Any] | BaseException) -> None:
            self._leave(family)
            done(outcome)

        try:
            self._refresher.begin(client, wanted, now, left)
        except BaseException:
            self._leave(family)
            raise

    def _enter(self, wanted: RefreshAsk) -> str:
        family, under_way = wanted.token[_FAMILY], self._under_way
        count = under_way.get(family, 0)
        if count >= MOST_AT_ONCE:
            told = "Too many requests at once for one authorization. Try again in a moment; the token is still good."
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, told, status=429)
        under_way[family] = count + 1
        return family

    def _leave(self, family: str) -> None:
        if self._under_way[family] > 1:
            self._under_way[family] -= 1
        else:
            del self._under_way[family]


def _wanted(ask: Ask, form: Form, binding: str = "") -> RefreshAsk:
    token = form.get("refresh_token")
    if token is None:
        raise Refused(Code.INVALID_REQUEST, "The parameter refresh_token is missing.")
    return RefreshAsk(token, form.get("scope"), form.resources, ask.network, ask.agent, ask.gone, binding)
