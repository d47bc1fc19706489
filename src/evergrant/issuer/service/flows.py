"""Authorization requests on their way through the pages, kept server-side, one per tab (attacks S-05, S-15).

What lives here: starting a flow, finding where it stands, writing down what a page decided, and finishing it with a
code. What must not: which step comes next (`domain.steps`), HTML (`issuer.pages`).
"""

from dataclasses import replace
from typing import Final, NamedTuple

from msgspec import convert, json, to_builtins

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.account import Account
from evergrant.domain.client import Client
from evergrant.domain.event import Event, What
from evergrant.domain.grant import Code, Flow, Grant
from evergrant.domain.secret import digest
from evergrant.domain.session import Notice, Session
from evergrant.domain.steps import Step, Wanted, next_step
from evergrant.domain.token import CODE, FLOW, SECRET_LENGTH, write_opaque
from evergrant.entropy import Entropy
from evergrant.issuer.service import proofs, sessions
from evergrant.issuer.service.redeem import CODE_DIGEST
from evergrant.issuer.settings import Settings
from evergrant.protocol.authorization import AuthorizationRequest, redirects_to
from evergrant.store.port import Store, Tx

FLOW_DIGEST: Final = "flow"
KEPT_DIGEST: Final = "sign-out request"
FLOW_SECONDS: Final = 3_600
# A second click arrives within this time after the first one was answered.
REPEAT_SECONDS: Final = 60
ACR: Final = "urn:evergrant:password"


class Standing(NamedTuple):
    """Where a flow stands. *client* and *request* are None for the account area's own sign-in.

    *subject* is the one account that will do, or empty.
    """

    flow: Flow
    step: Step
    request: AuthorizationRequest | None
    client: Client | None
    session: Session | None
    account: Account | None
    grant: Grant | None
    notice: Notice | None
    subject: str = ""


class Flows:
    """Flows of one store."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self._store, self._settings, self._clock, self._entropy = store, settings, clock, entropy

    async def start(self, request: AuthorizationRequest | None, subject: str, browser: bytes) -> str:
        """Keep a request for *browser*; the flow's opaque id. *subject* is the one account that will do, or empty."""
        kept = {"request": None if request is None else to_builtins(request), "subject": subject}
        return await self._add(FLOW_DIGEST, json.encode(kept).decode(), browser)

    async def standing(self, text: str, browser: bytes, cookie: str) -> Standing | None:
        """Where the flow stands now, or None when it is unknown, over, or another browser's."""
        now = self._clock.now()
        return await self._store.read(lambda tx: stand(tx, text, browser, cookie, now))

    async def select(self, text: str, browser: bytes, *, other: bool) -> None:
        """Write down that the person goes on as who is signed in, or wants to be somebody *other*."""

        def work(tx: Tx) -> None:
            flow = find_flow(tx, text, browser)
            if flow is not None:
                tx.flows.put(replace(flow, selected=True, other=other))

        await self._store.write(work)

    async def consent(self, text: str, browser: bytes, cookie: str) -> None:
        """Remember the consent of the person signed in, for what this flow asks and nothing else."""
        now, grant_id = self._clock.now(), ids.text(ids.Kind.GRANT, self._entropy.draw(ids.RAW_LENGTH))

        def work(tx: Tx) -> None:
            at = stand(tx, text, browser, cookie, now)
            if at is None or at.step is not Step.CONSENT or at.request is None or at.account is None:
                return
            tx.grants.put(_widened(at.grant, grant_id, at.account.id, at.request, now))
            tx.flows.put(replace(at.flow, consented_by=at.account.id))
            tx.events.add([
                Event(now, What.CONSENT_GIVEN, at.request.client_id, at.account.id, detail=at.request.scope)
            ])  # fmt: skip

        await self._store.write(work)

    async def keep(self, request: str, browser: bytes) -> str:
        """Keep a sign-out request's JSON for *browser* (empty for any) for as long as a flow; the opaque id."""
        return await self._add(KEPT_DIGEST, request, browser)

    async def kept(self, text: str, browser: bytes) -> str:
        """What `keep` kept; the empty string when it is over or another browser's."""
        now = self._clock.now()
        flow = await self._store.read(lambda tx: find_flow(tx, text, browser, KEPT_DIGEST))
        return "" if flow is None or now >= flow.expires_at else flow.request

    async def _add(self, purpose: str, request: str, browser: bytes) -> str:
        text, now = write_opaque(FLOW, self._entropy.draw(SECRET_LENGTH)), self._clock.now()
        flow = Flow(digest(purpose, text), browser, request, now, now + FLOW_SECONDS)
        await self._store.write(lambda tx: tx.flows.put(flow))
        return text

    async def deny(self, text: str, browser: bytes, cookie: str, network: str, agent: str) -> None:
        """Write down that the person refused; nothing when there is nothing to refuse any more."""
        now = self._clock.now()

        def work(tx: Tx) -> None:
            at = stand(tx, text, browser, cookie, now)
            if at is None or at.step is not Step.CONSENT or at.request is None or at.account is None:
                return
            tx.flows.put(_answered(replace(at.flow, denied=True), now))
            tx.events.add([
                Event(now, What.CONSENT_DENIED, at.request.client_id, at.account.id, network=network, agent=agent)
            ])  # fmt: skip

        await self._store.write(work)

    async def arrived(self, text: str, browser: bytes) -> None:
        """Write down that a sign-in for the account area is over."""
        now = self._clock.now()

        def work(tx: Tx) -> None:
            flow = find_flow(tx, text, browser)
            if flow is not None:
                tx.flows.put(_answered(flow, now))

        await self._store.write(work)

    async def drop(self, text: str) -> None:
        """Forget a flow."""
        await self._store.write(lambda tx: tx.flows.delete(digest(FLOW_DIGEST, text)))

    async def finish(self, text: str, browser: bytes, cookie: str, network: str, agent: str) -> str | None:
        """The authorization code of a flow that is done, or None when it is not done after all. Answers the flow.

        Asked again a moment later, because somebody clicked twice, it gives another code and takes the first one back;
        None when the first one was redeemed, for then the answer has arrived.
        """
        now, code = self._clock.now(), write_opaque(CODE, self._entropy.draw(SECRET_LENGTH))
        grant_id = ids.text(ids.Kind.GRANT, self._entropy.draw(ids.RAW_LENGTH))
        lifetime = self._settings.code_lifetime

        def work(tx: Tx) -> str | None:
            at = stand(tx, text, browser, cookie, now)
            if at is None or at.step is not Step.DONE or at.request is None or at.session is None:
                return None
            request, session = at.request, at.session
            before = tx.codes.get(at.flow.code) if at.flow.code else None
            if before is not None and before.spent_at:
                return None
            if before is not None:
                tx.codes.delete(before.digest)
            grant = at.grant
            if grant is None or not grant.covers(request.scope, request.resources):
                grant = _widened(grant, grant_id, session.account_id, request, now)
                tx.grants.put(grant)
            key = digest(CODE_DIGEST, code)
            kept = Code(
                key, request.client_id, session.account_id, grant.id, session.id, request.redirect_uri,
                request.redirect_given, request.challenge, request.nonce, request.scope, request.resources,
                session.auth_time, ACR, session.amr, request.claims, now, now + lifetime, dpop_jkt=request.dpop_jkt,
            )  # fmt: skip
            tx.codes.put(kept)
            if not at.flow.answered_at:
                proofs.note(tx, kept, network, agent)
            tx.flows.put(_answered(replace(at.flow, code=key), now))
            tx.events.add([
                Event(now, What.CODE_ISSUED, request.client_id, session.account_id, "", session.id, "", -1, network,
                      agent)
            ])  # fmt: skip
            return code

        return await self._store.write(work)


