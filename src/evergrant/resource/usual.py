"""Claims that are written just as Evergrant writes them, read and judged in one step; whatever differs is not for here.

What lives here: the one ordinary case, for its speed. What must not: a refusal, or a rule that `claims.judge` has not:
where this says None, that one finds out why, and what this accepts, that one accepts with the same outcome.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType, json

from evergrant.resource.access import Access
from evergrant.resource.claims import LATEST, unchangeable
from evergrant.resource.rules import Rules
from evergrant.resource.shape import RFC9068

Instant = Annotated[int, Meta(ge=0, le=LATEST)]


class Usual(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The claims in the order in which they are written, so that writing them again shows that there are no others."""

    iss: str
    sub: str
    aud: str | tuple[str, ...]
    client_id: str
    iat: Instant
    exp: Instant
    jti: str
    scope: str
    auth_time: Instant | UnsetType = UNSET
    acr: str | UnsetType = UNSET
    fam: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET


class Claims(Mapping[str, Any]):
    """All claims of a token that was judged, as a mapping that cannot be changed; taken apart when first asked."""

    __slots__ = ("_held", "_text")

    def __init__(self, text: bytes) -> None:
        self._text: Final = text
        self._held: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> Mapping[str, Any]:
        if self._held is None:
            self._held = MappingProxyType({name: unchangeable(held) for name, held in json.decode(self._text).items()})
        return self._held


_read: Final = json.Decoder(Usual).decode
_written: Final = json.Encoder().encode


def allows(rules: Rules) -> bool:
    """Whether tokens that are good by *rules* can be judged here at all."""
    return rules.shape is RFC9068 and not rules.sole_audience


def judge_usual(text: bytes, rules: Rules, now: int) -> Access | None:
    """What the token with these claims allows; None where that takes a closer look. Only for rules that it `allows`."""
    try:
        said = _read(text)
    except (DecodeError, RecursionError):
        return None
    # What is written the same way again has no member twice, none that is not above, and no number written otherwise.
    if _written(said) != text:
        return None
    aud, expires_at, issued_at, leeway, scope = said.aud, said.exp, said.iat, rules.leeway, said.scope
    audience = (aud,) if isinstance(aud, str) else aud
    if (
        rules.audience.isdisjoint(audience)
        or said.iss != rules.issuer
        or now >= expires_at + leeway
        or issued_at > now + leeway
        or not (scope.isascii() and scope.isprintable())  # then no space but the one of RFC 6749 section 3.3 parts it
    ):
        return None
    auth_time, acr, family, session = said.auth_time, said.acr, said.fam, said.sid
    return Access(
        issuer=said.iss,
        subject=said.sub,
        client_id=said.client_id,
        scopes=frozenset(scope.split()),
        audience=audience,
        expires_at=expires_at,
        issued_at=issued_at,
        claims=Claims(text),
        id=said.jti,
        family="" if family is UNSET else family,
        session="" if session is UNSET else session,
        auth_time=None if auth_time is UNSET else auth_time,
        acr="" if acr is UNSET else acr,
    )
