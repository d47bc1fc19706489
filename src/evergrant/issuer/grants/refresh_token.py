"""grant_type=refresh_token (RFC 6749 section 6). Parameters foreign to it have no influence (attack RT-20)."""

from typing import Any

from evergrant.domain.client import Client
from evergrant.issuer.http.ask import Ask
from evergrant.issuer.service.refresh import RefreshAsk, Refresher
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form


class RefreshTokenGrant:
    """The refresh grant."""

    def __init__(self, refresher: Refresher) -> None:
        self._refresher = refresher

    async def answer(self, client: Client, ask: Ask, form: Form, now: int) -> dict[str, Any]:
        token = form.get("refresh_token")
        if token is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter refresh_token is missing.")
        wanted = RefreshAsk(token, form.get("scope"), form.resources, ask.network, ask.agent)
        return await self._refresher.refresh(client, wanted, now)
