"""/consent: what, for how long, revocable where. The form carries a decision, not what it is about (attack S-05)."""

from typing import Final

from evergrant.domain.client import REFRESH_TOKEN, Client
from evergrant.domain.policy import absolute_lifetime, idle_lifetime
from evergrant.domain.scope import split
from evergrant.domain.steps import Step
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.guard import FlowOver
from evergrant.issuer.pages.view import ConsentPage, ScopeLine
from evergrant.issuer.service.flows import Flows, Standing
from evergrant.issuer.settings import Settings
from evergrant.protocol.authorization import AuthorizationRequest
from evergrant.protocol.redirect import Kind, kind_of, place_of
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of
from evergrant.web.look.wording import duration, lifetime_sentence

ALLOW: Final = "allow"
DENY: Final = "deny"


class ConsentHandler:
    """Shows and takes the consent form."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher

    async def get(self, ask: Ask) -> Answer:
        flow, visit = ask.parameters().get("flow") or "", await self._desk.visit(ask)
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.step is not Step.CONSENT or standing.request is None or standing.client is None:
            return await self._dispatcher.onward(ask, visit, flow)
        return self._page(visit, flow, standing, standing.request, standing.client)

    async def post(self, ask: Ask) -> Answer:
        posted = await self._dispatcher.posted(ask)
        if isinstance(posted, Answer):
            return posted
        visit, form = posted
        flow, decision = form.get("flow") or "", form.get("decision")
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None or standing.request is None:
            raise FlowOver
        if standing.step is not Step.CONSENT or decision not in {ALLOW, DENY}:
            return await self._dispatcher.onward(ask, visit, flow)
        if decision == DENY:
            await self._flows.deny(flow, visit.browser, visit.cookie, ask.network, ask.agent)
        else:
            await self._flows.consent(flow, visit.browser, visit.cookie)
        return await self._dispatcher.onward(ask, visit, flow)

    def _page(
        self, visit: Visit, flow: str, standing: Standing, request: AuthorizationRequest, client: Client
    ) -> Answer:
        settings, grant = self._desk.settings, standing.grant
        before = set(split(grant.scope)) if grant and not grant.withdrawn_at else set()
        lines = tuple(
            ScopeLine(name=name, description=settings.scopes.get(name, ""), is_new=bool(before) and name not in before)
            for name in request.order or split(request.scope)
        )
        page = ConsentPage(
            csrf=visit.session_csrf,
            flow=flow,
            client_name=client.name,
            client_host=place_of(request.redirect_uri),
            account_label=standing.account.username if standing.account else "",
            scopes=lines,
            lifetime=_lifetime(client, request, settings),
            offline=request.offline,
            revoke_at=self._desk.path("/account"),
            resources=split(request.resources),
            client_uri=client.uri or None,
            verified=kind_of(request.redirect_uri) is Kind.HTTPS,
        )
        return self._desk.show(page, visit, form_targets_of(request.redirect_uri))


def _lifetime(client: Client, request: AuthorizationRequest, settings: Settings) -> str:
    """For how long, in words a person plans with."""
    access = client.access_lifetime or settings.limits.access_lifetime
    if not client.may(REFRESH_TOKEN):
        return f"for {duration(access)}, once"
    idle = idle_lifetime(client.idle_lifetime, settings.limits)
    whole = absolute_lifetime(client.absolute_lifetime, settings.limits)
    if not request.offline:
        idle, whole = min(idle, settings.session_idle), min(whole, settings.session_absolute)
    return lifetime_sentence(whole, idle, offline=request.offline)
