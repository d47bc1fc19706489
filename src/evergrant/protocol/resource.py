"""Resource indicators (RFC 8707): which API a token is for."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from evergrant.domain.scope import join
from evergrant.protocol.error import Code, Refused

MAX_RESOURCES: Final = 10


def canonical(uri: str) -> str:
    """Scheme and host in lower case, an empty path and `/` the same; the rest exactly as given.

    Raises `ValueError` unless it is an absolute URI without fragment (section 2).
    """
    parts = urlsplit(uri)
    if not parts.scheme or "#" in uri or " " in uri or not (parts.netloc or parts.path):
        msg = "a resource is an absolute URI without fragment"
        raise ValueError(msg)
    path = "" if parts.path == "/" and not parts.query else parts.path
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=path).geturl()


def known_resources(asked: Iterable[str], known: Mapping[str, object], allowed: tuple[str, ...] = ()) -> str:
    """The normal form of the resources asked for, as they are registered. Raises `Refused` (invalid_target).

    *known* maps canonical forms to registrations; *allowed* narrows them to a client's own, when it has any.
    """
    found: set[str] = set()
    for uri in asked:
        try:
            name = canonical(uri)
        except ValueError as error:
            raise Refused(Code.INVALID_TARGET, "A resource is an absolute URI without fragment.") from error
        if name not in known or (allowed and name not in {canonical(item) for item in allowed}):
            raise Refused(Code.INVALID_TARGET, "The resource is not known here.")
        found.add(name)
    if len(found) > MAX_RESOURCES:
        raise Refused(Code.INVALID_TARGET, f"No more than {MAX_RESOURCES} resources at once.")
    return join(found)
