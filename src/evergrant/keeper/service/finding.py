"""Finding connections by name, tag, account and health: always inside one tenant."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import BadRequest, UnknownConnection
from evergrant.keeper.service.ground import steady
from evergrant.keeper.settings import HOUSE
from evergrant.keeper.vault.port import Found, Vault, Wanted

NEAR: Final = 3
LOOKED_AT: Final = 1_000
"""So many accounts are compared for a near name; a guess is not worth reading a large tenant."""
LONGEST: Final = 255
MOST_TAGS: Final = 50


class Finding:
    """Reads only. A tenant that asks for another's connection is told the same as for one that never was."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @steady
    async def named(self, client: str, account: str, tenant: str = "") -> Found:
        """The connection of *account* at *client*. Raises `UnknownConnection` with near names of the same tenant."""
        check_names(tenant=tenant, account=account)
        found = await self._vault.look_up(tenant, client, account)
        if found is not None:
            return found
        near = await self._near(client, account, tenant)
        hint = f"; near: {', '.join(near)}" if near else ""
        msg = f"{account} is not connected at {client}{hint}"
        raise UnknownConnection(msg, near)

    @steady
    async def by_id(self, connection_id: str, tenant: str = "") -> Found:
        """Raises `UnknownConnection`, without near names: ids are not typed by people."""
        check_names(tenant=tenant)
        found = await self._vault.load(tenant, connection_id)
        if found is None:
            msg = f"there is no connection {connection_id[:64]}"
            raise UnknownConnection(msg)
        return found

    @steady
    async def find(
        self,
        *,
        tenant: str = "",
        client: str = "",
        provider: str = "",
        account: str = "",
        user: str = "",
        health: str = "",
        tags: Mapping[str, str] | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[Connection]:
        """Connections in order of id, from the one after *after*; what is empty does not narrow."""
        check_names(tenant=tenant, account=account, user=user, tags=tags or {})
        wanted = Wanted(tenant, client, provider, account, user, health, tags or {})
        return await self._vault.search(wanted, after=after, limit=limit)

    async def _near(self, client: str, account: str, tenant: str) -> tuple[str, ...]:
        there = await self._vault.search(Wanted(tenant, client=client), limit=LOOKED_AT)
        return tuple(get_close_matches(account, [one.account for one in there], n=NEAR, cutoff=0.6))


def check_names(*, tenant: str = "", account: str = "", user: str = "", tags: Mapping[str, str] | None = None) -> None:
    """Raise `BadRequest` naming what is no name: too long, not printable, or the keeper's own tenant."""
    if tenant == HOUSE:
        msg = f"the tenant {HOUSE} is the keeper's own"
        raise BadRequest(msg)
    tags = tags or {}
    if len(tags) > MOST_TAGS:
        msg = f"a connection has at most {MOST_TAGS} tags"
        raise BadRequest(msg)
    named: dict[str, object] = {
        "tenant": tenant,
        "account": account,
        "user": user,
        **{f"tag {key[:40]}": key for key in tags},
    }
    named.update({f"value of tag {key[:40]}": value for key, value in tags.items()})
    for what, text in named.items():
        if not isinstance(text, str) or len(text) > LONGEST or (text and not text.isprintable()):
            msg = f"the {what} is text of at most {LONGEST} printable characters"
            raise BadRequest(msg)
