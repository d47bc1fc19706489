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
from evergrant.keys.signing import Signer, from_der

LIFETIME: Final = 60
"""Seconds."""
_ALGORITHMS: Final = {"EllipticCurvePrivateKey": "ES256", "RSAPrivateKey": "RS256", "Ed25519PrivateKey": "Ed25519"}


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
    return _signer(ours).sign("JWT", json.dumps(claims).encode())


def _signer(ours: Client) -> Signer:
    text = ours.private_key.reveal() if ours.private_key is not None else ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("-----")]
    try:
        key = from_der(b64decode("".join(lines), validate=True))
    except (NotBase64, KeyUnusable) as error:
        msg = f"the private key of {ours.name} cannot be read; it must be PKCS #8 in PEM, without a password"
        raise BadRequest(msg) from error
    kind = next((alg for name, alg in _ALGORITHMS.items() if name in _kinds(key)), "RS256")
    return Signer(key, kind)


def _kinds(key: object) -> set[str]:
    return {one.__name__ for one in type(key).__mro__}
