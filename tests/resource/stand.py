"""A foreign issuer made of pages on loopback, one signing key, and tokens of any shape; the API's clock stands still.

What lives here: publishing and signing. What must not: an assertion; those stand in the tests.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from msgspec import json

from evergrant.clock import FixedClock
from evergrant.domain.base64url import encode as b64
from evergrant.entropy import SeededEntropy
from evergrant.keys.signing import Signer, make
from evergrant.resource import Refused, Verifier, Why
from tests.keeper.provider.issuing import Site, site

API: Final = "https://api.example"
NOW: Final = 1_800_000_000


@cache
def signer(alg: str = "ES256", name: str = "first") -> Signer:
    """A key that is made once in a run."""
    return Signer(make(alg), alg)


def compact(header: object, claims: object, signature: bytes = b"") -> str:
    """Three parts; bytes go in as they are."""
    parts = [part if isinstance(part, bytes) else json.encode(part) for part in (header, claims)]
    return ".".join(b64(part).decode() for part in (*parts, signature))


def signed(by: Signer, claims: object, header: object = None, **members: Any) -> str:
    """A JWS of *claims* with a header of `at+jwt` and the signer's own members; *members* change them, None removes."""
    if header is None:
        found = {"typ": "at+jwt", "alg": by.alg, "kid": by.kid, **members}
        header = {name: value for name, value in found.items() if value is not None}
    message = compact(header, claims).rpartition(".")[0]
    return f"{message}.{b64(by.raw(message.encode())).decode()}"


@dataclass
class Stand:
    """The issuer, and an API's clock."""

    site: Site
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    signer: Signer = field(default_factory=signer)

    @property
    def issuer(self) -> str:
        return self.site.origin

    def publish(self, *keys: Mapping[str, Any]) -> None:
        """Publish a key set with *keys*, or with the signer's own."""
        self.site.put("/jwks", {"keys": list(keys) or [self.signer.public]})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to None takes one away."""
        now = self.clock.now()
        found = {
            "iss": self.issuer, "sub": "usr_1", "aud": API, "client_id": "cli_1", "iat": now, "exp": now + 600,
            "jti": "j1", "scope": "read write", "auth_time": now - 60, "acr": "pwd", "fam": "fam_1", "sid": "ses_1",
            **changes,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}

    def token(self, **changes: Any) -> str:
        return signed(self.signer, self.claims(**changes))

    def verifier(self, **more: Any) -> Verifier:
        given = {"audience": API, "clock": self.clock, "entropy": SeededEntropy(), **more}
        return Verifier.for_issuer(given.pop("issuer", self.issuer), **given)

    def asked(self, path: str) -> int:
        """How often an address was asked."""
        return sum(1 for each, _ in self.site.asked if each == path)


@asynccontextmanager
async def standing() -> AsyncIterator[Stand]:
    async with site() as served:
        stand = Stand(served)
        served.describe()
        stand.publish()
        yield stand


async def refusal(verifier: Verifier, authorization: str | bytes | None, **asked: Any) -> Refused:
    """The refusal that a header gets."""
    try:
        await verifier.verify(authorization, **asked)
    except Refused as refused:
        return refused
    raise AssertionError("it was accepted")


async def why(verifier: Verifier, token: str, **asked: Any) -> Why:
    return (await refusal(verifier, f"Bearer {token}", **asked)).why
