"""/authorize: the door people come in by (OAuth 2.1 section 4.1.1, OpenID Connect Core section 3.1.2).

Nothing is sent to a client before its redirect URI is known to be its own. No CORS here, ever (RFC 9700 section 2.6).
"""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from evergrant.domain.client import Client
from evergrant.domain.scope import split
from evergrant.issuer.pages.desk import Desk
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.service.flows import ACR, Flows
from evergrant.issuer.service.minting import ID_JWT, target_of
from evergrant.protocol.authorization import (
    AuthorizationRequest,
    Unredirectable,
    parse_request,
    redirect_uri_of,
    response_mode_of,
)
from evergrant.protocol.claims import reaches, wanted_subject
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import Answer, redirect
from evergrant.web.ask import Ask

# Beyond this a browser or a proxy may cut the address off.
MOST_QUERY: Final = 16_384


class _Answerable(NamedTuple):
    """A request whose client and redirect URI are good: whatever is wrong now goes to the client."""

    client: Client
    redirect_uri: str
    form: Form


class Authorize:
    """The authorization endpoint."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher

    async def get(self, ask: Ask) -> Answer:
        return await self._authorize(ask, ask.parameters())

    async def post(self, ask: Ask) -> Answer:
        """A cross-site POST brings no SameSite cookie, so the same request is asked again by GET (section 3.1.2.1)."""
        form = ask.form()
        query = urlencode([*form.values.items(), *(("resource", item) for item in form.resources)])
        if len(query) > MOST_QUERY:
            raise Refused(Code.INVALID_REQUEST, "The request is too long.", status=413)
        return redirect(self._desk.path("/authorize?") + query)

    async def _authorize(self, ask: Ask, form: Form) -> Answer:
        visit = await self._desk.visit(ask)
        try:
            known = self._known(form)
        except Unredirectable:
            if not await self._desk.catalog.changed():
                raise
            known = self._known(form)
        try:
            request, subject = self._request(known)
        except Refused as error:
            return self._dispatcher.reply(
                known.redirect_uri, response_mode_of(form, known.redirect_uri), form.get("state") or "",
                {"error": error.code.value, "error_description": error.description}, visit,
            )  # fmt: skip
        flow = await self._flows.start(request, subject, visit.browser)
        return await self._dispatcher.onward(ask, visit, flow, silent="none" in request.prompt)

    def _known(self, form: Form) -> _Answerable:
        client_id = form.get("client_id")
        if client_id is None:
            msg = "The request does not say which application it comes from."
            raise Unredirectable(msg)
        client = self._desk.catalog.client(client_id)
        if client is None:
            msg = "The application is not known here."
            raise Unredirectable(msg)
        return _Answerable(client, redirect_uri_of(form, client), form)

    def _request(self, known: _Answerable) -> tuple[AuthorizationRequest, str]:
        settings = self._desk.settings
        request = parse_request(known.form, known.client, known.redirect_uri, settings.resources)
        # Each must be open to the client; which of them share a token is for the token requests to say (RFC 8707).
        for resource in split(request.resources) or ("",):
            target_of(settings, known.client, request.scope, resource)
        hinted = self._hinted(request.id_token_hint, known.client)
        demanded = wanted_subject(request.claims)
        if not reaches(request.claims, ACR):
            raise Refused(Code.UNMET_REQUIREMENTS, "The authentication that is asked for is not offered here.")
        if hinted and demanded and hinted != demanded:
            raise Refused(Code.INVALID_REQUEST, "The hint and the claims name different people.")
        return request, hinted or demanded

    def _hinted(self, hint: str, client: Client) -> str:
        """The subject of one of our ID tokens, expired or not (section 3.1.2.1)."""
        if not hint:
            return ""
        claims = self._desk.catalog.ring.verify(hint, ID_JWT)
        if claims is None or claims.get("iss") != self._desk.settings.issuer or claims.get("aud") != client.id:
            raise Refused(Code.INVALID_REQUEST, "The id_token_hint was not issued here for this client.")
        return str(claims["sub"])
