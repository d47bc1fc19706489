"""Connecting an account with a browser: begin sends it away, finish takes it back (RFC 6749, RFC 7636, RFC 9207).

The checks of `finish` come in the order in which less is given away: the state, the user, the address, the issuer, and
only then what the provider says. The code leaves for the token endpoint when all of them have passed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from evergrant.keeper.connection import Connection, Health, Pending
from evergrant.keeper.decision.allowed import needs_refresh_token
from evergrant.keeper.decision.health import event
from evergrant.keeper.errors import BadRequest, CallbackRefused, UnknownProvider
from evergrant.keeper.event import Event, What
from evergrant.keeper.provider.model import Dpop, Pkce, Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service import requested as authorization
from evergrant.keeper.service import rows
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.ground import Ground, steady
from evergrant.keeper.service.landing import Landing
from evergrant.keeper.service.proving import prover
from evergrant.keeper.service.requested import Requested
from evergrant.keeper.service.returning import check_return
from evergrant.keeper.service.told import Connected, Link
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Found
from evergrant.keeper.wire.proof import new_key
from evergrant.keeper.wire.token_request import token_request
from evergrant.protocol.authorization_url import authorization_url
from evergrant.protocol.callback import Callback, came_to, issuer_agrees, read_callback
from evergrant.protocol.pkce import challenge_of

CODE: Final = "authorization_code"
DENIED: Final = "access_denied"
_SCOPE_MARKS: Final = frozenset(' "\\')
_LONGEST_SCOPE: Final = 1_000


class Connect:
    """Begins and finishes. Every reason to refuse a callback is noted in the audit trail."""

    def __init__(self, ground: Ground, facts: Facts, landing: Landing) -> None:
        self._ground = ground
        self._facts = facts
        self._landing = landing

    @steady
    async def begin(
        self,
        client: str,
        account: str,
        *,
        user: str = "",
        scopes: Sequence[str] = (),
        return_to: str = "",
        tags: Mapping[str, str] | None = None,
        tenant: str = "",
        values: Mapping[str, str] | None = None,
        offline: bool | None = None,
        hand_over: bool = False,
        redirect_uri: str = "",
    ) -> Link:
        """Where to send the browser of *user* (default: the account's own name), and until when that works.

        *values* fills placeholders in the provider's addresses (shop, tenant). *offline*: whether a refresh token is a
        must; None asks for one and takes what comes where a provider has none. *hand_over* lets another user than the
        first reconnect. *redirect_uri* is for loopback alone. Raises `BadRequest`, `UnknownProvider`, `NotUsable`.
        """
        user = user or account
        check_names(tenant=tenant, account=account, user=user, tags=tags)
        ours = self._ground.client(client)
        check_return(return_to, self._ground.settings.return_to)
        found = await rows.found(self._ground, ours, account, user, tenant, hand_over=hand_over)
        provider = self._facts.of(ours, found.connection, values)
        _check_filled(provider)
        asked = wanted(ours, provider, scopes, offline=offline)
        back = redirect_uri or self._redirect_uri(ours)
        found = await rows.kept(self._ground, found)
        requested = Requested(
            tenant=tenant,
            connection_id=found.connection.id,
            client=client,
            account=account,
            user=user,
            scopes=asked,
            redirect_uri=back,
            verifier="" if provider.pkce is Pkce.UNSUPPORTED else self._ground.draw(),
            nonce=self._ground.draw() if "openid" in asked else "",
            return_to=return_to,
            tags=dict(tags or {}),
            values=dict(values or {}),
            anew=found.connection.health is Health.REVOKED,
            offline=offline,
            hand_over=hand_over,
            key=new_key().reveal() if provider.dpop is Dpop.REQUIRED else "",
        )
        return await self._sent_away(ours, provider, requested, found)

    @steady
    async def finish(self, callback_url: str, user: str, *, tenant: str = "") -> Connected:
        """The connection that stands after the browser of *user* came back to *callback_url*.

        Raises `CallbackRefused`, whose code says why; a connection that worked before works on.
        """
        try:
            callback = read_callback(callback_url)
        except ValueError as error:
            raise CallbackRefused(f"{error}; start again", "unknown_state") from None
        now = self._ground.clock.now()
        pending = await self._taken(callback, now)
        if pending is None or pending.tenant != tenant:
            await self._ground.vault.note([Event(now, What.CALLBACK_REFUSED, tenant=tenant, reason="unknown_state")])
            msg = "this link is unknown, was used before, or has run out; start again"
            raise CallbackRefused(msg, "unknown_state")
        try:
            return await self._finished(callback, pending, user)
        except CallbackRefused as refused:
            await self._note(pending, refused)
            raise

    async def _taken(self, callback: Callback, now: int) -> Pending | None:
        if not callback.state:
            return None
        return await self._ground.vault.take_callback(authorization.state_digest(callback.state), now)

    async def _finished(self, callback: Callback, pending: Pending, user: str) -> Connected:
        try:
            requested = authorization.opened(pending, self._ground.sealer)
        except Unreadable:
            msg = "what was kept for this link cannot be read any more; start again"
            raise CallbackRefused(msg, "unknown_state") from None
        if not user or user != requested.user:
            msg = "somebody else started this; sign in as that user, or start again yourself"
            raise CallbackRefused(msg, "other_user")
        if not came_to(callback, requested.redirect_uri):
            msg = "this answer came to another address than the one it was asked for at; start again"
            raise CallbackRefused(msg, "unknown_state")
        ours, connection = await self._known(requested)
        kept = _kept(callback, self._facts.base(ours, connection))
        try:
            provider = self._facts.of(ours, connection, requested.values, kept)
        except BadRequest as error:
            msg = f"this answer leads to an address that is not the provider's; nothing was sent there ({error})"
            raise CallbackRefused(msg, "provider_error") from None
        if not issuer_agrees(callback, provider.issuer, always=provider.iss_in_callback):
            msg = "this answer does not come from the provider that was asked; nothing was sent to it"
            raise CallbackRefused(msg, "issuer_mismatch")
        _check_answer(callback, provider)
        params = {"code": callback.code, "redirect_uri": requested.redirect_uri}
        if requested.verifier:
            params["code_verifier"] = requested.verifier
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        asked = token_request(provider, ours, CODE, params, assertion=proof)
        return await self._landing.exchange(asked, callback.code, requested, kept)

    async def _known(self, requested: Requested) -> tuple[Client, Connection]:
        found = await self._ground.vault.load(requested.tenant, requested.connection_id)
        if found is None:
            msg = "the connection was deleted meanwhile; start again"
            raise CallbackRefused(msg, "unknown_state")
        try:
            return self._ground.client(requested.client), found.connection
        except UnknownProvider:
            msg = f"{requested.client} is not offered any more"
            raise CallbackRefused(msg, "unknown_state") from None

    async def _sent_away(self, ours: Client, provider: Provider, requested: Requested, found: Found) -> Link:
        connection = found.connection
        again = requested.offline is not False
        again = again and needs_refresh_token(connection, found.records, requested.scopes)
        state = self._ground.draw()
        now = self._ground.clock.now()
        until = now + self._ground.settings.link_seconds
        try:
            url = authorization_url(
                provider.authorize_url,
                {**_params(ours, provider, requested, state, again=again), **self._bound(requested)},
            )
        except ValueError as error:
            raise BadRequest(f"{provider.id}: {error}") from None
        pending = authorization.pending(requested, state, self._ground.sealer, now=now, until=until)
        await self._ground.vault.await_callback(pending)
        await self._ground.vault.note([event(What.BEGUN, connection, now, detail=" ".join(requested.scopes)[:200])])
        return Link(url, pending.state_digest.hex()[:16], until, connection.id)

    def _bound(self, requested: Requested) -> dict[str, str]:
        """The key that alone can redeem the code (RFC 9449 section 10), where there is one."""
        held = prover(self._ground, requested.proof_key)
        return {} if held is None else {"dpop_jkt": held.jkt}

    def _redirect_uri(self, ours: Client) -> str:
        """The client's own, which no other client of ours may share: it tells whose answer a callback brings."""
        if not ours.redirect_uri:
            msg = f"the client {ours.name} has no redirect_uri; set one, or connect by device or loopback"
            raise BadRequest(msg)
        shared = [
            one.name
            for one in self._ground.settings.clients.values()
            if one.name != ours.name and one.redirect_uri == ours.redirect_uri
        ]
        if shared:
            msg = f"{ours.name} and {shared[0]} share one redirect_uri; give each its own"
            raise BadRequest(msg)
        return ours.redirect_uri

    async def _note(self, pending: Pending, refused: CallbackRefused) -> None:
        note = Event(
            at=self._ground.clock.now(),
            what=What.CALLBACK_REFUSED,
            tenant=pending.tenant,
            connection_id=pending.connection_id,
            client=pending.client,
            reason=refused.code,
        )
        await self._ground.vault.note([note])


def wanted(ours: Client, provider: Provider, scopes: Sequence[str], *, offline: bool | None) -> tuple[str, ...]:
    """The scopes to ask for: the caller's or the client's, and the one that brings a refresh token."""
    asked = list(dict.fromkeys(scopes or ours.scopes))
    for scope in asked:
        if not scope or len(scope) > _LONGEST_SCOPE or not (scope.isascii() and scope.isprintable()):
            raise BadRequest(f"{scope[:40]!r} is no scope")
        if _SCOPE_MARKS & set(scope):
            raise BadRequest(f"{scope[:40]!r} is no scope; give several as several")
    if provider.refresh_scope and offline is not False and provider.refresh_scope not in asked:
        asked.append(provider.refresh_scope)
    return tuple(asked)


def _check_filled(provider: Provider) -> None:
    """What the callback tells may be open until then; where to send the browser may not."""
    for name in provider.placeholders:
        if f"{{{name}}}" in provider.authorize_url:
            msg = f"{provider.name} needs a value for {name}"
            raise BadRequest(msg)


def _params(ours: Client, provider: Provider, requested: Requested, state: str, *, again: bool) -> dict[str, str]:
    challenge = challenge_of(requested.verifier) if requested.verifier else ""
    return {
        **provider.authorize_params,
        **(provider.reconsent_params if again else {}),
        "response_type": "code",
        "client_id": ours.client_id,
        "redirect_uri": requested.redirect_uri,
        "scope": provider.scope_separator.join(requested.scopes),
        "state": state,
        "nonce": requested.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256" if challenge else "",
    }


def _check_answer(callback: Callback, provider: Provider) -> None:
    if callback.error == DENIED:
        msg = f"{provider.name} says that access was not allowed; nothing was changed"
        raise CallbackRefused(msg, "denied")
    if callback.error:
        msg = f"{provider.name} answered {callback.error}; nothing was changed"
        raise CallbackRefused(msg, "provider_error")
    if not callback.code:
        msg = f"the answer of {provider.name} has no code; start again"
        raise CallbackRefused(msg, "no_code")


def _kept(callback: Callback, provider: Provider) -> dict[str, str]:
    """What the callback says beyond the RFC that calls of the API need later."""
    found = {name: callback.params.get(param, "") for param, name in provider.callback_fields.items()}
    return {name: value[:500] for name, value in found.items() if value and value.isprintable()}
