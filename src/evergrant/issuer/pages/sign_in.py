"""/sign-in: name and password, and on to whatever comes next. One sentence for every failure (attack S-09)."""

from typing import Final

from evergrant.domain.steps import Step
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.guard import FlowOver
from evergrant.issuer.pages.view import SignInPage
from evergrant.issuer.service.flows import Flows, Standing
from evergrant.issuer.service.sign_in import Denied, SignedIn, SignIn, SignInAsk
from evergrant.issuer.tally import Tally
from evergrant.protocol.redirect import place_of
from evergrant.web.answer import Answer, retry_after
from evergrant.web.ask import Ask
from evergrant.web.look.csp import form_targets_of

WRONG: Final = "The name or the password is not right."
WAIT: Final = "There were too many tries."


class SignInHandler:
    """Shows and takes the sign-in form."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher, sign_in: SignIn, tally: Tally) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher
        self._sign_in, self._tally = sign_in, tally

    async def get(self, ask: Ask) -> Answer:
        flow, visit = ask.parameters().get("flow") or "", await self._desk.visit(ask)
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        if standing.step is not Step.SIGN_IN:
            return await self._dispatcher.onward(ask, visit, flow)
        return self._page(visit, flow, standing)

    async def post(self, ask: Ask) -> Answer:
        visit, form = await self._desk.posted(ask)
        flow = form.get("flow") or ""
        standing = await self._flows.standing(flow, visit.browser, visit.cookie)
        if standing is None:
            raise FlowOver
        username = form.get("username") or ""
        result = await self._sign_in.sign_in(
            SignInAsk(username, form.get("password") or "", visit.cookie, visit.browser, flow, ask.network, ask.agent)
        )
        self._tally.signed_in(_outcome(result))
        if isinstance(result, Denied):
            return self._page(visit, flow, standing, username, result)
        cookie = self._desk.session_cookie(result.cookie)
        return await self._dispatcher.onward(
            ask, visit._replace(cookie=result.cookie, headers=(*visit.headers, cookie)), flow
        )

    def _page(
        self, visit: Visit, flow: str, standing: Standing, username: str = "", denied: Denied | None = None
    ) -> Answer:
        request, client = standing.request, standing.client
        uri = request.redirect_uri if request else None
        page = SignInPage(
            csrf=visit.csrf,
            flow=flow,
            client_name=client.name if client else None,
            client_host=place_of(uri) if uri else None,
            login_hint=username or (request.login_hint if request else "") or None,
            error=None if denied is None else WAIT if denied.wait else WRONG,
            wait_seconds=denied.wait or None if denied else None,
            notice=_stranger(standing),
        )
        status = 200 if denied is None else 429 if denied.wait else 401
        answer = self._desk.show(page, visit, form_targets_of(uri), status)
        wait = (retry_after(denied.wait),) if denied and denied.wait else ()
        return answer._replace(headers=(*answer.headers, *wait))


def _stranger(standing: Standing) -> str | None:
    """Why somebody who is signed in is asked to sign in as another; who that is, is not told."""
    account = standing.account
    if account is None or not standing.subject or standing.subject == account.id:
        return None
    return f"You are signed in as {account.username}. The application asks for another account."


def _outcome(result: SignedIn | Denied) -> str:
    if isinstance(result, SignedIn):
        return "succeeded"
    return "delayed" if result.wait else "wrong"
