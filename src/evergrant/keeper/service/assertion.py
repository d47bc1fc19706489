"""A client's signed proof of itself (RFC 7523 section 2.2), made afresh for every request."""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Final

from evergrant.clock import Clock
from evergrant.domain.base64url import encode
from evergrant.entropy import Entropy
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.model import ClientAuth, Provider
from evergrant.keeper.settings import Client
from evergrant.keeper.wire.token_request import auth_of
from evergrant.keys.port import KeyUnusable
from evergrant.keys.signing import Signer, from_der, public_jwk

LIFETIME: Final = 60
"""Seconds."""
_ALGORITHMS: Final = {"EC": "ES256", "RSA": "RS256", "OKP": "Ed25519"}
"""By the key's type (RFC 7518 section 6.1)."""


def assertion(ours: Client, provider: Provider, clock: Clock, entropy: Entropy) -> str:
    """The signed assertion, empty where the client proves itself otherwise. Raises `BadRequest` for a useless key.

    Its audience is the provider's issuer, never an address that metadata could have swapped; only where a provider
    has no issuer is it the token endpoint of its facts.
    """
    if auth_of(provider, ours) is not ClientAuth.PRIVATE_KEY_JWT or ours.private_key is None:
        return ""
    now = clock.now()
    claims = {
        "iss": ours.client_id,
        "sub": ours.client_id,
        "aud": provider.issuer or provider.token_url,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": encode(entropy.draw(16)).decode("ascii"),
    }
    signer = _signer(ours)
    # No `kid`: the provider knows the key by the name under which it was registered, and would find none by ours.
    header = encode(json.dumps({"typ": "JWT", "alg": signer.alg}).encode())
    return signer.signed(header + b"." + encode(json.dumps(claims).encode()))


def _signer(ours: Client) -> Signer:
    text = ours.private_key.reveal() if ours.private_key is not None else ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("-----")]
    try:
        key = from_der(b64decode("".join(lines), validate=True))
        return Signer(key, _ALGORITHMS[public_jwk(key, "")["kty"]])
    except (NotBase64, KeyUnusable, OverflowError) as error:
        msg = f"the private key of {ours.name} cannot be read; PKCS #8 in PEM without a password: RSA, P-256 or Ed25519"
        raise BadRequest(msg) from error
