"""WSGI: what Django and Flask need to read from a request, whichever of them it is."""

from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from evergrant.resource.frameworks.asgi import PROVED
from evergrant.resource.possession import Possession


def possession(environ: MutableMapping[str, Any], certificate: str = "") -> Possession:
    """What a request brings besides its Authorization header.

    WSGI joins repeated headers with commas, and no proof holds one: two of them stay two.
    """
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or _rebuilt(environ)
    proofs = tuple(part.strip() for part in environ.get("HTTP_DPOP", "").split(",") if part.strip())
    return Possession(environ["REQUEST_METHOD"], target, proofs, certificate, environ.setdefault(PROVED, set()))


def _rebuilt(environ: Mapping[str, Any]) -> str:
    path = quote(
        environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), safe="/~!$&'()*+,;=:@", encoding="latin-1"
    )
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
