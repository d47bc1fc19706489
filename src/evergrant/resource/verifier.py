"""The verifier: one object per API and issuer, asked once per request.

A token that was seen before is judged from memory; one that is new by the keys at hand. Only what neither can answer
waits for the issuer, and no longer than its budget.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from evergrant.clock import Clock, SystemClock
from evergrant.fetch.address import is_loopback
from evergrant.fetch.fetcher import Fetcher, Reach
from evergrant.keys.checking import ALGORITHMS
from evergrant.resource import kinds
from evergrant.resource.access import Access
from evergrant.resource.authorization import BEARER, Presented, read
from evergrant.resource.challenge import Offer
from evergrant.resource.core import Core
from evergrant.resource.demand import met
from evergrant.resource.ended import Ended
from evergrant.resource.key_source import KeySource
from evergrant.resource.limits import Limits
from evergrant.resource.refused import Refused, Why
from evergrant.resource.rules import LEEWAY, rules
from evergrant.resource.shape import RFC9068, Shape


class Verifier:
    """Verifies access tokens of one issuer for one API. Make it once, with `for_issuer`, and close it."""

    def __init__(self, core: Core, fetcher: Fetcher, offer: Offer, keys_url: str = "") -> None:
        self._core: Final = core
        self._offer: Final = offer
        self._keys: Final = KeySource(core, fetcher, keys_url)

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
        keys_url: str = "",
        networks: Iterable[str] = (),
        authorities: str = "",
        offer: Offer | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """A verifier of the tokens that *issuer* makes for *audience*; asks nobody before the first token comes.

        *keys_url*: where the keys are, instead of discovery. *networks*: private networks, in CIDR, in which the issuer
        may be. *authorities*: a file with certificate authorities instead of the system's. Raises `ValueError`.
        """
        bounds = limits or Limits()
        judged_by = rules(issuer, audience, shape, algorithms, sole_audience=sole_audience, leeway=leeway)
        core = Core(judged_by, bounds, clock or SystemClock(), Ended())
        near = is_loopback(urlsplit(issuer).hostname or "")
        reach = Reach(near, tuple(networks), bounds.fetch_seconds, bounds.document_bytes)
        return cls(core, Fetcher(reach, verify=authorities), offer or Offer(), keys_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop what runs in the background. Safe to call twice."""
        await self._keys.stop()

    async def verify(
        self,
        authorization: str | bytes | None,
        *,
        scopes: Iterable[str] = (),
        acr: Iterable[str] = (),
        max_age: int | None = None,
    ) -> Access:
        """What the request's Authorization header allows. Raises `Refused`, and nothing else, whatever the header is.

        *scopes*: all of these are needed. *acr*: one of these levels. *max_age*: the oldest sign-in, in seconds.
        """
        try:
            access = self.at_once(authorization)
            if access is None:
                access = await self.slowly(authorization)
            self.deserves(access, scopes, acr, max_age)
        except Refused as refused:
            self.told(refused)
            raise
        return access

    async def verify_token(self, token: str, **asked: Any) -> Access:
        """As `verify`, for a bearer token that came without a header."""
        return await self.verify(f"Bearer {token}", **asked)

    def deserves(self, access: Access, scopes: Iterable[str], acr: Iterable[str], max_age: int | None) -> None:
        """Raise `Refused` unless the token has what a route asks for."""
        if scopes or acr or max_age is not None:
            met(access, scopes, acr, max_age, self._core)

    def told(self, refused: Refused) -> Refused:
        """The refusal, with what this API offers in its challenge."""
        refused.offer = self._offer
        return refused

    def at_once(self, authorization: str | bytes | None) -> Access | None:
        """The answer that needs nobody else, or None. Raises `Refused`."""
        core = self._core
        header = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
        access = core.remembered(header) if header else None
        if access is not None or core.due:
            return access
        presented = read(header)
        return core.judged(presented) if presented.dotted else None

    async def slowly(self, authorization: str | bytes | None) -> Access:
        """The answer for what is not remembered. Raises `Refused`."""
        presented = read(authorization)
        core = self._core
        if not presented.dotted:
            return await self._opaque(presented)
        await self._keys.ready()
        access = core.judged(presented)
        if access is None and await self._keys.again():
            access = core.judged(presented)
        if access is None:
            raise Refused(Why.UNKNOWN_KEY, "the issuer publishes no key of that id and algorithm")
        return access

    async def _opaque(self, presented: Presented) -> Access:
        kind = kinds.of_text(presented.token)
        if kind is not None:
            raise Refused(kind, "the prefix says so")
        if presented.token.count(".") == 4:  # noqa: PLR2004 - RFC 7516 section 7.1
            raise Refused(Why.ENCRYPTED, "five parts: encrypted tokens are not read")
        raise Refused(Why.NOT_A_TOKEN, f"no JWT, and no introspection is set up ({presented.scheme or BEARER})")
