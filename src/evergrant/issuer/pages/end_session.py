"""/end_session: RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

A hint that fits the session signs out at once; anything else asks the person first (attack S-18). Nobody is sent to an
address that the named client did not register (attack U-11).
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from msgspec import DecodeError, json

from evergrant.domain.reason import Reason
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.view import SignedOutPage, SignOutPage
from evergrant.issuer.service.ends import end_session
from evergrant.issuer.service.flows import Flows
from evergrant.issuer.service.minting import ID_JWT
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import Answer, redirect
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of

# A client's form comes from another site and brings no SameSite cookie, so it belongs to no browser yet.
_ANY_BROWSER: Final = b""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A checked logout request. *uri* is registered by *client_id*, or empty; *sid* is from the hint, or empty."""

    client_id: str = ""
    uri: str = ""
    state: str = ""
    sid: str = ""
    subject: str = ""


class EndSession:
    """The end-session endpoint and its pages."""

    def __init__(self, desk: Desk, flows: Flows) -> None:
        self._desk, self._flows = desk, flows

    async def get(self, ask: Ask) -> Answer:
        form = ask.parameters()
        kept = form.get("request")
        if kept is None:
            await self._desk.catalog.fresh()
            return await self._asked(ask, self._wanted(form))
        return await self._asked(ask, await self._kept(kept, _ANY_BROWSER))

    async def post(self, ask: Ask) -> Answer:
        """Either the person's answer to the confirmation page, or a client's request as a form.

        The latter is checked, kept, and asked again by GET, which brings the cookies; no hint in the address.
        """
        form = ask.form()
        if form.get("decision"):
            return await self._decided(ask)
        await self._desk.catalog.fresh()
        flow = await self._flows.keep(json.encode(self._wanted(form)).decode(), _ANY_BROWSER)
        return redirect(self._desk.path(f"/end_session?{urlencode({'request': flow})}"))

    async def signed_out(self, ask: Ask) -> Answer:
        visit = await self._desk.visit(ask)
        if visit.found is not None:
            return self._desk.go("/account", visit)
        return self._desk.show(SignedOutPage(), visit)

    async def _asked(self, ask: Ask, wanted: _Wanted) -> Answer:
        visit = await self._desk.visit(ask)
        if visit.found is None:
            return self._gone(visit, wanted)
        session = visit.found.session
        fits = wanted.sid == session.id if wanted.sid else wanted.subject == session.account_id
        if fits:
            return await self._end(ask, visit, wanted)
        flow = await self._flows.keep(json.encode(wanted).decode(), visit.browser)
        client = self._desk.catalog.client(wanted.client_id)
        page = SignOutPage(
            csrf=visit.csrf,
            request=flow,
            client_name=client.name if client else None,
            account_label=visit.found.account.username,
        )
        return self._desk.show(page, visit, form_targets_of(wanted.uri))

    async def _decided(self, ask: Ask) -> Answer:
        visit, form = await self._desk.posted(ask)
        wanted = await self._kept(form.get("request") or "", visit.browser)
        if form.get("decision") != "sign_out":
            return self._desk.go("/account", visit)
        return await self._end(ask, visit, wanted)

    async def _kept(self, text: str, browser: bytes) -> _Wanted:
        """A request that was checked before; an empty one when it is over, for signing out must still be possible."""
        kept = await self._flows.kept(text, browser)
        try:
            return json.decode(kept, type=_Wanted) if kept else _Wanted()
        except DecodeError:
            return _Wanted()

    async def _end(self, ask: Ask, visit: Visit, wanted: _Wanted) -> Answer:
        if visit.found is not None:
            session_id, now = visit.found.session.id, self._desk.clock.now()
            await self._desk.store.write(
                lambda tx: end_session(tx, session_id, Reason.SIGNED_OUT, now, ask.network, ask.agent)
            )
        headers = (*visit.headers, self._desk.no_session_cookie())
        return self._gone(visit._replace(headers=headers), wanted)

    def _gone(self, visit: Visit, wanted: _Wanted) -> Answer:
        client = self._desk.catalog.client(wanted.client_id)
        if client is not None and wanted.uri in client.post_logout_redirect_uris:
            joint = "&" if "?" in wanted.uri else "?"
            tail = joint + urlencode({"state": wanted.state}) if wanted.state else ""
            return redirect(wanted.uri + tail, *visit.headers)
        return self._desk.show(SignedOutPage(client_name=client.name if client else None), visit)

    def _wanted(self, form: Form) -> _Wanted:
        """The checked request. Raises `Refused` for a hint that is not ours or names another client."""
        hint, named = form.get("id_token_hint"), form.get("client_id") or ""
        claims: dict[str, object] = {}
        if hint:
            found = self._desk.catalog.ring.verify(hint, ID_JWT)
            if found is None or found.get("iss") != self._desk.settings.issuer:
                raise Refused(Code.INVALID_REQUEST, "The id_token_hint was not issued here.")
            if named and found.get("aud") != named:
                raise Refused(Code.INVALID_REQUEST, "The id_token_hint was issued to another client.")
            claims = found
        client_id = named or str(claims.get("aud", ""))
        uri = form.get("post_logout_redirect_uri") or ""
        client = self._desk.catalog.client(client_id)
        if uri and (client is None or uri not in client.post_logout_redirect_uris):
            raise Refused(Code.INVALID_REQUEST, "The address to return to is not one that the application registered.")
        return _Wanted(client_id, uri, form.get("state") or "", str(claims.get("sid", "")), str(claims.get("sub", "")))