def stand(tx: Tx, text: str, browser: bytes, cookie: str, now: int) -> Standing | None:
    """Where a flow stands, from what is stored alone."""
    flow = find_flow(tx, text, browser)
    if flow is None or now >= flow.expires_at:
        return None
    kept = json.decode(flow.request)
    request = None if kept["request"] is None else convert(kept["request"], AuthorizationRequest)
    found = sessions.find(tx, cookie, now)
    session, account = (found.session, found.account) if found else (None, None)
    notice = _notice(tx, session.account_id) if session else None
    if request is None:
        step = Step.SIGN_IN if session is None else Step.NOTICE if notice else Step.DONE
        return Standing(flow, step, None, None, session, account, None, notice)
    client = tx.clients.get(request.client_id)
    # A registration that changed under way decides: nothing is sent to an address that is no longer the client's.
    if client is None or not redirects_to(client, request.redirect_uri):
        return None
    grant = find_grant(tx, session.account_id, client.id) if session else None
    wanted = Wanted(request.prompt, request.max_age, kept["subject"], request.scope, request.resources)
    step = next_step(wanted, flow, session, client, grant, noticed=notice is not None, now=now)
    return Standing(flow, step, request, client, session, account, grant, notice, kept["subject"])


def find_flow(tx: Tx, text: str, browser: bytes, purpose: str = FLOW_DIGEST) -> Flow | None:
    """The flow with an opaque id, if it belongs to *browser*."""
    flow = tx.flows.get(digest(purpose, text)) if text.startswith(FLOW) else None
    return flow if flow is not None and flow.browser == browser else None


def signed_in(tx: Tx, text: str, browser: bytes, session: Session) -> None:
    """Write down that the person signed in for this flow."""
    flow = find_flow(tx, text, browser)
    if flow is not None:
        tx.flows.put(replace(flow, signed_in_at=session.auth_time, session_id=session.id))


def signed_in_before(tx: Tx, text: str, browser: bytes, account_id: str, now: int) -> Session | None:
    """The session that a first click of the same person on the same form has begun a moment ago."""
    flow = find_flow(tx, text, browser)
    session = tx.sessions.get(flow.session_id) if flow is not None and flow.session_id else None
    if session is None or session.account_id != account_id or not session.live(now):
        return None
    return session if now - session.auth_time <= REPEAT_SECONDS else None


def _answered(flow: Flow, now: int) -> Flow:
    if flow.answered_at:
        return flow
    return replace(flow, answered_at=now, expires_at=min(flow.expires_at, now + REPEAT_SECONDS))


def find_grant(tx: Tx, account_id: str, client_id: str) -> Grant | None:
    """What an account allowed a client, if anything; withdrawn ones too."""
    found = tx.grants.find(1, account_id=account_id, client_id=client_id)
    return found[0] if found else None


def _notice(tx: Tx, account_id: str) -> Notice | None:
    return next((item for item in tx.notices.find(100, account_id=account_id) if not item.acknowledged_at), None)


def _widened(grant: Grant | None, grant_id: str, account_id: str, request: AuthorizationRequest, now: int) -> Grant:
    if grant is None:
        return Grant(grant_id, account_id, request.client_id, request.scope, request.resources, now, now)
    scope, resources = grant.widened(request.scope, request.resources)
    started = now if grant.withdrawn_at else grant.started_at
    return replace(grant, scope=scope, resources=resources, started_at=started, updated_at=now, withdrawn_at=0)
