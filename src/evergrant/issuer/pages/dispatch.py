"""Where a flow goes next: the one place that turns a step into a page, and a finished flow into its answer.

Pages do not call pages; each comes back here, and what is stored decides (`domain.steps`).
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from evergrant.domain.steps import Step
from evergrant.issuer.pages.desk import Desk, PageTooOld, Visit
from evergrant.issuer.pages.guard import FlowOver
from evergrant.issuer.pages.view import FormPostPage
from evergrant.issuer.service.flows import Flows, Standing
from evergrant.protocol.authorization import FORM_POST, AuthorizationRequest
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import Answer, redirect
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of

PATHS: Final[Mapping[Step, str]] = {
    Step.SIGN_IN: "/sign-in",
    Step.SELECT: "/select-account",
    Step.NOTICE: "/notice",
    Step.CONSENT: "/consent",
}
# What prompt=none answers instead of showing the page (OpenID Connect Core section 3.1.2.6).
SILENT: Final[Mapping[Step, Code]] = {
    Step.SIGN_IN: Code.LOGIN_REQUIRED,
    Step.SELECT: Code.ACCOUNT_SELECTION_REQUIRED,
    Step.NOTICE: Code.INTERACTION_REQUIRED,
    Step.CONSENT: Code.CONSENT_REQUIRED,
}


class Dispatcher:
    """Sends a browser on its way."""

    def __init__(self, desk: Desk, flows: Flows) -> None:
        self._desk, self._flows = desk, flows

    async def posted(self, ask: Ask) -> tuple[Visit, Form] | Answer:
        """A flow's form, or where to go instead when its page was shown to somebody else. Raises `Refused`."""
        try:
            return await self._desk.posted_in_session(ask)
        except PageTooOld as old:
            return await self.onward(ask, old.visit, old.form.get("flow") or "")

    async def onward(self, ask: Ask, visit: Visit, flow: str, *, silent: bool = False) -> Answer:
        """The next page of *flow*, or its answer; with *silent* an error instead of a page."""
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.flow.denied and standing.request is not None:
            return self.error(standing.request, Refused(Code.ACCESS_DENIED, "The person did not allow this."), visit)
        if standing.step is not Step.DONE:
            if standing.flow.answered_at:
                raise FlowOver
            if silent and standing.request is not None:
                await self._flows.drop(flow)
                error = Refused(SILENT[standing.step], "The request cannot be answered without asking the person.")
                return self.error(standing.request, error, visit)
            return self._desk.go(f"{PATHS[standing.step]}?{urlencode({'flow': flow})}", visit)
        if standing.request is None:
            await self._flows.arrived(flow, visit.browser)
            return self._desk.go("/account", visit)
        return await self._finish(ask, visit, flow, standing, standing.request)

    async def _finish(
        self, ask: Ask, visit: Visit, flow: str, standing: Standing, request: AuthorizationRequest
    ) -> Answer:
        code = await self._flows.finish(flow, visit.browser, visit.cookie, ask.network, ask.agent)
        if code is None:
            raise FlowOver
        return self.answer(request, {"code": code}, visit, standing.client.name if standing.client else None)

    def error(self, request: AuthorizationRequest, error: Refused, visit: Visit) -> Answer:
        """An OAuth error, sent to the client (RFC 6749 section 4.1.2.1)."""
        return self.reply(
            request.redirect_uri, request.response_mode, request.state,
            {"error": error.code.value, "error_description": error.description}, visit,
        )  # fmt: skip

    def answer(self, request: AuthorizationRequest, members: dict[str, str], visit: Visit, name: str | None) -> Answer:
        """A success, sent to the client."""
        return self.reply(request.redirect_uri, request.response_mode, request.state, members, visit, name)

    def reply(
        self, uri: str, mode: str, state: str, members: dict[str, str], visit: Visit, name: str | None = None
    ) -> Answer:
        """Members, state and iss (RFC 9207) to a redirect URI that has been checked."""
        fields = {**members, **({"state": state} if state else {}), "iss": self._desk.settings.issuer}
        if mode == FORM_POST:
            page = FormPostPage(action=uri, fields=tuple(fields.items()), client_name=name)
            return self._desk.show(page, visit, form_targets_of(uri))
        joint = "&" if "?" in uri else "?"
        return redirect(f"{uri}{joint}{urlencode(fields)}", *visit.headers)
