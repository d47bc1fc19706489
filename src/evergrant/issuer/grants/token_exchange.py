"""grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693)."""

from typing import Any

from evergrant.domain.binding import confirmation
from evergrant.domain.client import Client
from evergrant.issuer.service.exchange import Caller, Exchanger
from evergrant.protocol.exchange import read_exchange
from evergrant.protocol.form import Form
from evergrant.web.ask import Ask


class TokenExchangeGrant:
    """The exchange of a received access token for a narrower one."""

    def __init__(self, exchanger: Exchanger) -> None:
        self._exchanger = exchanger

    async def answer(self, client: Client, ask: Ask, form: Form, now: int, binding: str) -> dict[str, Any]:
        caller = Caller(client, ask.network, ask.agent, confirmation(binding))
        return await self._exchanger.exchange(caller, read_exchange(form), now)
