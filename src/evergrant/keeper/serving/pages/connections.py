"""/connections: what is shared, when it was last used, and ending it with its consequences said first."""

from typing import Final

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.errors import UnknownConnection
from evergrant.keeper.service.disconnect import Siblings
from evergrant.keeper.service.told import Ends
from evergrant.keeper.serving.links import Visit
from evergrant.keeper.serving.pages import shown
from evergrant.keeper.serving.pages.desk import Desk
from evergrant.keeper.serving.pages.view import ConnectionsPage, DisconnectPage
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask
from evergrant.web.look.notice import Notice

MOST: Final = 200
_ENDED: Final = {
    "ended": Notice("Disconnected, and the provider was told."),
    "here": Notice("Disconnected here. The provider was not told: end it there too, in your account's settings."),
    "ending": Notice("Disconnected here. The provider could not be told yet; it is tried again by itself.", "plain"),
}


class ConnectionsHandler:
    """Only ever the visitor's own connections."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._house = desk, desk.house

    async def all(self, ask: Ask) -> Answer:
        """GET /connections."""
        visit = await self._desk.visitor(ask)
        ground, browser = await self._house.ground(), await self._desk.browser(ask)
        said = visit.invitation
        have = await self._house.keeper.list(tenant=said.tenant, user=said.user, limit=MOST)
        found = [await ground.vault.load(said.tenant, one.id) for one in have if one.health not in shown.HIDDEN]
        notice = _ENDED.get(ask.parameters().get("notice") or "")
        page = ConnectionsPage(
            csrf=browser.csrf,
            user_label=said.label,
            now=ground.clock.now(),
            lines=tuple(shown.line(ground, one) for one in found if one is not None),
            notices=(notice,) if notice is not None else (),
        )
        return self._desk.show(page, *browser.headers)

    async def ask_to_end(self, ask: Ask) -> Answer:
        """GET /connections/ID/disconnect: what would end."""
        visit = await self._desk.visitor(ask)
        browser = await self._desk.browser(ask)
        one, ends = await self._own(ask, visit)
        own, others = await self._siblings(visit, ends)
        page = DisconnectPage(
            csrf=browser.csrf,
            user_label=visit.invitation.label,
            id=one.id,
            name=shown.name_of(await self._house.ground(), one),
            label=one.label or one.account,
            told_provider=ends.told_provider,
            blast_radius=ends.blast_radius,
            own=tuple(own),
            others=others,
        )
        return self._desk.show(page, *browser.headers)

    async def end(self, ask: Ask) -> Answer:
        """POST /connections/ID/disconnect. Other people's accounts are never ended from here."""
        await self._desk.posted(ask)
        visit = await self._desk.visitor(ask)
        one, ends = await self._own(ask, visit)
        _, others = await self._siblings(visit, ends)
        after = await self._house.keeper.disconnect(
            one.client, one.account, tenant=one.tenant, siblings=Siblings.SPARE if others else Siblings.END
        )
        told = ends.told_provider and not others
        notice = "ending" if after.health is not Health.REVOKED else "ended" if told else "here"
        return self._desk.go(f"/connections?notice={notice}")

    async def _own(self, ask: Ask, visit: Visit) -> tuple[Connection, Ends]:
        said = visit.invitation
        rooms = await self._house.keeper.rooms()
        found = await rooms.ground.vault.load(said.tenant, ask.path.split("/")[2])
        if found is None or found.connection.user != said.user:
            msg = "no such connection"
            raise UnknownConnection(msg)
        one = found.connection
        return one, await rooms.connecting.disconnect.what_ends(one.client, one.account, tenant=said.tenant)

    async def _siblings(self, visit: Visit, ends: Ends) -> tuple[list[str], int]:
        """Accounts of the visitor that end too, and how many of other people do."""
        ground = await self._house.ground()
        own, others = [], int(ends.elsewhere)
        for sibling in ends.siblings:
            found = await ground.vault.load(visit.invitation.tenant, sibling.connection_id)
            if found is not None and found.connection.user == visit.invitation.user:
                own.append(found.connection.label or found.connection.account)
            else:
                others += 1
        return own, others
