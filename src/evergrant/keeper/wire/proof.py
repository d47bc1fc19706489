"""Proofs that the keeper holds the key its tokens are bound to (RFC 9449): for token requests and for calls of an API.

The newest nonce of each server is kept and sent with the next proof (section 8); a server that asks for one is asked
again once. What must not live here: where keys are kept (`service.sealed`), whether a provider wants this (its facts).
"""

import threading
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from evergrant.clock import Clock
from evergrant.domain.base64url import encode
from evergrant.domain.secret import Secret
from evergrant.entropy import Entropy
from evergrant.keeper.exchange import Answer
from evergrant.keys.possession import ProofKey, make_proof_key
from evergrant.protocol.dpop import MAX_NONCE, token_hash

HEADER: Final = "DPoP"
NONCE_HEADER: Final = "dpop-nonce"
CHALLENGE: Final = b"use_dpop_nonce"
_CHALLENGED: Final = frozenset({400, 401})
_MOST: Final = 1_000
_DEFAULT: Final = {"https": 443, "http": 80}


def new_key() -> Secret:
    """A new key as text; only ever to be sealed."""
    return Secret(b64encode(make_proof_key()).decode("ascii"))


class Nonces:
    """The newest nonce of each server. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, str] = {}

    def of(self, url: str) -> str:
        """The newest nonce of the server at *url*, empty when it has given none."""
        return self._newest.get(_origin(url), "")

    def heard(self, url: str, headers: Mapping[str, str]) -> bool:
        """Keep what an answer of *url* brings; whether it is another nonce than before."""
        nonce = headers.get(NONCE_HEADER, "")
        if not nonce or len(nonce) > MAX_NONCE or not nonce.isascii() or not nonce.isprintable():
            return False
        origin = _origin(url)
        with self._lock:
            if len(self._newest) >= _MOST and origin not in self._newest:
                self._newest.clear()
            changed = self._newest.get(origin) != nonce
            self._newest[origin] = nonce
        return changed


class Prover:
    """Makes proofs with one key. Raises `evergrant.keys.port.KeyUnusable` for text that is no key."""

    __slots__ = ("_clock", "_entropy", "_key", "nonces")

    def __init__(self, key: Secret, nonces: Nonces, clock: Clock, entropy: Entropy) -> None:
        self._key, self.nonces, self._clock, self._entropy = _opened(key), nonces, clock, entropy

    @property
    def jkt(self) -> str:
        """The thumbprint that tokens are bound to."""
        return self._key.jkt

    def proof(self, method: str, url: str, token: Secret | None = None) -> str:
        """A proof for one request; with the access token that it carries, if it carries one (section 4.2)."""
        said: dict[str, Any] = {
            "jti": encode(self._entropy.draw(16)).decode("ascii"),
            "htm": method.upper(),
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": self._clock.now(),
        }
        nonce = self.nonces.of(url)
        if nonce:
            said["nonce"] = nonce
        if token is not None:
            said["ath"] = token_hash(token.reveal())
        return self._key.prove(said)

    def presented(self, method: str, url: str, token: Secret) -> dict[str, str]:
        """The headers that present *token* in one request."""
        return {"Authorization": f"{HEADER} {token.reveal()}", HEADER: self.proof(method, url, token)}


def asks_for_nonce(answer: Answer) -> bool:
    """Whether a server refused a request for its proof's nonce alone: then it has done nothing else (section 8)."""
    said = answer.body if answer.status == min(_CHALLENGED) else answer.headers.get("www-authenticate", "").encode()
    return answer.status in _CHALLENGED and (CHALLENGE in said or CHALLENGE in answer.body)


def _opened(key: Secret) -> ProofKey:
    try:
        return ProofKey(b64decode(key.reveal(), validate=True))
    except ValueError:
        return ProofKey(b"")  # says that it is no key, as it does for other bytes


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"
