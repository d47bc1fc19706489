"""What a browser brings back from an authorization server, read and judged (RFC 6749 section 4.1.2, RFC 9207)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

MAX_LENGTH: Final = 16_384
_ONCE: Final = frozenset({"code", "state", "iss", "error"})
_ERROR_CODE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Callback:
    """The address that was asked for, and the parameters it was given; a missing one is the empty text."""

    address: str
    """Scheme, host and path as they came; only the path when no more is known."""
    params: Mapping[str, str]

    def __repr__(self) -> str:
        # Code and state together are what an attacker needs.
        return f"<callback to {self.address}>"

    @property
    def state(self) -> str:
        return self.params.get("state", "")

    @property
    def code(self) -> str:
        return self.params.get("code", "")

    @property
    def error(self) -> str:
        """The error code if it is one by RFC 6749 section 4.1.2.1, `malformed` if it is not, empty if there is none."""
        given = self.params.get("error", "")
        return given if not given or _ERROR_CODE.match(given) else "malformed"


def read_callback(url: str) -> Callback:
    """The callback in *url*, which is absolute or begins with its path. Raises `ValueError` with a sentence.

    A parameter that this protocol knows must not come twice (RFC 6749 section 3.1); of any other the first one counts.
    """
    if len(url) > MAX_LENGTH:
        msg = "the callback address is too long"
        raise ValueError(msg)
    parts = urlsplit(url)
    params: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100):
        if name in params and name in _ONCE:
            msg = f"the callback has the parameter {name} twice"
            raise ValueError(msg)
        params.setdefault(name, value)
    address = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path
    return Callback(address, params)


def came_to(callback: Callback, redirect_uri: str) -> bool:
    """Whether the callback came to exactly *redirect_uri*, nothing normalised.

    A callback known by its path alone is compared by path. A query of the redirect URI must have come back whole
    (RFC 6749 section 3.1.2).
    """
    meant = urlsplit(redirect_uri)
    address = f"{meant.scheme}://{meant.netloc}{meant.path}"
    if callback.address not in {address, meant.path}:
        return False
    own = parse_qsl(meant.query, keep_blank_values=True)
    return all(callback.params.get(name) == value for name, value in own)


def issuer_agrees(callback: Callback, issuer: str, *, always: bool) -> bool:
    """Whether `iss` is what it must be, character by character (RFC 9207 section 2.4).

    *issuer* is empty when nobody knows it: then there is nothing to compare with. *always* says that this server
    announced that it sends `iss`, so that an answer without it did not come from there.
    """
    given = callback.params.get("iss")
    if given is None:
        return not always
    return not issuer or given == issuer
