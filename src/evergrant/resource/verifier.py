"""The verifier: one object per API and issuer, asked once per request.

A token that was seen before is judged from memory; one that is new by the keys at hand. Only what neither can answer
waits for the issuer, and no longer than its budget.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from evergrant.clock import Clock, SystemClock
from evergrant.entropy import Entropy, SystemEntropy
from evergrant.fetch.address import is_loopback
from evergrant.fetch.fetcher import Fetcher, Reach
from evergrant.keys.checking import ALGORITHMS
from evergrant.resource.access import Access
from evergrant.resource.asking import Asking
from evergrant.resource.authorization import read
from evergrant.resource.challenge import Offer
from evergrant.resource.core import Core
from evergrant.resource.demand import met
from evergrant.resource.ended import Ended
from evergrant.resource.follow import Follow
from evergrant.resource.introspection import Introspection
from evergrant.resource.limits import Limits
from evergrant.resource.possession import NOTHING, Dpop, Holding, Possession
from evergrant.resource.refused import Refused
from evergrant.resource.rules import LEEWAY, rules
from evergrant.resource.shape import RFC9068, Shape


class Verifier:
    """Verifies access tokens of one issuer for one API. Make it once, with `for_issuer`, and close it."""

    def __init__(self, core: Core, asking: Asking, offer: Offer, holding: Holding) -> None:
        self._core: Final = core
        self._asking: Final = asking
        self._holding: Final = holding
        self.offer: Final = offer

    @classmethod
    def for_issuer(
        cls,
        issuer: str,
        *,
        audience: str | Iterable[str],
        shape: Shape = RFC9068,
        algorithms: Iterable[str] = ALGORITHMS,
        sole_audience: bool = False,
        leeway: int = LEEWAY,
        introspection: Introspection | None = None,
        follow: Follow | None = None,
        dpop: Dpop | None = None,
        realm: str = "",
        resource_metadata: str = "",
        scopes: Iterable[str] = (),
        keys_url: str = "",
        networks: Iterable[str] = (),
        authorities: str = "",
        limits: Limits | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> Self:
        """A verifier of the tokens that *issuer* makes for *audience*; asks nobody before the first token comes.

        *introspection*: take opaque tokens too. *follow*: hear at once what has ended. *realm*, *resource_metadata*
        (RFC 9728) and *scopes* are told in challenges. *keys_url*: instead of discovery. *networks*: private ones, in
        CIDR, in which the issuer may be. *authorities*: a file with certificate authorities instead of the system's.
        Raises `ValueError`.
        """
        bounds = limits or Limits()
        judged_by = rules(issuer, audience, shape, algorithms, sole_audience=sole_audience, leeway=leeway)
        core = Core(judged_by, bounds, clock or SystemClock(), Ended())
        near = is_loopback(urlsplit(issuer).hostname or "")
        reach = Reach(near, tuple(networks), bounds.fetch_seconds, bounds.document_bytes)
        fetcher = Fetcher(reach, verify=authorities)
        asking = Asking(core, fetcher, keys_url, introspection, follow, entropy or SystemEntropy())
        holding = Holding(dpop)
        offer = Offer(not holding.required, holding.algorithms, realm, resource_metadata, tuple(scopes))
        return cls(core, asking, offer, holding)

    async def __aenter__(self) -> Self:
        self._asking.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop what runs in the background. Safe to call twice."""
        await self._asking.stop()

    async def verify(
        self,
        authorization: str | bytes | None,
        *,
        scopes: Iterable[str] = (),
        acr: Iterable[str] = (),
        max_age: int | None = None,
        possession: Possession = NOTHING,
    ) -> Access:
        """What the request's Authorization header allows. Raises `Refused`, and nothing else, whatever the header is.

        *scopes*: all of these are needed. *acr*: one of these levels. *max_age*: the oldest sign-in, in seconds.
        *possession*: what else the request brought, where tokens may be bound to a key or a certificate.
        """
        try:
            access = self.at_once(authorization)
            if access is None:
                access = await self.slowly(authorization)
            self.deserves(access, authorization, scopes, acr, max_age, possession)
        except Refused as refused:
            refused.offer = self.offer
            raise
        return access

    async def verify_token(self, token: str, **asked: Any) -> Access:
        """As `verify`, for a bearer token that came without a header."""
        return await self.verify(f"Bearer {token}", **asked)

    def forked(self) -> None:
        """In a child process: what the parent follows is not followed here yet."""
        self._core.look_anew()

    def nonce(self) -> str:
        """The DPoP nonce to send along with answers (RFC 9449 section 8.2); empty where none is used."""
        return self._holding.nonce(self._core.clock.now())

    def at_once(self, authorization: str | bytes | None) -> Access | None:
        """What needs nobody else: the access by memory and keys at hand, or None. Raises `Refused`."""
        core = self._core
        header = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
        access = core.remembered(header) if header else None
        if access is not None or core.due:
            return access
        presented = read(header)
        return core.judged(presented) if presented.dotted else None

    async def slowly(self, authorization: str | bytes | None) -> Access:
        """The access for what has to be asked about. Raises `Refused`."""
        return await self._asking.access(read(authorization))

    def deserves(
        self,
        access: Access,
        authorization: str | bytes | None,
        scopes: Iterable[str],
        acr: Iterable[str],
        max_age: int | None,
        possession: Possession,
    ) -> None:
        """Raise `Refused` unless the token was sent as it must be, and has what the route asks for."""
        if access.bound or self._holding.required or not authorization or authorization[:1] not in _B:
            self._holding.check(read(authorization), access, possession, self._core.clock.now())
        if scopes or acr or max_age is not None:
            met(access, scopes, acr, max_age, self._core)


_B: Final = ("B", "b", b"B", b"b")
"""How a header begins that can only be of the scheme Bearer; every other one is looked at more closely."""
