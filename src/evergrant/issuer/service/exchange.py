"""Exchanging a received access token for a narrower one (RFC 8693): checks, one transaction, one signature.

The new token names the family of the old one and the old one itself, so whatever ends either ends it too, and it never
lasts longer than the old one. No refresh token comes of an exchange (section 2.2.1): the person agreed to one client's,
not to another's.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from evergrant.clock import Clock
from evergrant.domain.binding import bound_to, token_type
from evergrant.domain.client import Client
from evergrant.domain.event import Event, What
from evergrant.domain.exchange import Hindrance, Subject, acting, hindrance, line_of, targets
from evergrant.domain.scope import OFFLINE, OPENID, ScopeSyntaxError, join, parse_scope, split
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.inspect import Inspector, Live, standing
from evergrant.issuer.service.lending import CannotLend, Lender
from evergrant.issuer.service.minting import Minter, Target, aimed, still_allowed
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.exchange import ACCESS_TOKEN, ExchangeAsk
from evergrant.protocol.resource import canonical
from evergrant.store.port import Store, Tx, whole

_DEAD: Final = "The subject token is not valid."
# A scope of this name, once the configuration describes it, is what a person agrees to before their token is lent.
PROVIDER_SCOPE: Final = "provider:"
_CODES: Final[dict[Hindrance, tuple[Code, str]]] = {
    Hindrance.NOT_RECEIVED: (Code.INVALID_REQUEST, _DEAD),
    Hindrance.BOUND: (Code.INVALID_REQUEST, _DEAD),
    Hindrance.ACTOR: (Code.INVALID_REQUEST, "The subject token may not be used by this client."),
    Hindrance.LOOP: (Code.INVALID_REQUEST, "This client is in the token's chain of actors already."),
    Hindrance.DEPTH: (Code.INVALID_REQUEST, "The token's chain of actors is too long."),
    Hindrance.DESCENT: (Code.INVALID_REQUEST, "The token was exchanged too often in a row."),
    Hindrance.AUDIENCE: (Code.INVALID_TARGET, "This client may not go there with that token."),
    Hindrance.NOWHERE: (Code.INVALID_TARGET, "The token was for no resource that a token can be issued for."),
}


class Caller(NamedTuple):
    """Who exchanges: the client, where it came from, and the confirmation members that its request proves."""

    client: Client
    network: str
    agent: str
    proved: dict[str, str]


class Exchanger:
    """Exchanges tokens of one issuer."""

    def __init__(
        self, store: Store, catalog: Catalog, minter: Minter, settings: Settings, clock: Clock, lender: Lender
    ) -> None:  # fmt: skip
        self._store, self._catalog, self._minter, self._settings = store, catalog, minter, settings
        self._lender = lender
        self._inspector = Inspector(store, catalog, settings, clock)

    async def _received(self, caller: Caller, text: str, now: int) -> tuple[Live, Subject]:
        """The living token behind *text* that *caller* may exchange. Raises `Refused`; the event tells of it."""
        live = await self._inspector.access(text)
        if live is None:
            raise Refused(Code.INVALID_REQUEST, _DEAD, "the subject token is none of ours, or is not active")
        audience = live.claims["aud"]
        named = {canonical(uri) for uri in (audience if isinstance(audience, list) else [audience])}
        subject = Subject(live.claims, frozenset(named & self._settings.resources.keys()))
        own = frozenset(canonical(uri) for uri in caller.client.resources)
        found = hindrance(caller.client, own, subject, caller.proved)
        if found is not None:
            await self._refuse(caller, live, found, now)
        return live, subject

    async def exchange(self, caller: Caller, ask: ExchangeAsk, now: int) -> dict[str, Any]:
        """The answer's members. Raises `Refused`."""
        live, subject = await self._received(caller, ask.subject, now)
        if ask.audience in caller.client.exchange_providers and not ask.resources:
            return await self._lent(caller, live, ask, now)
        target = await self._target(caller, live, subject, ask, now)
        claims = live.claims
        more = {"sub": claims["sub"], "jti_from": line_of(claims), **acting(caller.client, claims)}
        if live.family is not None and live.family.client_id != caller.client.id:
            more["fam_client"] = live.family.client_id  # so that ends of that client or its grants are seen to reach it
        if caller.proved:  # what the old token was bound to, or what this request proves of its own accord
            more["cnf"] = caller.proved
        until = claims["exp"]
        made = whole(
            self._minter.access(self._catalog.ring, caller.client, target, live.family, now, more=more, until=until)
        )
        await self._store.write(_done(caller, live, now, f"for {' '.join(target.audience)}"))
        return {
            "access_token": made.text, "issued_token_type": ACCESS_TOKEN, "token_type": token_type(bound_to(more)),
            "expires_in": made.expires_in, "scope": made.scope,
        }  # fmt: skip

    async def _lent(self, caller: Caller, live: Live, ask: ExchangeAsk, now: int) -> dict[str, Any]:
        """The person's access token at another provider, from whoever keeps it."""
        provider, claims = ask.audience or "", live.claims
        if live.family is None:
            raise Refused(Code.INVALID_TARGET, "The token speaks for no person.")
        wanted = f"{PROVIDER_SCOPE}{provider}"
        if wanted in self._settings.scopes and wanted not in split(claims["scope"]):
            raise Refused(Code.INVALID_SCOPE, "The person did not agree to that use of their account.", wanted)
        if ask.scope:
            raise Refused(Code.INVALID_SCOPE, "The scope at another provider was decided when it was connected.")
        try:
            lent = await self._lender.lend(provider, claims["sub"], caller.client.id)
        except CannotLend as error:
            await self._store.write(_told(caller, live, now, f"at {provider}: {error}", What.EXCHANGE_REFUSED))
            raise _unlent(error) from error
        await self._store.write(_done(caller, live, now, f"at {provider}"))
        members = {
            "access_token": lent.token.reveal(), "issued_token_type": ACCESS_TOKEN, "token_type": lent.token_type,
            "expires_in": lent.expires_in, "scope": lent.scope,
        }  # fmt: skip
        return {name: value for name, value in members.items() if value not in {None, ""}}

    async def _target(self, caller: Caller, live: Live, subject: Subject, ask: ExchangeAsk, now: int) -> Target:
        asked = [*ask.resources, *([ask.audience] if ask.audience else [])]
        try:
            named = {canonical(uri) for uri in asked}
        except ValueError as error:
            raise Refused(Code.INVALID_TARGET, "A resource is an absolute URI without fragment.") from error
        allowed = frozenset(canonical(uri) for uri in caller.client.exchange_resources)
        found = targets(named, subject, allowed & self._settings.resources.keys())
        if isinstance(found, Hindrance):
            await self._refuse(caller, live, found, now)
        scope = _scope(ask.scope, self._granted(live, [uri for uri in found if uri in allowed]), caller.client)
        return aimed(self._settings, caller.client, scope, [self._settings.resources[uri] for uri in found])

    def _granted(self, live: Live, further: list[str]) -> str:
        """What may come along to the token's own audience, and to *further* resources.

        A token names the scopes of its own audience alone (RFC 8707 section 2); further on, the person's grant says.
        """
        beyond = {name for uri in further for name in self._settings.resources[uri].scopes}
        had = split(live.family.scope) if live.family is not None else ()
        return join({*split(live.claims["scope"]), *(beyond & set(had))})

    async def _refuse(self, caller: Caller, live: Live, found: Hindrance, now: int) -> NoReturn:
        code, description = _CODES[found]
        await self._store.write(_told(caller, live, now, found.value, What.EXCHANGE_REFUSED))
        raise Refused(code, description, found.value)


