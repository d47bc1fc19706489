"""/connect, /choose, /connect/CLIENT, /reconnect: from a link to the provider."""

from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from evergrant.keeper.errors import BadRequest, UnknownConnection
from evergrant.keeper.service.reconnect import PARAM as RECONNECT
from evergrant.keeper.service.told import Link
from evergrant.keeper.serving.links import PARAM, Invitation, Visit
from evergrant.keeper.serving.pages import shown
from evergrant.keeper.serving.pages.desk import Desk
from evergrant.keeper.serving.pages.trouble import LINK_OVER, OTHER_USER
from evergrant.keeper.serving.pages.view import ChoosePage, ConnectPage
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Found
from evergrant.protocol.form import Form
from evergrant.web.answer import Answer, redirect
from evergrant.web.ask import Ask

VALUE: Final = "value."
AGAIN: Final = "again"
MOST_LOOKED_AT: Final = 500


class ConnectHandler:
    """A link is looked at as often as one likes, and used by the first form that is sent from its page."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._house = desk, desk.house

    async def arrive(self, ask: Ask) -> Answer:
        """GET /connect?link=…: what a link is for. Mail scanners and previews use nothing up."""
        token = ask.parameters().get(PARAM) or ""
        invitation = await self._house.links.read(token)
        if invitation is None:
            return self._desk.trouble(LINK_OVER)
        if not await self._desk.welcome(ask, invitation):
            return self._desk.trouble(OTHER_USER)
        visit = await self._desk.visit(ask)
        if visit is not None and visit.invitation.once == invitation.once:
            return self._onward(visit)
        ground = await self._house.ground()
        browser = await self._desk.browser(ask)
        clients = shown.offered(ground, invitation)
        if len(clients) == 1:
            page = await self._page(clients[0], invitation, browser.csrf, link=token)
            return self._desk.show(page, *browser.headers)
        choose = ChoosePage(
            csrf=browser.csrf, user_label=invitation.label, choices=shown.choices(ground, invitation, ()), link=token
        )
        return self._desk.show(choose, *browser.headers)

    async def enter(self, ask: Ask) -> Answer:
        """POST /connect: the link is used now, by this browser."""
        form = await self._desk.posted(ask)
        visit = await self._entered(ask, form)
        if visit is None:
            return self._desk.trouble(LINK_OVER)
        ours = await self._client(visit, form.get("client") or "")
        if form.get("go"):
            return await self._away(visit, ours, form, visit.invitation)
        return self._desk.go(f"/connect/{ours.name}", await self._desk.keeping(visit))

    async def choose(self, ask: Ask) -> Answer:
        """GET /choose."""
        visit = await self._desk.visitor(ask)
        ground, browser = await self._house.ground(), await self._desk.browser(ask)
        have = await self._house.keeper.list(
            tenant=visit.invitation.tenant, user=visit.invitation.user, limit=MOST_LOOKED_AT
        )
        connected = [one.client for one in have if one.health not in shown.HIDDEN]
        page = ChoosePage(
            csrf=browser.csrf,
            user_label=visit.invitation.label,
            choices=shown.choices(ground, visit.invitation, connected),
        )
        return self._desk.show(page, *browser.headers)

    async def ready(self, ask: Ask) -> Answer:
        """GET /connect/CLIENT."""
        again = ask.parameters().get(AGAIN) or ""
        visit = await self._desk.visitor(ask)
        meant = await self._meaning(visit, again)
        ours = await self._client(visit, _named(ask))
        browser = await self._desk.browser(ask)
        page = await self._page(ours, meant, browser.csrf)
        return self._desk.show(replace(page, again_id=again), *browser.headers)

    async def go(self, ask: Ask) -> Answer:
        """POST /connect/CLIENT."""
        form = await self._desk.posted(ask)
        visit = await self._desk.visitor(ask)
        meant = await self._meaning(visit, form.get(AGAIN) or "")
        return await self._away(visit, await self._client(visit, _named(ask)), form, meant)

    async def _meaning(self, visit: Visit, again: str) -> Invitation:
        """What the visit allows, for the connection *again* where one is named. Raises `UnknownConnection`."""
        said = visit.invitation
        if not again:
            return said
        found = await (await self._house.ground()).vault.load(said.tenant, again)
        if found is None or found.connection.user != said.user:
            msg = "no such connection"
            raise UnknownConnection(msg)
        one = found.connection
        return replace(said, account=one.account, scopes=tuple(dict.fromkeys([*one.asked_scope, *said.scopes])))

    async def again(self, ask: Ask) -> Answer:
        """GET /reconnect?reconnect=…: what a reconnect link is for."""
        token = ask.parameters().get(RECONNECT) or ""
        visit = await self._desk.visitor(ask)
        rooms = await self._house.keeper.rooms()
        meant = rooms.connecting.reconnect.meant(token)
        found = await rooms.ground.vault.load(visit.invitation.tenant, meant) if meant else None
        if found is None or found.connection.user != visit.invitation.user:
            return self._desk.trouble(LINK_OVER)
        browser = await self._desk.browser(ask)
        ours = rooms.ground.client(found.connection.client)
        page = shown.connect_page(rooms.ground, ours, visit.invitation, found, browser.csrf)
        return self._desk.show(_with(page, token=token), *browser.headers)

    async def again_go(self, ask: Ask) -> Answer:
        """POST /reconnect."""
        form = await self._desk.posted(ask)
        visit = await self._desk.visitor(ask)
        said = visit.invitation
        link = await self._house.keeper.reconnect(form.get(RECONNECT) or "", said.user, tenant=said.tenant)
        return await self._sent(visit, link)

    async def _entered(self, ask: Ask, form: Form) -> Visit | None:
        """The visit of this form: of its link, which is used up by that, or the one that is there."""
        token = form.get(PARAM)
        if token is None:
            return await self._desk.visitor(ask)
        invitation = await self._house.links.read(token)
        if invitation is None or not await self._desk.welcome(ask, invitation):
            return None
        visit = await self._desk.visit(ask)
        if visit is not None and visit.invitation.once == invitation.once:
            return visit
        return await self._house.links.spend(invitation)

    async def _client(self, visit: Visit, name: str) -> Client:
        ground = await self._house.ground()
        found = next((one for one in shown.offered(ground, visit.invitation) if one.name == name), None)
        if found is None:
            msg = "this cannot be connected here"
            raise BadRequest(msg)
        return found

    async def _page(self, ours: Client, invitation: Invitation, csrf: str, *, link: str = "") -> ConnectPage:
        ground = await self._house.ground()
        found: Found | None = await ground.vault.look_up(
            invitation.tenant, ours.name, invitation.account or invitation.user
        )
        if found is not None and found.connection.user != invitation.user:
            found = None
        return _with(shown.connect_page(ground, ours, invitation, found, csrf), link=link)

    async def _away(self, visit: Visit, ours: Client, form: Form, said: Invitation) -> Answer:
        values = {name.removeprefix(VALUE): value for name, value in form.values.items() if name.startswith(VALUE)}
        link = await self._house.keeper.begin(
            ours.name,
            said.account or said.user,
            user=said.user,
            scopes=said.scopes,
            return_to=said.return_to,
            tenant=said.tenant,
            values=values,
        )
        return await self._sent(visit, link)

    async def _sent(self, visit: Visit, link: Link) -> Answer:
        """To the provider; the browser keeps a mark of what it was sent away with (K-05)."""
        state = parse_qs(urlsplit(link.url).query).get("state", [""])[0]
        return redirect(link.url, await self._desk.keeping(visit.sent_away(state)))

    def _onward(self, visit: Visit) -> Answer:
        clients = visit.invitation.clients
        return self._desk.go(f"/connect/{clients[0]}" if len(clients) == 1 else "/choose")


def _named(ask: Ask) -> str:
    return ask.path.rsplit("/", 1)[-1]


def _with(page: ConnectPage, *, link: str = "", token: str = "") -> ConnectPage:
    return replace(page, link=link, token=token)
