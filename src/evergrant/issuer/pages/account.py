"""/account: my sessions and devices, my connected applications, and ending each of them."""

from collections.abc import Callable, Iterator
from itertools import islice

from evergrant.domain import id as ids
from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.domain.reason import Reason
from evergrant.domain.scope import split
from evergrant.domain.session import Session
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.view import AccountPage, FamilyLine, GrantLine, SessionLine
from evergrant.issuer.service import ends
from evergrant.issuer.service.flows import Flows
from evergrant.issuer.service.sessions import Found, alive
from evergrant.protocol.form import Form
from evergrant.protocol.redirect import host_of
from evergrant.store.port import Tx, Which
from evergrant.web.answer import Answer
from evergrant.web.ask import Ask
from evergrant.web.look.notice import Notice

MOST_LINES = 200
DONE = {
    "session": "That browser is signed out.",
    "family": "That application is signed out on that device.",
    "grant": "The application no longer has access.",
    "password": "The password is changed, and everything else is signed out.",
}


class AccountHandler:
    """The account area."""

    def __init__(self, desk: Desk, flows: Flows, dispatcher: Dispatcher) -> None:
        self._desk, self._flows, self._dispatcher = desk, flows, dispatcher

    async def get(self, ask: Ask) -> Answer:
        visit = await self._desk.visit(ask)
        if visit.found is None:
            return await self._sign_in(ask, visit)
        lines = await self._desk.store.read(_lines(visit.found, self._desk.clock.now(), self._desk.catalog.client))
        told = DONE.get(ask.parameters().get("done") or "")
        page = AccountPage(
            csrf=visit.session_csrf,
            account_label=visit.found.account.username,
            now=self._desk.clock.now(),
            sessions=lines[0],
            families=lines[1],
            connected=lines[2],
            notices=(Notice(text=told),) if told else (),
        )
        return self._desk.show(page, visit)

    async def end_session(self, ask: Ask) -> Answer:
        visit, form = await self._desk.posted_in_session(ask)
        if visit.found is None:
            return self._desk.go("/signed-out", visit)  # a second click, after the first one has signed out
        if form.get("id") == visit.found.session.id:
            return await self._sign_out(ask, visit, visit.found)
        return await self._done(ask, visit, form, "session", _end_session)

    async def end_family(self, ask: Ask) -> Answer:
        return await self._act(ask, "family", _end_family)

    async def withdraw(self, ask: Ask) -> Answer:
        return await self._act(ask, "grant", _withdraw)

    async def end_all(self, ask: Ask) -> Answer:
        visit, _ = await self._desk.posted_in_session(ask)
        if visit.found is not None:
            account_id, now = visit.found.account.id, self._desk.clock.now()
            await self._desk.store.write(lambda tx: ends.end_account(tx, account_id, Reason.SIGNED_OUT_EVERYWHERE, now))
        return self._desk.go("/signed-out", visit, self._desk.no_session_cookie())

    async def _sign_out(self, ask: Ask, visit: Visit, found: Found) -> Answer:
        now = self._desk.clock.now()
        await self._desk.store.write(
            lambda tx: ends.end_session(tx, found.session.id, Reason.SIGNED_OUT, now, ask.network, ask.agent)
        )
        return self._desk.go("/signed-out", visit, self._desk.no_session_cookie())

    async def _act(self, ask: Ask, what: str, work: Callable[[Tx, Found, Form, int], None]) -> Answer:
        visit, form = await self._desk.posted_in_session(ask)
        return await self._done(ask, visit, form, what, work)

    async def _done(
        self, ask: Ask, visit: Visit, form: Form, what: str, work: Callable[[Tx, Found, Form, int], None]
    ) -> Answer:
        if visit.found is None:
            return await self._sign_in(ask, visit)
        found, now = visit.found, self._desk.clock.now()
        await self._desk.store.write(lambda tx: work(tx, found, form, now))
        return self._desk.go(f"/account?done={what}", visit)

    async def _sign_in(self, ask: Ask, visit: Visit) -> Answer:
        flow = await self._flows.start(None, "", visit.browser)
        return await self._dispatcher.onward(ask, visit, flow)


def _end_session(tx: Tx, found: Found, form: Form, now: int) -> None:
    session = tx.sessions.get(form.get("id") or "")
    if session is not None and session.account_id == found.account.id:
        ends.end_session(tx, session.id, Reason.ENDED_BY_USER, now)


def _end_family(tx: Tx, found: Found, form: Form, now: int) -> None:
    family_id = ids.parse(ids.Kind.FAMILY, form.get("id") or "")
    family = tx.families.get(family_id) if family_id else None
    if family is not None and family.account_id == found.account.id:
        ends.end_family(tx, family, Reason.ENDED_BY_USER, now)


def _withdraw(tx: Tx, found: Found, form: Form, now: int) -> None:
    ends.end_grant(tx, form.get("id") or "", found.account.id, now)


Lines = tuple[tuple[SessionLine, ...], tuple[FamilyLine, ...], tuple[GrantLine, ...]]


def _lines(found: Found, now: int, client_of: Callable[[str], Client | None]) -> Callable[[Tx], Lines]:
    """Everything the page lists, read in one snapshot."""

    def name(client_id: str) -> str:
        client = client_of(client_id)
        return client.name if client else "A removed application"

    def work(tx: Tx) -> Lines:
        account_id = found.account.id
        held = list(islice(_live(tx, account_id, now), MOST_LINES))
        families = [f for f in tx.families.find(Which(account_id=account_id), MOST_LINES) if now < _end(f)]
        used = {f.grant_id: 0 for f in families}
        for family in families:
            used[family.grant_id] = max(used[family.grant_id], family.head.used_at)
        grants = [item for item in tx.grants.find(MOST_LINES, account_id=account_id) if not item.withdrawn_at]
        return (
            tuple(
                SessionLine(
                    id=s.id, label=s.label, network=s.network, agent=s.agent, signed_in_at=s.started_at,
                    last_seen_at=s.seen_at, current=s.id == found.session.id,
                )
                for s in sorted(held, key=lambda item: -item.seen_at)
            ),
            tuple(
                FamilyLine(
                    id=ids.text(ids.Kind.FAMILY, f.id), client_name=name(f.client_id), label=f.label,
                    network=f.head.network, last_used_at=f.head.used_at, created_at=f.started_at,
                    offline=not f.online, ends_at=f.absolute_end,
                )
                for f in sorted(families, key=lambda item: -item.head.used_at)
            ),
            tuple(
                GrantLine(
                    id=g.id, client_name=name(g.client_id), client_host=_host(client_of(g.client_id)),
                    scopes=split(g.scope), since=g.started_at, last_used_at=used.get(g.id),
                )
                for g in sorted(grants, key=lambda item: -item.updated_at)
            ),
        )  # fmt: skip

    return work


def _live(tx: Tx, account_id: str, now: int) -> Iterator[Session]:
    """The sessions of an account that go on; those that ended are kept for their reasons, and may be many."""
    after: str | None = None
    while page := tx.sessions.find(MOST_LINES, after, account_id=account_id):
        yield from (session for session in page if alive(tx, session, now))
        after = page[-1].id


def _end(family: Family) -> int:
    return min(family.absolute_end, family.head.idle_end)


def _host(client: Client | None) -> str:
    return host_of(client.redirect_uris[0]) if client and client.redirect_uris else ""