def _unlent(error: CannotLend) -> Refused:
    if error.later:
        return Refused(Code.TEMPORARILY_UNAVAILABLE, "Try again in a moment.", str(error))
    if error.uri:
        told = "The person must connect that account again."
        return Refused(Code.INTERACTION_REQUIRED, told, str(error), uri=error.uri)
    return Refused(Code.INVALID_TARGET, "There is no token for that target.", str(error))


def _scope(asked: str | None, had: str, client: Client) -> str:
    """The scope of the new token: what was asked for, within what the old one had, less what speaks of signing in."""
    theirs = join(set(split(had)) - {OPENID, OFFLINE})
    rest = still_allowed(theirs, client)
    if theirs and not rest:
        raise Refused(Code.INVALID_SCOPE, "Nothing of the subject token's scope is open to this client.")
    if not asked:
        return rest
    try:
        wanted = parse_scope(asked)
    except ScopeSyntaxError as error:
        raise Refused(Code.INVALID_SCOPE, "The scope holds a character that is not allowed.") from error
    if not wanted <= set(split(rest)):
        raise Refused(Code.INVALID_SCOPE, "The scope asks for more than the subject token has.")
    return join(wanted)


def _done(caller: Caller, live: Live, now: int, detail: str) -> Callable[[Tx], None]:
    """The event of a success, if all that it stands on still stands: an end that was answered meanwhile comes first."""
    told = _told(caller, live, now, detail)

    def work(tx: Tx) -> None:
        if standing(tx, live.claims, now) is None or tx.clients.get(caller.client.id) is None:
            raise Refused(Code.INVALID_REQUEST, _DEAD, "it ended while it was being exchanged")
        told(tx)

    return work


def _told(caller: Caller, live: Live, now: int, detail: str, what: What = What.TOKEN_EXCHANGED) -> Callable[[Tx], None]:
    family = live.family
    event = Event(
        now, what, caller.client.id, live.claims["sub"] if family is not None else "", live.claims.get("fam", ""),
        live.claims.get("sid", ""), network=caller.network, agent=caller.agent,
        detail=f"{detail}; the token was issued to {live.claims['client_id']}",
    )  # fmt: skip

    def work(tx: Tx) -> None:
        tx.events.add([event])

    return work
