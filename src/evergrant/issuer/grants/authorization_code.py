"""grant_type=authorization_code (OAuth 2.1 section 4.1.3)."""

from typing import Any

from evergrant.domain.client import Client
from evergrant.issuer.service.redeem import CodeAsk, Redeemer
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.protocol.pkce import is_verifier
from evergrant.web.ask import Ask


class AuthorizationCodeGrant:
    """The code grant."""

    def __init__(self, redeemer: Redeemer) -> None:
        self._redeemer = redeemer

    async def answer(self, client: Client, ask: Ask, form: Form, now: int, binding: str) -> dict[str, Any]:
        code, verifier = form.get("code"), form.get("code_verifier")
        if code is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter code is missing.")
        if verifier is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter code_verifier is missing.")
        if not is_verifier(verifier):
            raise Refused(Code.INVALID_REQUEST, "The code verifier is not one (RFC 7636 section 4.1).")
        wanted = CodeAsk(code, form.get("redirect_uri"), verifier, form.resources, ask.network, ask.agent, binding)
        return await self._redeemer.redeem(client, wanted, now)
