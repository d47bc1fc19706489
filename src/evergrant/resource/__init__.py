"""The resource side: what an API imports to verify the tokens that arrive.

What lives here: reading the header, the keys of an issuer, the judgement, what has ended, the challenge. What must not:
issuing, keeping, any web framework; nothing of the issuer or the keeper is imported. Neighbours: signatures are checked
in `keys.checking`, documents fetched in `fetch`. The names below are the whole surface, and the slowest to change.
"""

from evergrant.resource.access import Access
from evergrant.resource.challenge import Offer
from evergrant.resource.follow import Follow, WhenBlind
from evergrant.resource.introspection import Introspection
from evergrant.resource.limits import Limits
from evergrant.resource.possession import Dpop, Possession
from evergrant.resource.refused import Refused, Why
from evergrant.resource.shape import AUTH0, ENTRA, KEYCLOAK, OKTA, RFC9068, SHAPES, Shape
from evergrant.resource.sync import SyncVerifier
from evergrant.resource.verifier import Verifier

__all__ = [
    "AUTH0",
    "ENTRA",
    "KEYCLOAK",
    "OKTA",
    "RFC9068",
    "SHAPES",
    "Access",
    "Dpop",
    "Follow",
    "Introspection",
    "Limits",
    "Offer",
    "Possession",
    "Refused",
    "Shape",
    "SyncVerifier",
    "Verifier",
    "WhenBlind",
    "Why",
]
