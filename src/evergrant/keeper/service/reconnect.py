"""Reconnect links: sealed by us, good for one user, one connection and one use, until a date.

Whoever opens one has to be signed in to the application as that user, so a link that was forwarded, or fetched by a
mail scanner, starts nothing. A link dies at once when the connection has been connected again meanwhile.
"""

import json
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from evergrant.domain.base64url import decode, encode
from evergrant.domain.secret import digest
from evergrant.keeper.connection import Connection, Pending
from evergrant.keeper.errors import CallbackRefused
from evergrant.keeper.sealing import Place, Unreadable
from evergrant.keeper.service.connect import Connect
from evergrant.keeper.service.ground import Ground, steady
from evergrant.keeper.service.told import Link
from evergrant.keeper.vault.port import Taken

PARAM: Final = "reconnect"
_PLACE: Final = Place("", "", "reconnect link")
_USED: Final = "keeper reconnect link"


class Reconnect:
    """Makes links without touching the vault, so that telling a thousand callers the same costs nothing."""

    def __init__(self, ground: Ground, connect: Connect) -> None:
        self._ground = ground
        self._connect = connect

    def link(self, connection: Connection, scopes: Sequence[str] = ()) -> str:
        """The address to send the connection's user to, empty when the settings name no `reconnect_page`."""
        page = self._ground.settings.reconnect_page
        if not page:
            return ""
        return f"{page}{'&' if '?' in page else '?'}{PARAM}={self.token(connection, scopes)}"

    def token(self, connection: Connection, scopes: Sequence[str] = ()) -> str:
        """What a link carries: for an application that makes its own addresses. *scopes* are asked for in addition."""
        said = {
            "tenant": connection.tenant,
            "connection": connection.id,
            "user": connection.user,
            "scopes": list(dict.fromkeys([*connection.asked_scope, *scopes])),
            "connected_at": connection.connected_at,
            "until": self._ground.clock.now() + self._ground.settings.reconnect_seconds,
            "once": self._ground.draw(16),
        }
        return encode(self._ground.sealer.seal(json.dumps(said).encode(), _PLACE)).decode("ascii")

    @steady
    async def begin(self, link: str, user: str, *, tenant: str = "", return_to: str = "") -> Link:
        """Where to send the browser of *user*, who opened *link* (the whole address, or the token in it).

        Raises `CallbackRefused`: unknown_state for a link that is changed, used, over or overtaken; other_user.
        """
        said = self._read(link)
        now = self._ground.clock.now()
        if said is None or said["tenant"] != tenant or said["until"] <= now:
            raise _unknown("this link is not valid, or has run out")
        found = await self._ground.vault.load(tenant, said["connection"])
        if found is None or found.connection.connected_at != said["connected_at"]:
            raise _unknown("this link is over: the account was connected again, or removed")
        connection = found.connection
        if not user or user != said["user"] or user != connection.user:
            msg = "this link is for another user; sign in as the one who connected the account"
            raise CallbackRefused(msg, "other_user")
        used = digest(_USED, said["once"])
        try:
            await self._ground.vault.await_callback(
                Pending(used, tenant, connection.id, connection.client, user, now, said["until"], b"")
            )
        except Taken:
            raise _unknown("this link was used before") from None
        return await self._connect.begin(
            connection.client,
            connection.account,
            user=user,
            scopes=tuple(said["scopes"]),
            return_to=return_to,
            tenant=tenant,
        )

    def meant(self, link: str) -> str:
        """Which connection *link* is for, to show it; empty for a changed one. Whether it may be used, `begin` says."""
        said = self._read(link)
        return str(said["connection"]) if said is not None else ""

    def _read(self, link: str) -> dict[str, Any] | None:
        token = parse_qs(urlsplit(link).query).get(PARAM, [link])[0]
        try:
            said = json.loads(self._ground.sealer.unseal(decode(token), _PLACE))
        except (Unreadable, NotBase64, ValueError):
            return None
        return dict(said)


def _unknown(sentence: str) -> CallbackRefused:
    return CallbackRefused(f"{sentence}; ask for a new one", "unknown_state")
