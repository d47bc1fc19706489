"""/callback/CLIENT and /done: back from the provider, into the browser that was sent there."""

from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import CallbackRefused, KeeperError, UnknownConnection
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.serving.pages import shown
from evergrant.keeper.serving.pages.desk import Desk
from evergrant.keeper.serving.pages.trouble import NOT_VISITING, OTHER_BROWSER, page_about
from evergrant.keeper.serving.pages.view import DonePage
from evergrant.protocol.callback import read_callback
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask


class CallbackHandler:
    """Finishes what this browser began; anything else is refused with words of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._house = desk, desk.house

    async def back(self, ask: Ask) -> Answer:
        """GET /callback/CLIENT."""
        client = ask.path.rsplit("/", 1)[-1]
        address = f"{self._house.settings.url('/callback/')}{client}?{ask.query.decode('ascii', 'replace')}"
        onward = f"/connect/{client}"
        visit = await self._desk.visit(ask)
        if visit is None:
            return self._desk.trouble(OTHER_BROWSER)
        try:
            state = read_callback(address).state
        except ValueError:
            return self._desk.trouble("unknown_state", onward)
        if not state:
            return self._desk.trouble("unknown_state", onward)
        if not visit.was_sent_away(state):
            return self._desk.trouble(OTHER_BROWSER)
        said = visit.invitation
        try:
            stood = await self._house.keeper.finish(address, said.user, tenant=said.tenant)
        except CallbackRefused as refused:
            return self._desk.trouble(refused.code, onward)
        except KeeperError as error:
            page, status = page_about(error, self._desk.path(onward))
            return self._desk.show(page, status=status)
        # Loading this address again would show a used-up callback; the page that follows can be reloaded.
        return self._desk.go(f"/done/{stood.connection.id}")

    async def done(self, ask: Ask) -> Answer:
        """GET /done/CONNECTION."""
        visit = await self._desk.visit(ask)
        if visit is None:
            return self._desk.trouble(NOT_VISITING)
        ground = await self._house.ground()
        said = visit.invitation
        found = await ground.vault.load(said.tenant, ask.path.rsplit("/", 1)[-1])
        if found is None or found.connection.user != said.user or not found.connection.connected_at:
            msg = "no such connection"
            raise UnknownConnection(msg)
        one = found.connection
        provider = Facts(ground.catalog).base(ground.client(one.client))
        missing = [scope for scope in one.asked_scope if scope not in one.granted_scope] if one.granted_scope else []
        page = DonePage(
            name=provider.name,
            label=_label(one),
            scopes=shown.lines(provider, one.granted_scope),
            missing=shown.lines(provider, [scope for scope in missing if scope != provider.refresh_scope]),
            refreshable=not provider.refresh_tokens or any(record.refresh_token for record in found.records.values()),
            return_to=self._return_to(said.return_to, ground.settings.return_to),
        )
        return self._desk.show(page)

    def _return_to(self, address: str, origins: tuple[str, ...]) -> str:
        """A path is one of the application's, whose origin is the first that browsers may be sent back to."""
        if not address.startswith("/") or not origins:
            return address
        return origins[0].rstrip("/") + address


def _label(one: Connection) -> str:
    return one.label or one.account
