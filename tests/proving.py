"""DPoP proofs made by another library than the one that judges them, right ones and wrong ones of every kind.

What lives here: keys and proofs. What must not: assertions.
"""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

_NUMBERS: Final = count()
DROPPED: Final = object()


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: Any) -> str:
    """A part of a JWT: an object as JSON, bytes as they are."""
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def ath(token: str) -> str:
    return b64(sha256(token.encode()).digest())


def _kept(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not DROPPED}


@dataclass
class Prover:
    """A client that holds a key. `proof` makes one that is right but for what a test changes; DROPPED leaves out."""

    key: Any = field(default_factory=lambda: ECKey.generate_key("P-256"))
    alg: str = "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        return {name: value for name, value in self.key.as_dict(private=False).items() if name != "kid"}

    @property
    def jkt(self) -> str:
        return str(self.key.thumbprint())

    def proof(
        self, method: str, url: str, now: int, *, head: dict[str, Any] | None = None, token: str = "", **claims: Any
    ) -> str:
        header = _kept({"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk, **(head or {})})
        said = {"jti": f"n{next(_NUMBERS)}", "htm": method, "htu": url, "iat": now}
        if token:
            said["ath"] = ath(token)
        return self.signed(part(header), part(_kept({**said, **claims})))

    def signed(self, header: str, claims: str) -> str:
        message = f"{header}.{claims}"
        return f"{message}.{b64(jws.JWSRegistry.algorithms[self.alg].sign(message.encode(), self.key))}"


def provers() -> dict[str, Prover]:
    """One of each kind of key that is taken."""
    return {
        "ES256": Prover(),
        "Ed25519": Prover(OKPKey.generate_key("Ed25519"), "Ed25519"),
        "RS256 2048": Prover(RSAKey.generate_key(2048), "RS256"),
        "PS256 3072": Prover(RSAKey.generate_key(3072), "PS256"),
    }
