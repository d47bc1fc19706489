"""Tokens that are worth something only together with a key (RFC 9449) or a certificate (RFC 8705): what proves it.

A bound token without its proof is refused whatever else is right about it, and so is a proof for a token that is bound
to nothing: else whoever steals the one would send it as the other (attack P-04).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from evergrant.proof.judge import Proofs
from evergrant.proof.nonce import Nonces
from evergrant.proof.replay import Replays
from evergrant.protocol.dpop import ALGORITHMS, BadProof, Fault, Wanted, token_hash
from evergrant.resource.access import Access
from evergrant.resource.authorization import DPOP, Presented
from evergrant.resource.refused import Refused, Why


@dataclass(frozen=True, slots=True)
class Possession:
    """What a request brings besides its Authorization header."""

    method: str
    target: str
    """Path and query as they were asked for."""
    proofs: tuple[str, ...] = field(default=(), repr=False)
    """Every `DPoP` header of the request."""
    certificate: str = ""
    """The `x5t#S256` of the client's certificate, from TLS or from a proxy that is trusted; empty without one."""
    proved: set[tuple[object, str]] | None = field(default=None, repr=False, compare=False)
    """By whom the proof was judged good already, and for the token of which hash: a request that passes two guards is
    still one. A set is for one request alone, and holds no token: environments end up in error reports. None: each time
    counts as a request."""


NOTHING: Final = Possession("", "")


@dataclass(frozen=True, slots=True)
class Dpop:
    """DPoP at this API. *origin* is its public scheme and host, never taken from a request (attack U-13)."""

    origin: str
    required: bool = False
    """Take no token as Bearer."""
    nonce_keys: Sequence[bytes] = field(default=(), repr=False)
    """Keys of 32 bytes, the newest first, the same on every node: nonces are then given, and believed."""
    demand_nonce: bool = False
    most_proofs: int = 50_000
    """Proofs remembered in one generation, so that none is used twice."""


class Holding:
    """Checks that whoever sends a token holds what it is bound to. Without *dpop* the scheme is not taken at all."""

    def __init__(self, dpop: Dpop | None) -> None:
        self._dpop: Final = dpop
        self.required: Final = dpop is not None and dpop.required
        """Whether a token that is bound to nothing is refused."""
        self._nonces = self._proofs = None
        self.algorithms: Final = () if dpop is None else ALGORITHMS
        if dpop is None:
            return
        parts = urlsplit(dpop.origin)
        if not parts.scheme or not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("the origin of DPoP is a scheme and a host, such as https://api.example.com")
        if any(len(key) != 32 for key in dpop.nonce_keys):  # noqa: PLR2004 - the MAC's length
            raise ValueError("each nonce key has 32 bytes")
        if dpop.demand_nonce and not dpop.nonce_keys:
            raise ValueError("nonces can be demanded only with keys to make them")
        self._nonces = Nonces(lambda _: dpop.nonce_keys) if dpop.nonce_keys else None
        self._proofs = Proofs(self._nonces, Replays(dpop.most_proofs), demand_nonce=dpop.demand_nonce)

    def nonce(self, now: int) -> str:
        """The nonce to send along with answers; empty where none is used."""
        return "" if self._nonces is None else self._nonces.current(now)

    def check(self, presented: Presented, access: Access, brought: Possession, now: int) -> None:
        """Raise `Refused` unless the token may be used the way it was sent."""
        if presented.scheme == DPOP:
            self._proved(presented, access, brought, now)
        elif access.jkt:
            raise Refused(Why.BOUND_AS_BEARER, "a token that is bound to a key was sent as Bearer")
        elif self.required:
            raise Refused(Why.PROOF_MISSING, "this API takes tokens with a proof alone")
        if access.certificate and not compare_digest(access.certificate.encode(), brought.certificate.encode()):
            detail = "another certificate than the token's" if brought.certificate else "no certificate came along"
            raise Refused(Why.CERTIFICATE, detail)

    def _proved(self, presented: Presented, access: Access, brought: Possession, now: int) -> None:
        if self._proofs is None or self._dpop is None:
            raise Refused(Why.OTHER_SCHEME, "DPoP is not set up at this API")
        if not access.jkt:
            raise Refused(Why.UNBOUND_AS_DPOP, "a token that is bound to no key was sent with the scheme DPoP")
        if len(brought.proofs) != 1:
            several = bool(brought.proofs)
            raise Refused(Why.PROOF if several else Why.PROOF_MISSING, f"{len(brought.proofs)} DPoP headers, not one")
        mark = (self, token_hash(presented.token))
        if brought.proved is not None and mark in brought.proved:
            return
        url = self._dpop.origin.rstrip("/") + brought.target
        try:
            proof = self._proofs.judge(brought.proofs[0], Wanted(brought.method, url, presented.token), now)
        except BadProof as error:
            raise _refused(error) from None
        if not compare_digest(proof.jkt.encode(), access.jkt.encode()):
            raise Refused(Why.PROOF, Fault.OTHER_KEY.value)
        if brought.proved is not None:
            brought.proved.add(mark)


_WHY: Final = {
    Fault.MISSING: Why.PROOF_MISSING,
    Fault.REPLAYED: Why.PROOF_REPLAYED,
    Fault.NONCE: Why.PROOF_NONCE,
}


def _refused(error: BadProof) -> Refused:
    nonce = dict(error.headers).get("dpop-nonce", "")
    return Refused(Why.PROOF_NONCE if nonce else _WHY.get(error.fault, Why.PROOF), error.fault.value, nonce=nonce)
