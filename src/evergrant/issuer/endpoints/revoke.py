"""/revoke (RFC 7009): 200 and nothing else, whether the token was known or not."""

from evergrant.clock import Clock
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.endpoints.token import refuse_secrets_in_query
from evergrant.issuer.service.revoke import Revoker
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import NO_SNIFF, NO_STORE, Answer
from evergrant.web.ask import Ask


class RevokeEndpoint:
    """The revocation endpoint. token_type_hint is not needed: a token's own prefix says what it is (section 2.1)."""

    def __init__(self, catalog: Catalog, revoker: Revoker, clock: Clock) -> None:
        self._catalog, self._revoker, self._clock = catalog, revoker, clock

    async def __call__(self, ask: Ask) -> Answer:
        refuse_secrets_in_query(ask)
        form = ask.form()
        client = await authenticated(self._catalog, ask, form, self._clock.now())
        token = form.get("token")
        if token is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter token is missing.")
        await self._revoker.revoke(client, token, ask.network, ask.agent)
        return Answer(200, (*NO_STORE, NO_SNIFF), b"")
