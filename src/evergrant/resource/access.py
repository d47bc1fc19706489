"""What a good access token says: the one value that an API works with."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Access(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An access token that was verified. Texts are empty and numbers None where the token says nothing.

    One value may serve many requests, so nothing in it can be changed, the claims included.
    """

    issuer: str
    subject: str
    client_id: str
    scopes: frozenset[str]
    audience: tuple[str, ...]
    expires_at: int
    """Seconds since the epoch, as the token says; leeway is added where it is judged."""
    issued_at: int | None
    claims: Mapping[str, Any]
    id: str = ""
    family: str = ""
    session: str = ""
    auth_time: int | None = None
    acr: str = ""
    jkt: str = ""
    """The thumbprint of the key that must prove each request (RFC 9449 section 6)."""
    certificate: str = ""
    """The SHA-256 thumbprint of the client's certificate (RFC 8705 section 3.1)."""
    bound: bool = False
    """Whether the token is worth something only together with that key or certificate."""
    opaque: bool = False

    def __repr__(self) -> str:
        return f"Access(client_id={self.client_id!r}, scopes={sorted(self.scopes)!r}, expires_at={self.expires_at})"
