"""/token (RFC 6749 section 3.2): parse, authenticate the client, check that it may, let the grant answer."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated
from evergrant.issuer.http.answer import Answer, secret_json
from evergrant.issuer.http.ask import Ask
from evergrant.issuer.tally import Tally
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form

# A token in the URL is in every log on the way (attacks C-12, RT-35); it is refused even when the body repeats it.
SECRET_PARAMETERS: Final = (b"refresh_token=", b"code=", b"client_secret=", b"access_token=", b"code_verifier=")


class Grant(Protocol):
    """One grant type."""

    async def answer(self, client: Client, ask: Ask, form: Form, now: int) -> dict[str, Any]: ...


class TokenEndpoint:
    """The token endpoint with the grants that are switched on."""

    def __init__(self, catalog: Catalog, grants: Mapping[str, Grant], clock: Clock, tally: Tally) -> None:
        self._catalog, self._grants, self._clock, self._tally = catalog, grants, clock, tally

    async def __call__(self, ask: Ask) -> Answer:
        refuse_secrets_in_query(ask)
        form = ask.form()
        name = form.get("grant_type")
        if name is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter grant_type is missing.")
        now = self._clock.now()
        client = await authenticated(self._catalog, ask, form, now)
        grant = self._grants.get(name)
        if grant is None:
            raise Refused(Code.UNSUPPORTED_GRANT_TYPE, "This grant type is not offered.")
        if not client.may(name):
            raise Refused(Code.UNAUTHORIZED_CLIENT, "This client may not use that grant type.")
        members = await grant.answer(client, ask, form, now)
        self._tally.issued(name)
        return secret_json(members)


def refuse_secrets_in_query(ask: Ask) -> None:
    """Raise `Refused` when the query holds what belongs in a body."""
    if ask.query and any(name in ask.query for name in SECRET_PARAMETERS):
        raise Refused(Code.INVALID_REQUEST, "Tokens, codes and secrets are never sent in a URL.")
