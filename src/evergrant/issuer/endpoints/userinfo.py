"""/userinfo (OpenID Connect Core section 5.3): GET, POST with header, POST with body (RFC 6750)."""

from typing import Final

from evergrant.clock import Clock
from evergrant.domain.scope import OPENID, split
from evergrant.issuer.binding import Binder
from evergrant.issuer.service.inspect import Inspector
from evergrant.issuer.service.people import userinfo
from evergrant.issuer.settings import Settings
from evergrant.protocol.bearer import NO_TOKEN, Sent, challenge, read_token
from evergrant.protocol.dpop import SCHEME, BadProof, DpopRefused
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import is_form
from evergrant.web.answer import Answer, refusal, secret_json
from evergrant.web.ask import Ask

UNAUTHORIZED: Final = 401
_CHALLENGED: Final = frozenset({400, UNAUTHORIZED, 403})


class UserinfoEndpoint:
    """The UserInfo endpoint."""

    def __init__(self, inspector: Inspector, settings: Settings, binder: Binder, clock: Clock) -> None:
        self._inspector, self._binder, self._clock = inspector, binder, clock
        self._url = f"{settings.issuer}/userinfo"
        self._audiences = {settings.issuer, f"{settings.issuer}/userinfo"}

    @staticmethod
    def tell(error: Refused, error_id: str) -> Answer:
        """A refusal as RFC 6750 section 3 has it: the challenge in a header, and the same as JSON for people."""
        header = (b"www-authenticate", challenge(error, OPENID).encode("ascii"))
        answer = refusal(error, error_id, header if error.status in _CHALLENGED else None)
        if error.detail != NO_TOKEN:
            return answer
        other = challenge(DpopRefused(error.code, error.description, error.detail)).encode("ascii")
        return answer._replace(headers=(*answer.headers, (b"www-authenticate", other)))

    async def __call__(self, ask: Ask) -> Answer:
        posted = None
        if ask.method == "POST" and is_form(ask.header(b"content-type")):
            posted = ask.form().get("access_token")
        sent = read_token(ask.header(b"authorization"), posted)
        try:
            return await self._told(sent, ask)
        except Refused as error:
            if sent.scheme != SCHEME:
                raise
            # RFC 9449 section 7.1: a proof that proves nothing is 401 here, and not 400 as at the token endpoint.
            status = UNAUTHORIZED if isinstance(error, BadProof) else error.status
            raise DpopRefused(error.code, error.description, error.detail, status, error.headers) from error

    async def _told(self, sent: Sent, ask: Ask) -> Answer:
        live = await self._inspector.access(sent.token)
        if live is None or live.account is None or live.family is None:
            raise Refused(Code.INVALID_TOKEN, "The access token is not valid.")
        bound = self._binder.of_token(live.claims, sent, ask, self._url, self._clock.now())
        if OPENID not in split(live.claims["scope"]):
            raise Refused(Code.INSUFFICIENT_SCOPE, "The scope openid is needed.")
        audience = live.claims["aud"]
        if not self._audiences & set(audience if isinstance(audience, list) else [audience]):
            raise Refused(Code.INVALID_TOKEN, "The access token is for another resource.")
        return secret_json(userinfo(live.account, live.claims["scope"], live.family.claims), nonce=bound.nonce)
