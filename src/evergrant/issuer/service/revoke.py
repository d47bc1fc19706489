"""Revocation by a client (RFC 7009): any generation of a refresh token ends its family; an access token only itself."""

from typing import Final

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.client import Client
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family
from evergrant.domain.reason import Reason
from evergrant.domain.throttle import Barred
from evergrant.domain.token import REFRESH
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.ends import end_family
from evergrant.issuer.service.minting import read_access
from evergrant.protocol.error import Code, Refused
from evergrant.store.applying import end_access
from evergrant.store.port import Store, Tx

_FOREIGN: Final = "The token was issued to another client."


class Revoker:
    """Revokes tokens for the clients that hold them."""

    def __init__(self, store: Store, catalog: Catalog, clock: Clock) -> None:
        self._store, self._catalog, self._clock = store, catalog, clock

    async def revoke(self, client: Client, text: str, network: str, agent: str) -> None:
        """End what *text* stands for; unknown tokens are no error.

        Raises `Refused` for another client's token, but only to a client that proved who it is: whoever merely names
        itself would be told which tokens are live (X10).
        """
        if text.startswith(REFRESH):
            await self._refresh(client, text, network, agent)
        else:
            await self._access(client, text, network, agent)

    async def _refresh(self, client: Client, text: str, network: str, agent: str) -> None:
        token, now = self._catalog.ring.read(text), self._clock.now()
        if token is None:
            return

        def work(tx: Tx) -> bool:
            family = tx.families.get(token.family_id)
            if family is None:
                return True
            if family.client_id != client.id:
                tx.events.add([_foreign(family, client, now, network, agent)])
                return False
            end_family(tx, family, Reason.REVOKED, now, network, agent)
            return True

        if not await self._store.write(work) and client.confidential:
            raise Refused(Code.INVALID_REQUEST, _FOREIGN)

    async def _access(self, client: Client, text: str, network: str, agent: str) -> None:
        claims, now = read_access(self._catalog.ring, text), self._clock.now()
        if claims is None or claims["exp"] <= now:
            return
        if claims["client_id"] != client.id:
            if client.confidential:
                raise Refused(Code.INVALID_REQUEST, _FOREIGN, f"an access token of {claims['client_id']}")
            return

        def work(tx: Tx) -> None:
            barred, ended = Barred(claims["jti"], claims["exp"]), Ended(now, Reason.REVOKED)
            end_access(tx, barred, ended, claims["sub"], client.id)
            tx.events.add([
                Event(now, What.ACCESS_REVOKED, client.id, claims["sub"], claims.get("fam", ""), network=network,
                      agent=agent)
            ])  # fmt: skip

        await self._store.write(work)


def _foreign(family: Family, client: Client, now: int, network: str, agent: str) -> Event:
    """Somebody held a token that was not theirs: the operator is told whose family it was, the caller is not."""
    return Event(
        now, What.FAMILY_REFUSED, client.id, family.account_id, ids.text(ids.Kind.FAMILY, family.id),
        family.session_id, "revoked_by_another_client", family.head.generation, network, agent,
    )  # fmt: skip
