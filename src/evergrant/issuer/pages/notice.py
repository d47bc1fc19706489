"""/notice: a person is told, at the next sign-in, that two parties held copies of one family's tokens."""

from dataclasses import replace

from evergrant.domain.event import Event, What
from evergrant.domain.session import Notice, Party
from evergrant.domain.steps import Step
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.guard import FlowOver
from evergrant.issuer.pages.view import HOLDER, PRESENTER, TheftNoticePage
from evergrant.issuer.pages.view import Party as PartyLine
from evergrant.issuer.service.flows import Flows, Standing
from evergrant.store.port import Tx
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of


class NoticeHandler:
    """Shows the notice and takes its acknowledgement."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher

    async def get(self, ask: Ask) -> Answer:
        flow, visit = ask.parameters().get("flow") or "", await self._desk.visit(ask)
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.step is not Step.NOTICE or standing.notice is None:
            return await self._dispatcher.onward(ask, visit, flow)
        return self._page(visit, flow, standing, standing.notice)

    async def post(self, ask: Ask) -> Answer:
        posted = await self._dispatcher.posted(ask)
        if isinstance(posted, Answer):
            return posted
        visit, form = posted
        flow, now = form.get("flow") or "", self._desk.clock.now()
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.step is Step.NOTICE and standing.notice is not None:
            seen = standing.notice

            def acknowledge(tx: Tx) -> None:
                held = tx.notices.get(seen.family_id)
                if held is None or held.acknowledged_at:
                    return
                tx.notices.put(replace(held, acknowledged_at=now))
                tx.events.add([
                    Event(now, What.NOTICE_ACKNOWLEDGED, seen.client_id, seen.account_id, seen.family_id)
                ])  # fmt: skip

            await self._desk.store.write(acknowledge)
        return await self._dispatcher.onward(ask, visit, flow)

    def _page(self, visit: Visit, flow: str, standing: Standing, notice: Notice) -> Answer:
        client = self._desk.catalog.client(notice.client_id)
        page = TheftNoticePage(
            csrf=visit.session_csrf,
            flow=flow,
            client_name=client.name if client else "a removed application",
            device_label=notice.label,
            ended_at=notice.at,
            parties=(
                _party(HOLDER, notice.holder),
                _party(PRESENTER, notice.presenter),
            ),
            now=self._desk.clock.now(),
            radius=self._desk.settings.limits.radius.value,
        )  # fmt: skip
        uri = standing.request.redirect_uri if standing.request else None
        return self._desk.show(page, visit, form_targets_of(uri))


def _party(role: str, party: Party) -> PartyLine:
    return PartyLine(role=role, at=party.at, network=party.network, agent=party.agent)
