"""A secret that cannot be printed by accident.

What lives here: the one type that carries secret text between rooms. What must not: how secrets are made (`entropy`),
what refresh tokens look like inside (`domain.token`), how private keys are sealed (`keys`).
"""

from hashlib import sha256
from hmac import compare_digest
from typing import Final, final


def fingerprint(value: str | bytes) -> str:
    """Eight hex digits that let two log lines be compared without telling the secret."""
    raw = value.encode() if isinstance(value, str) else value
    return sha256(raw).hexdigest()[:8]


def digest(purpose: str, value: str | bytes) -> bytes:
    """The 32-byte digest under which a machine-made secret is stored, separated by purpose.

    Fast on purpose: the secrets hold 256 bits, so a slow hash would protect nothing and invite denial of service.
    """
    raw = value.encode() if isinstance(value, str) else value
    return sha256(b"%b\x00%b" % (purpose.encode(), raw)).digest()


@final
class Secret:
    """Text whose `repr`, `str` and `format` are its fingerprint; `reveal()` is the only way out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<secret {fingerprint(self._text)}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(("secret", self._text))

    def __reduce__(self) -> str:
        msg = "a secret is not pickled: it would lie in clear wherever the pickle lies"
        raise TypeError(msg)
