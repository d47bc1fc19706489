"""Connecting on a device without a browser: the user types a short code elsewhere (RFC 8628)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Connection, Health, Reason
from evergrant.keeper.decision.body import Members, Unreadable, members
from evergrant.keeper.decision.health import event
from evergrant.keeper.errors import BadRequest, CallbackRefused, TryLater
from evergrant.keeper.event import What
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent
from evergrant.keeper.provider.model import Dpop, Provider
from evergrant.keeper.service import proving, rows
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.service.connect import wanted
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.ground import Ground, steady
from evergrant.keeper.service.landing import Landing
from evergrant.keeper.service.requested import Requested
from evergrant.keeper.service.told import Connected
from evergrant.keeper.settings import Client
from evergrant.keeper.wire.proof import new_key
from evergrant.keeper.wire.token_request import posted, token_request
from evergrant.protocol.device import (
    GRANT_TYPE,
    DeviceCode,
    Poll,
    backed_off,
    poll_of,
    read_device_code,
    slower,
)

_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to show the user. *complete_uri* has the code in it already, for a QR code; it may be empty.

    The rest is for `wait`; its `repr` names the code that the user sees and nothing else.
    """

    user_code: str
    verification_uri: str
    complete_uri: str
    expires_at: int
    code: DeviceCode
    requested: Requested

    def __repr__(self) -> str:
        return f"<prompt {self.user_code} at {self.verification_uri}>"


Show = Callable[[Prompt], Awaitable[None] | None]


class Device:
    """Begins, shows, waits. Trouble on the way slows the polling down and never ends it (RFC 8628 section 3.5)."""

    def __init__(self, ground: Ground, facts: Facts, landing: Landing) -> None:
        self._ground = ground
        self._facts = facts
        self._landing = landing

    async def connect(self, client: str, account: str, show: Show, **more: Any) -> Connected:
        """`begin`, *show* and `wait` in one; *more* as in `begin`."""
        prompt = await self.begin(client, account, **more)
        shown = show(prompt)
        if shown is not None:
            await shown
        return await self.wait(prompt)

    @steady
    async def begin(
        self,
        client: str,
        account: str,
        *,
        user: str = "",
        scopes: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        tenant: str = "",
        values: Mapping[str, str] | None = None,
        offline: bool | None = None,
        hand_over: bool = False,
    ) -> Prompt:
        """The code to show. Raises `BadRequest` where the provider has no such way, `TryLater` while it is silent."""
        user = user or account
        check_names(tenant=tenant, account=account, user=user, tags=tags)
        ours = self._ground.client(client)
        found = await rows.found(self._ground, ours, account, user, tenant, hand_over=hand_over)
        provider = self._facts.of(ours, found.connection, values)
        if not provider.device_url:
            msg = f"{provider.name} has no device authorization; connect with a browser"
            raise BadRequest(msg)
        asked = wanted(ours, provider, scopes, offline=offline)
        found = await rows.kept(self._ground, found)
        requested = Requested(
            tenant=tenant,
            connection_id=found.connection.id,
            client=client,
            account=account,
            user=user,
            scopes=asked,
            tags=dict(tags or {}),
            values=dict(values or {}),
            anew=found.connection.health is Health.REVOKED,
            offline=offline,
            hand_over=hand_over,
            key=new_key().reveal() if provider.dpop is Dpop.REQUIRED else "",
        )
        code = await self._code(ours, provider, requested)
        await self._begun(found.connection, requested)
        return Prompt(code.user_code, code.verification_uri, code.complete_uri, code.until, code, requested)

    @steady
    async def wait(self, prompt: Prompt) -> Connected:
        """The connection, as soon as the user has allowed it. Raises `CallbackRefused` (denied, unknown_state, …)."""
        code, requested = prompt.code, prompt.requested
        while True:
            await self._ground.pause(code.interval)
            if self._ground.clock.now() >= code.until:
                raise _run_out()
            answer = await self._polled(code, requested)
            found = _members(answer)
            if answer is None or found is None or answer.status >= _SERVER_ERROR:
                code = backed_off(code)
                continue
            poll = poll_of(str(found.get("error", "")))
            if poll is Poll.PENDING:
                continue
            if poll is Poll.SLOWER or answer.status == _TOO_MANY:
                code = slower(code)
                continue
            if poll is Poll.EXPIRED:
                raise _run_out()
            if poll is Poll.DENIED:
                msg = "access was not allowed; nothing was changed"
                raise CallbackRefused(msg, "denied")
            return await self._landing.land(answer, code.device_code.reveal(), requested)

    async def _code(self, ours: Client, provider: Provider, requested: Requested) -> DeviceCode:
        said = {"client_id": ours.client_id}
        if requested.scopes:
            said["scope"] = provider.scope_separator.join(requested.scopes)
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        answer = await self._asked(posted(provider, ours, provider.device_url, said, assertion=proof))
        found = _members(answer)
        if answer is None or found is None or answer.status >= _SERVER_ERROR:
            msg = f"{provider.name} does not answer; try again in a while"
            raise TryLater(msg, 30, Reason.PROVIDER_UNREACHABLE)
        try:
            return read_device_code(found, self._ground.clock.now())
        except ValueError as error:
            code = str(found.get("error", ""))[:60]
            reason = f"refused: {code}" if code.isprintable() and code else str(error)
            raise BadRequest(f"{provider.name}: {reason}") from None

    async def _polled(self, code: DeviceCode, requested: Requested) -> Answer | None:
        ours = self._ground.client(requested.client)
        found = await self._ground.vault.load(requested.tenant, requested.connection_id)
        if found is None:
            msg = "the connection was deleted meanwhile"
            raise CallbackRefused(msg, "unknown_state")
        provider = self._facts.of(ours, found.connection, requested.values)
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        params = {"device_code": code.device_code.reveal()}
        return await self._asked(
            token_request(provider, ours, GRANT_TYPE, params, assertion=proof), requested.proof_key
        )

    async def _asked(self, asked: Asked, key: Secret | None = None) -> Answer | None:
        try:
            return await proving.send(self._ground, asked, key, lambda: self._ground.settings.request_seconds)
        except (NotSent, Lost):
            return None

    async def _begun(self, connection: Connection, requested: Requested) -> None:
        detail = f"device {' '.join(requested.scopes)}"[:200]
        await self._ground.vault.note([event(What.BEGUN, connection, self._ground.clock.now(), detail=detail)])


def _members(answer: Answer | None) -> Members | None:
    if answer is None:
        return None
    try:
        return members(answer.body, answer.headers.get("content-type", ""))
    except Unreadable:
        return None


def _run_out() -> CallbackRefused:
    msg = "the code has run out before it was entered; start again"
    return CallbackRefused(msg, "unknown_state")
