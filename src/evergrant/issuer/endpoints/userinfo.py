"""/userinfo (OpenID Connect Core section 5.3): GET, POST with header, POST with body (RFC 6750)."""

from typing import Final

from evergrant.domain.scope import OPENID, split
from evergrant.issuer.service.inspect import Inspector
from evergrant.issuer.service.people import userinfo
from evergrant.issuer.settings import Settings
from evergrant.protocol.bearer import challenge, read_bearer
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import is_form
from evergrant.web.answer import Answer, refusal, secret_json
from evergrant.web.ask import Ask

_CHALLENGED: Final = frozenset({400, 401, 403})


class UserinfoEndpoint:
    """The UserInfo endpoint."""

    def __init__(self, inspector: Inspector, settings: Settings) -> None:
        self._inspector = inspector
        self._audiences = {settings.issuer, f"{settings.issuer}/userinfo"}

    @staticmethod
    def tell(error: Refused, error_id: str) -> Answer:
        """A refusal as RFC 6750 section 3 has it: the challenge in a header, and the same as JSON for people."""
        header = (b"www-authenticate", challenge(error, OPENID).encode("ascii"))
        return refusal(error, error_id, header if error.status in _CHALLENGED else None)

    async def __call__(self, ask: Ask) -> Answer:
        posted = None
        if ask.method == "POST" and is_form(ask.header(b"content-type")):
            posted = ask.form().get("access_token")
        token = read_bearer(ask.header(b"authorization"), posted)
        live = await self._inspector.access(token)
        if live is None or live.account is None or live.family is None:
            raise Refused(Code.INVALID_TOKEN, "The access token is not valid.")
        if OPENID not in split(live.claims["scope"]):
            raise Refused(Code.INSUFFICIENT_SCOPE, "The scope openid is needed.")
        audience = live.claims["aud"]
        if not self._audiences & set(audience if isinstance(audience, list) else [audience]):
            raise Refused(Code.INVALID_TOKEN, "The access token is for another resource.")
        return secret_json(userinfo(live.account, live.claims["scope"], live.family.claims))
