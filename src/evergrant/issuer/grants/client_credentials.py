"""grant_type=client_credentials (RFC 6749 section 4.4): a token for the client itself, never a refresh token."""

from typing import Any

from evergrant.domain.binding import confirmation, token_type
from evergrant.domain.client import Client
from evergrant.domain.scope import OFFLINE, OPENID, ScopeSyntaxError, join, parse_scope
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import FAILED, failed
from evergrant.issuer.service.minting import Minter, target_of
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.protocol.resource import known_resources
from evergrant.store.port import Store, whole
from evergrant.web.ask import Ask

# Scopes that speak of a person mean nothing where there is none.
PERSONAL = frozenset({OPENID, OFFLINE, "profile", "email", "address", "phone"})


class ClientCredentialsGrant:
    """The client credentials grant."""

    def __init__(self, store: Store, catalog: Catalog, minter: Minter, settings: Settings) -> None:
        self._store, self._catalog, self._minter = store, catalog, minter
        self._settings = settings

    async def answer(self, client: Client, ask: Ask, form: Form, now: int, binding: str) -> dict[str, Any]:
        # Read from the primary: a client deleted a moment ago elsewhere gets nothing.
        if await self._store.read(lambda tx: tx.clients.get(client.id)) is None:
            raise failed(ask, FAILED, "client is gone")
        scope = _scope(form.get("scope"), client)
        resources = known_resources(form.resources, self._settings.resources, client.resources)
        target = target_of(self._settings, client, scope, resources)
        more = {"cnf": confirmation(binding)} if binding else None
        access = whole(self._minter.access(self._catalog.ring, client, target, None, now, more=more))
        return {
            "access_token": access.text, "token_type": token_type(binding), "expires_in": access.expires_in,
            "scope": access.scope,
        }  # fmt: skip


def _scope(given: str | None, client: Client) -> str:
    open_to_it = frozenset(client.scopes) - PERSONAL
    if not given:
        return join(open_to_it)
    try:
        asked = parse_scope(given)
    except ScopeSyntaxError as error:
        raise Refused(Code.INVALID_SCOPE, "The scope holds a character that is not allowed.") from error
    if not asked <= open_to_it:
        raise Refused(Code.INVALID_SCOPE, "The scope asks for more than this client may have.")
    return join(asked)
