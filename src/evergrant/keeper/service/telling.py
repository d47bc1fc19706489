"""Asking a provider to end an authorization, a few times with pauses; ending twice does no harm (RFC 7009)."""

from typing import Final

from evergrant.keeper.exchange import Lost, NotSent
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.service.going_away import Pair, Told, meaning, requests
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.settings import Client

TRIES: Final = 3
PAUSE: Final = 1.0


class Telling:
    """Sends what `going_away` builds."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def tell(self, ours: Client, provider: Provider, pair: Pair) -> tuple[bool, str]:
        """Whether nothing is left to end, and the last error as a code. A provider without a way is never asked."""
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        for asked in requests(provider, ours, pair, proof):
            code = ""
            for turn in range(TRIES):
                if turn:
                    await self._ground.pause(PAUSE * 2 ** (turn - 1))
                try:
                    answer = await self._ground.transport.send(asked, self._ground.settings.request_seconds)
                except (NotSent, Lost):
                    code = "unreachable"
                    continue
                told, code = meaning(provider, answer)
                if told is Told.GONE:
                    break
                if told is Told.REFUSED:
                    return False, code
            else:
                return False, code
        return True, ""
