"""A person who signs in. The password is kept as an Argon2id hash; the name in one normal form.

What must not live here: hashing (`issuer.passwords`), sessions (`domain.session`).
"""

import unicodedata
from dataclasses import dataclass, field

MAX_NAME = 254
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing (Unicode: default ignorable): with one of them two names look the same.
_INVISIBLE = frozenset(
    map(
        chr,
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2065, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10),
         *range(0xE0100, 0xE01F0)),
    )
)  # fmt: skip


class BadName(ValueError):
    """A user name that cannot be one; the text says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. *claims* are the OpenID Connect standard claims beyond sub and email; times in seconds."""

    id: str
    username: str
    email: str
    password_hash: str
    created_at: int
    email_verified: bool = False
    disabled_at: int = 0
    password_changed_at: int = 0
    claims: dict[str, object] = field(default_factory=dict)

    @property
    def disabled(self) -> bool:
        return self.disabled_at > 0


def normal_name(given: str) -> str:
    """The one spelling under which a name is stored and looked up (RFC 8265 section 3.3: width, case, NFC).

    Raises `BadName` for a name that is empty, too long or holds control or invisible characters.
    """
    name = unicodedata.normalize("NFKC", given).strip().casefold()
    name = unicodedata.normalize("NFC", name)
    if not name or len(name) > MAX_NAME:
        msg = f"a user name has 1 to {MAX_NAME} characters"
        raise BadName(msg)
    if any(unicodedata.category(letter) in _REFUSED or letter in _INVISIBLE for letter in name):
        msg = "a user name has no control or invisible characters"
        raise BadName(msg)
    return name
