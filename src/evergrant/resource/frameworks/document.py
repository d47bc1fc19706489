"""What an API says of itself: protected resource metadata (RFC 9728), and where it is found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import json

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
MAX_AGE: Final = 300
HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Cache-Control", f"public, max-age={MAX_AGE}"),
    ("Access-Control-Allow-Origin", "*"),
)


@dataclass(frozen=True, slots=True)
class Description:
    """One API. *resource* is its identifier, the address under which clients know it (RFC 8707)."""

    resource: str
    issuers: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    name: str = ""
    dpop_algorithms: tuple[str, ...] = ()
    dpop_required: bool = False
    documentation: str = ""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a resource that no client could find (section 3)."""
        parts = urlsplit(self.resource)
        if parts.scheme not in {"https", "http"} or not parts.netloc or parts.fragment or parts.query:
            raise ValueError("the resource is an address without query and fragment, such as https://api.example.com")

    @property
    def path(self) -> str:
        """The path of the document: the well-known segment goes before the resource's own path (section 3.1)."""
        return WELL_KNOWN + urlsplit(self.resource).path.rstrip("/")

    @property
    def url(self) -> str:
        """The address of the document, for `resource_metadata` in challenges (section 5.1)."""
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{self.path}"

    def body(self) -> bytes:
        """The document, JSON (section 2)."""
        members: dict[str, Any] = {
            "resource": self.resource,
            "authorization_servers": list(self.issuers),
            "scopes_supported": list(self.scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": self.name,
            "resource_documentation": self.documentation,
            "dpop_signing_alg_values_supported": list(self.dpop_algorithms),
            "dpop_bound_access_tokens_required": self.dpop_required,
        }
        return json.encode({name: value for name, value in members.items() if value})


def described(resource: str, issuer: str, scopes: Iterable[str] = (), **more: Any) -> Description:
    """A description of an API that takes the tokens of one issuer. Raises `ValueError`."""
    return Description(resource, (issuer,), tuple(scopes), **more)
