"""Where a browser may be sent back to after connecting: origins that the operator named, or a path of the same site."""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from evergrant.keeper.errors import BadRequest

LONGEST: Final = 2_000
# Browsers read a backslash as a slash and skip tabs and line ends, so that "/\evil.example" leaves the site.
_PLAIN: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]*\Z")


def check_return(address: str, origins: Collection[str]) -> None:
    """Raise `BadRequest` unless *address* is empty, a path, or at one of *origins*, compared character by character."""
    if not address:
        return
    if len(address) > LONGEST or not _PLAIN.match(address):
        msg = "return_to is an address of plain ASCII without spaces and backslashes"
        raise BadRequest(msg)
    if address.startswith("/") and not address.startswith("//"):
        return
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    origin = f"{parts.scheme}://{parts.netloc}"
    if (
        parts.scheme not in {"https", "http"}
        or "@" in parts.netloc
        or origin not in {one.rstrip("/") for one in origins}
    ):
        allowed = ", ".join(origins) or "no other site"
        msg = f"return_to may lead to {allowed}, or be a path; more origins are allowed in the settings"
        raise BadRequest(msg)
