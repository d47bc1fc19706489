"""/introspect (RFC 7662): for clients that authenticate with a secret; the answer is of this very moment."""

from evergrant.clock import Clock
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.endpoints.token import refuse_secrets_in_query
from evergrant.issuer.service.inspect import Inspector
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import Answer, secret_json
from evergrant.web.ask import Ask


class IntrospectEndpoint:
    """The introspection endpoint."""

    def __init__(self, catalog: Catalog, inspector: Inspector, clock: Clock) -> None:
        self._catalog, self._inspector, self._clock = catalog, inspector, clock

    async def __call__(self, ask: Ask) -> Answer:
        refuse_secrets_in_query(ask)
        form = ask.form()
        try:
            caller = await authenticated(self._catalog, ask, form, self._clock.now())
        except Refused as error:
            # Section 2.3 knows 401 alone; no browser asks here.
            raise Refused(error.code, error.description, error.detail) from error
        if not caller.confidential:
            raise Refused(Code.INVALID_CLIENT, "Introspection is for clients with a secret (section 2.1).")
        token = form.get("token")
        if token is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter token is missing.")
        return secret_json(await self._inspector.introspect(caller, token))
