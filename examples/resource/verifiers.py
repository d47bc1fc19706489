"""The verifier that every example uses: by the environment, with opaque tokens and instant revocation."""

import os

from evergrant.resource import Follow, Introspection, SyncVerifier, Verifier

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
_API = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])


def arguments() -> dict[str, object]:
    """The arguments of `Verifier.for_issuer`, apart from the issuer."""
    return {"audience": AUDIENCE, "introspection": Introspection(*_API), "follow": Follow(*_API)}


def verifier(resource_metadata: str = "") -> Verifier:
    """For frameworks that await."""
    return Verifier.for_issuer(ISSUER, resource_metadata=resource_metadata, **arguments())


def sync_verifier(resource_metadata: str = "") -> SyncVerifier:
    """For frameworks that do not."""
    return SyncVerifier.for_issuer(ISSUER, resource_metadata=resource_metadata, **arguments())
