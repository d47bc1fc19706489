"""The same verifier without `await`: for threads and frameworks that are not asynchronous.

A token that was seen before is answered on the calling thread. What waits for the issuer runs on a thread of the
verifier's own, which begins when it is first needed and ends with `close` or with the process.
"""

from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from evergrant.loop import LoopClosed, OwnLoop
from evergrant.resource.access import Access
from evergrant.resource.challenge import Offer
from evergrant.resource.possession import NOTHING, Possession
from evergrant.resource.refused import Refused, Why
from evergrant.resource.verifier import Verifier

R = TypeVar("R")
CLOSING: Final = 10.0


class SyncVerifier:
    """Blocks where `Verifier` awaits. One serves any number of threads; a forked process begins its own thread."""

    def __init__(self, inner: Verifier) -> None:
        self._inner: Final = inner
        self._own: Final = OwnLoop("evergrant-verifier", CLOSING, inner.forked)

    @classmethod
    def for_issuer(cls, issuer: str, *, audience: str | Iterable[str], **more: Any) -> Self:
        """As `Verifier.for_issuer`. Raises `ValueError`."""
        return cls(Verifier.for_issuer(issuer, audience=audience, **more))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def verify(
        self,
        authorization: str | bytes | None,
        *,
        scopes: Iterable[str] = (),
        acr: Iterable[str] = (),
        max_age: int | None = None,
        possession: Possession = NOTHING,
    ) -> Access:
        """As `Verifier.verify`. Raises `Refused`, and nothing else."""
        inner = self._inner
        try:
            access = inner.at_once(authorization)
            if access is None:
                access = self._wait(inner.slowly(authorization))
            inner.deserves(access, authorization, scopes, acr, max_age, possession)
        except Refused as refused:
            refused.offer = inner.offer
            raise
        return access

    def verify_token(self, token: str, **asked: Any) -> Access:
        """As `verify`, for a bearer token that came without a header."""
        return self.verify(f"Bearer {token}", **asked)

    @property
    def offer(self) -> Offer:
        """What challenges say of this API."""
        return self._inner.offer

    def nonce(self) -> str:
        """As `Verifier.nonce`."""
        return self._inner.nonce()

    def close(self) -> None:
        """End the thread. Safe to call twice, and from any thread."""
        self._own.close(self._inner.close)

    def _wait(self, work: "Coroutine[Any, Any, R]") -> R:
        try:
            return self._own.wait(work)
        except LoopClosed as error:
            raise Refused(Why.KEYS_UNREACHABLE, "the verifier is closed") from error
