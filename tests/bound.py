"""A client that proves a key with every token request, for tests of what is bound to it.

What lives here: signing in and refreshing with proofs. What must not: assertions of a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from evergrant.domain.client import ClientType
from evergrant.testing.in_process import ISSUER, Issuer, Reply
from tests.issuing import Held
from tests.proving import Prover

TOKEN_URL = f"{ISSUER}/token"
USERINFO_URL = f"{ISSUER}/userinfo"


@dataclass
class Bound(Held):
    """As `Held`; every request brings a new proof of *prover*."""

    prover: Prover = field(default_factory=Prover)

    def proof(self, method: str = "POST", url: str = TOKEN_URL, **changes: Any) -> str:
        return self.prover.proof(method, url, self.issuer.clock.now(), **changes)

    async def present(self, token: str, **more: str) -> Reply:
        return await self.sent(token, {"dpop": self.proof()}, **more)

    async def sent(self, token: str, headers: Mapping[str, str], **more: str) -> Reply:
        """A refresh with these headers and no other proof."""
        return await self.issuer.refresh(self.client, self.secret, token, headers=headers, **more)

    async def userinfo(self, scheme: str = "DPoP", access: str = "", **headers: str) -> Reply:
        """UserInfo with the access token under *scheme*."""
        sent = {"authorization": f"{scheme} {access or self.access}", **headers}
        return await self.issuer.browser().send("GET", "/userinfo", b"", sent)

    def with_key(self, prover: Prover) -> "Bound":
        return replace(self, prover=prover)


async def hold_bound(
    issuer: Issuer,
    type_: ClientType = ClientType.SPA,
    name: str = "Bound",
    prover: Prover | None = None,
    **changes: Any,
) -> Bound:
    """A registered client with tokens of a fresh sign-in by Ada, bound to a key."""
    client, secret = await issuer.client(type_, name, **changes)
    held = Bound(issuer, client, secret, {}, prover or Prover())
    code = await issuer.code(issuer.browser(), client)
    reply = await issuer.redeem(client, secret, code, {"dpop": held.proof()})
    assert reply.status == 200, reply.text
    held.tokens = reply.json()
    return held
