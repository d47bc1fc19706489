"""What a token is worth right now: the question introspection (RFC 7662) and UserInfo ask."""

from typing import Any, NamedTuple

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.account import Account
from evergrant.domain.binding import bound_to, confirmation, token_type
from evergrant.domain.client import Client, ClientType
from evergrant.domain.exchange import line_of
from evergrant.domain.family import Family
from evergrant.domain.token import REFRESH
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.minting import read_access
from evergrant.issuer.settings import Settings
from evergrant.protocol.resource import canonical
from evergrant.store.port import Store, Tx


class Live(NamedTuple):
    """An access token that is worth something, with what it stands on. *family* is None for a client's own token."""

    claims: dict[str, Any]
    family: Family | None
    account: Account | None


class Inspector:
    """Answers from the primary, at once: an ended family is inactive in the next answer."""

    def __init__(self, store: Store, catalog: Catalog, settings: Settings, clock: Clock) -> None:
        self._store, self._catalog, self._settings, self._clock = store, catalog, settings, clock

    async def access(self, text: str) -> Live | None:
        """The access token behind *text* if it is active now, else None."""
        claims, now = await self._claims(text), self._clock.now()
        if claims is None or claims.get("iss") != self._settings.issuer or claims["exp"] <= now:
            return None
        return await self._store.read(lambda tx: standing(tx, claims, now))

    async def _claims(self, text: str) -> dict[str, Any] | None:
        """What an authentic token says, also when another process signed it a moment ago with a key it just made."""
        await self._catalog.fresh()
        claims = read_access(self._catalog.ring, text)
        if claims is None and await self._catalog.changed():
            claims = read_access(self._catalog.ring, text)
        return claims

    async def introspect(self, caller: Client, text: str) -> dict[str, Any]:
        """The introspection answer for *caller*; `{"active": false}` and nothing more when it may not know."""
        if text.startswith(REFRESH):
            return await self._refresh(caller, text)
        live = await self.access(text)
        if live is None or not _entitled(caller, live.claims):
            return {"active": False}
        answer = {"active": True, "token_type": token_type(bound_to(live.claims)), **live.claims}
        if live.account is not None:
            answer["username"] = live.account.username
        return answer

    async def _refresh(self, caller: Client, text: str) -> dict[str, Any]:
        """Only the client that owns it may ask about a refresh token."""
        token, now = self._catalog.ring.read(text), self._clock.now()
        family = None if token is None else await self._store.read(lambda tx: tx.families.get(token.family_id))
        if token is None or family is None or family.client_id != caller.id or family.ended is not None:
            return {"active": False}
        end = min(family.absolute_end, family.head.idle_end)
        if now >= end or token.generation != family.head.generation:
            return {"active": False}
        bound = {"cnf": confirmation(family.binding)} if family.binding else {}
        return {
            "active": True, "iss": self._settings.issuer, "client_id": family.client_id, "sub": family.account_id,
            "scope": family.scope, "iat": family.started_at, "exp": end, "token_type": "refresh_token",
            **bound,
        }  # fmt: skip


def standing(tx: Tx, claims: dict[str, Any], now: int) -> Live | None:
    """What the access token with these claims stands on in the store, None when that is over."""
    if claims["exp"] <= now or any(tx.barred.get(jti) is not None for jti in line_of(claims)):
        return None
    if tx.clients.get(claims["client_id"]) is None:
        return None
    named = claims.get("fam")
    if named is None:
        return Live(claims, None, None)
    family_id = ids.parse(ids.Kind.FAMILY, named) if isinstance(named, str) else None
    family = None if family_id is None else tx.families.get(family_id)
    if family is None or family.ended is not None or now >= family.absolute_end:
        return None
    account = tx.accounts.get(family.account_id)
    return None if account is None or account.disabled else Live(claims, family, account)


def _entitled(caller: Client, claims: dict[str, Any]) -> bool:
    """The client it was issued to, or a resource server named in its audience (RFC 7662 section 2.2).

    A resource server is a service that was registered for the resource; any other client's resources only say what it
    may ask tokens for.
    """
    if claims["client_id"] == caller.id:
        return True
    if caller.type is not ClientType.SERVICE:
        return False
    audience = claims["aud"]
    named = {canonical(uri) for uri in (audience if isinstance(audience, list) else [audience])}
    return bool(named & {canonical(uri) for uri in caller.resources})
