"""/select-account: go on as this person, or sign in as another (OpenID Connect Core section 3.1.2.1)."""

from evergrant.domain.steps import Step
from evergrant.issuer.pages.desk import Desk
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.guard import FlowOver
from evergrant.issuer.pages.view import SelectAccountPage
from evergrant.issuer.service.flows import Flows
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of


class SelectAccountHandler:
    """Shows and takes the choice."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher

    async def get(self, ask: Ask) -> Answer:
        flow, visit = ask.parameters().get("flow") or "", await self._desk.visit(ask)
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.step is not Step.SELECT or standing.request is None or standing.account is None:
            return await self._dispatcher.onward(ask, visit, flow)
        page = SelectAccountPage(
            csrf=visit.session_csrf,
            flow=flow,
            account_label=standing.account.username,
            client_name=standing.client.name if standing.client else None,
        )
        return self._desk.show(page, visit, form_targets_of(standing.request.redirect_uri))

    async def post(self, ask: Ask) -> Answer:
        posted = await self._dispatcher.posted(ask)
        if isinstance(posted, Answer):
            return posted
        visit, form = posted
        flow, choice = form.get("flow") or "", form.get("choice")
        if choice in {"continue", "other"}:
            # Who is signed in stays so until somebody else has signed in: changing one's mind costs nothing.
            await self._flows.select(flow, visit.browser, other=choice == "other")
        return await self._dispatcher.onward(ask, visit, flow)
