"""Authorization requests on their way through the pages, kept server-side, one per tab (attacks S-05, S-15).

What lives here: starting a flow, finding where it stands, writing down what a page decided, and finishing it with a
code. What must not: which step comes next (`domain.steps`), HTML (`issuer.pages`).
"""

from collections.abc import Callable
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
from evergrant.issuer.service import sessions
from evergrant.issuer.service.redeem import CODE_DIGEST
from evergrant.issuer.settings import Settings
from evergrant.protocol.authorization import AuthorizationRequest
from evergrant.store.port import Store, Tx

FLOW_DIGEST: Final = "flow"
FLOW_SECONDS: Final = 3_600
ACR: Final = "urn:evergrant:password"


class Standing(NamedTuple):
    """Where a flow stands. *client* and *request* are None for the account area's own sign-in."""

    flow: Flow
    step: Step
    request: AuthorizationRequest | None
    client: Client | None
    session: Session | None
    account: Account | None
    grant: Grant | None
    notice: Notice | None


class Flows:
    """Flows of one store."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self._store, self._settings, self._clock, self._entropy = store, settings, clock, entropy

    async def start(self, request: AuthorizationRequest | None, subject: str, browser: bytes) -> str:
        """Keep a request for *browser*; the flow's opaque id. *subject* is the one account that will do, or empty."""
        kept = {"request": None if request is None else to_builtins(request), "subject": subject}
        return await self.keep(json.encode(kept).decode(), browser)

    async def standing(self, text: str, browser: bytes, cookie: str) -> Standing | None:
        """Where the flow stands now, or None when it is unknown, over, or another browser's."""
        now = self._clock.now()
        return await self._store.read(lambda tx: stand(tx, text, browser, cookie, now))

    async def mark(self, text: str, browser: bytes, change: Callable[[Flow, int], Flow]) -> None:
        """Write down what a page decided."""
        now = self._clock.now()

        def work(tx: Tx) -> None:
            flow = tx.flows.get(digest(FLOW_DIGEST, text))
            if flow is not None and flow.browser == browser:
                tx.flows.put(change(flow, now))

        await self._store.write(work)

    async def consent(self, text: str, browser: bytes, cookie: str) -> None:
        """Remember the consent of the person signed in, for what this flow asks and nothing else."""
        now, grant_id = self._clock.now(), ids.text(ids.Kind.GRANT, self._entropy.draw(ids.RAW_LENGTH))

        def work(tx: Tx) -> None:
            at = stand(tx, text, browser, cookie, now)
            if at is None or at.step is not Step.CONSENT or at.request is None or at.account is None:
                return
            tx.grants.put(_widened(at.grant, grant_id, at.account.id, at.request, now))
            tx.flows.put(replace(at.flow, consented=True))
            tx.events.add([
                Event(now, What.CONSENT_GIVEN, at.request.client_id, at.account.id, detail=at.request.scope)
            ])  # fmt: skip

        await self._store.write(work)

    async def keep(self, request: str, browser: bytes) -> str:
        """Keep any page's JSON for *browser* until it answers; the opaque id."""
        text, now = write_opaque(FLOW, self._entropy.draw(SECRET_LENGTH)), self._clock.now()
        flow = Flow(digest(FLOW_DIGEST, text), browser, request, now, now + FLOW_SECONDS)
        await self._store.write(lambda tx: tx.flows.put(flow))
        return text

    async def take(self, text: str, browser: bytes) -> str:
        """What `keep` kept, once; the empty string when it is over or another browser's."""
        now = self._clock.now()

        def work(tx: Tx) -> str:
            flow = tx.flows.get(digest(FLOW_DIGEST, text))
            if flow is None or flow.browser != browser or now >= flow.expires_at:
                return ""
            tx.flows.delete(flow.digest)
            return flow.request

        return await self._store.write(work)

    async def deny(self, text: str, standing: Standing, network: str, agent: str) -> None:
        """Write down that the person refused, and forget the flow."""
        client_id = standing.client.id if standing.client else ""
        account_id = standing.account.id if standing.account else ""
        event = Event(self._clock.now(), What.CONSENT_DENIED, client_id, account_id, network=network, agent=agent)

        def work(tx: Tx) -> None:
            tx.flows.delete(digest(FLOW_DIGEST, text))
            tx.events.add([event])

        await self._store.write(work)

    async def drop(self, text: str) -> None:
        """Forget a flow."""
        await self._store.write(lambda tx: tx.flows.delete(digest(FLOW_DIGEST, text)))

    async def finish(self, text: str, browser: bytes, cookie: str, network: str, agent: str) -> str | None:
        """The authorization code of a flow that is done, or None when it is not done after all. Ends the flow."""
        now, code = self._clock.now(), write_opaque(CODE, self._entropy.draw(SECRET_LENGTH))
        grant_id = ids.text(ids.Kind.GRANT, self._entropy.draw(ids.RAW_LENGTH))
        lifetime = self._settings.code_lifetime

        def work(tx: Tx) -> str | None:
            at = stand(tx, text, browser, cookie, now)
            if at is None or at.step is not Step.DONE or at.request is None or at.session is None:
                return None
            request, session = at.request, at.session
            grant = at.grant
            if grant is None or not grant.covers(request.scope, request.resources):
                grant = _widened(grant, grant_id, session.account_id, request, now)
                tx.grants.put(grant)
            tx.codes.put(
                Code(
                    digest(CODE_DIGEST, code), request.client_id, session.account_id, grant.id, session.id,
                    request.redirect_uri, request.redirect_given, request.challenge, request.nonce, request.scope,
                    request.resources, session.auth_time, ACR, session.amr, request.claims, now, now + lifetime,
                )  # fmt: skip
            )
            tx.flows.delete(at.flow.digest)
            tx.events.add([
                Event(now, What.CODE_ISSUED, request.client_id, session.account_id, "", session.id, "", -1, network,
                      agent)
            ])  # fmt: skip
            return code

        return await self._store.write(work)


def stand(tx: Tx, text: str, browser: bytes, cookie: str, now: int) -> Standing | None:
    """Where a flow stands, from what is stored alone."""
    flow = tx.flows.get(digest(FLOW_DIGEST, text)) if text.startswith(FLOW) else None
    if flow is None or flow.browser != browser or now >= flow.expires_at:
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
    if client is None:
        return None
    grant = find_grant(tx, session.account_id, client.id) if session else None
    wanted = Wanted(request.prompt, request.max_age, kept["subject"], request.scope, request.resources)
    step = next_step(wanted, flow, session, client, grant, notice is not None, now)
    return Standing(flow, step, request, client, session, account, grant, notice)


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
