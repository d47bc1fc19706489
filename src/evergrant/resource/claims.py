"""From the claims of a token whose signature is good to what it allows, or the reason why it does not.

A pure function of claims, rules and the time (RFC 9068 section 4, RFC 7519 section 4.1). Claims of introspection
answers go the same way.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from evergrant.resource.access import Access
from evergrant.resource.refused import Refused, Why
from evergrant.resource.rules import Rules
from evergrant.resource.shape import Shape

LATEST: Final = 253_402_300_799
"""The end of the year 9999: whatever lies beyond is no time."""
MOST_NESTED: Final = 64
"""Levels of lists and objects in a claim: the interpreter's own limit depends on where a verifier is called from."""
_NESTED: Final = frozenset({dict, list})


def judge(claims: dict[str, Any], rules: Rules, now: int, *, opaque: bool = False) -> Access:
    """What the token allows. Raises `Refused`."""
    shape, get = rules.shape, claims.get
    if get("iss") != rules.issuer:
        raise Refused(Why.ISSUER, "iss is missing or another")
    aud = get("aud")
    audience = (aud,) if type(aud) is str and aud in rules.audience else audience_of(aud, rules)
    expires_at, issued_at = times(claims, rules.leeway, now)
    if not opaque:
        fits(claims, shape)
    jkt, certificate = confirmation(get("cnf")) if "cnf" in claims else ("", "")
    if not _NESTED.isdisjoint(map(type, claims.values())):
        claims = {name: unchangeable(held) for name, held in claims.items()}
    subject, id_, family, session, acr = get("sub", ""), get("jti", ""), get("fam", ""), get("sid", ""), get("acr", "")
    if not (type(subject) is type(id_) is type(family) is type(session) is type(acr) is str):
        raise Refused(Why.CLAIMS, "one of sub, jti, fam, sid and acr is no text")
    return Access(
        issuer=rules.issuer,
        subject=subject,
        client_id=_first(claims, shape.clients),
        scopes=scopes_of(claims, shape),
        audience=audience,
        expires_at=expires_at,
        issued_at=issued_at,
        claims=MappingProxyType(claims),
        id=id_,
        family=family,
        session=session,
        auth_time=_whole(claims, "auth_time") if "auth_time" in claims else None,
        acr=acr,
        jkt=jkt,
        certificate=certificate,
        bound=bool(jkt or certificate),
        opaque=opaque,
    )


def audience_of(value: object, rules: Rules) -> tuple[str, ...]:
    """The audience, when this API is in it. Raises `Refused`."""
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not found or not all(isinstance(each, str) for each in found):
        raise Refused(Why.AUDIENCE, "aud is missing, empty or no text")
    if rules.audience.isdisjoint(found):
        raise Refused(Why.AUDIENCE, "aud names other APIs")
    if rules.sole_audience and len(found) > 1:
        raise Refused(Why.SEVERAL_AUDIENCES, f"aud names {len(found)} APIs, and only one is allowed")
    return found


def times(claims: Mapping[str, Any], leeway: int, now: int) -> tuple[int, int | None]:
    """When the token ends and when it was made. Raises `Refused`."""
    expires_at = _whole(claims, "exp")
    if now >= expires_at + leeway:
        raise Refused(Why.EXPIRED, f"exp was {now - expires_at} seconds ago")
    if "nbf" in claims and _whole(claims, "nbf") > now + leeway:
        raise Refused(Why.NOT_YET, "nbf is in the future")
    if "iat" not in claims:
        return expires_at, None
    issued_at = _whole(claims, "iat")
    if issued_at > now + leeway:
        raise Refused(Why.NOT_YET, f"iat is {issued_at - now} seconds in the future: do the clocks agree?")
    return expires_at, issued_at


def fits(claims: Mapping[str, Any], shape: Shape) -> None:
    """Raise `Refused` unless the claims are those of an access token of this shape."""
    if shape.plain and shape.needed <= claims.keys():
        return
    if not shape.needed <= claims.keys():
        raise Refused(Why.CLAIMS, f"{' and '.join(sorted(shape.needed - claims.keys()))} is missing ({shape.name})")
    if shape.any_of and not any(name in claims for name in shape.any_of):
        raise Refused(Why.CLAIMS, f"none of {', '.join(shape.any_of)} is there ({shape.name})")
    for name in shape.absent:
        if name in claims:
            raise Refused(Why.ID_TOKEN, f"{name} is in no access token ({shape.name})")
    for name, values in shape.fixed.items():
        if claims.get(name) not in values:
            raise Refused(Why.TYPE, f"{name} is none of {', '.join(values)} ({shape.name})")


def scopes_of(claims: Mapping[str, Any], shape: Shape) -> frozenset[str]:
    """The scopes, from text or from a list of texts. Raises `Refused`."""
    for name in shape.scopes:
        if name in claims:
            value = claims[name]
            if isinstance(value, str):
                return frozenset(filter(None, value.split(" ")))  # RFC 6749 section 3.3: no other space parts them
            if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
                return frozenset(value)
            raise Refused(Why.CLAIMS, f"{name} is neither text nor a list of texts")
    return frozenset()


def confirmation(value: object) -> tuple[str, str]:
    """Key and certificate thumbprint of `cnf` (RFC 7800). Raises `Refused` for a method that is not checked here."""
    if not isinstance(value, dict) or not value or not value.keys() <= {"jkt", "x5t#S256"}:
        raise Refused(Why.CONFIRMATION, "cnf holds another method than jkt and x5t#S256, or none")
    if not all(isinstance(each, str) and each for each in value.values()):
        raise Refused(Why.CONFIRMATION, "a member of cnf is empty or no text")
    return value.get("jkt", ""), value.get("x5t#S256", "")


def _whole(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= LATEST:
        raise Refused(Why.TIMES, f"{name} is missing, or no whole number of seconds that is a time")
    return value


def _first(claims: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if name in claims:
            value = claims[name]
            if type(value) is not str:
                raise Refused(Why.CLAIMS, f"{name} is no text")
            return value
    return ""


def unchangeable(value: Any, levels: int = MOST_NESTED) -> Any:
    """*value*, decoded JSON, with read-only mappings and tuples all the way down. Raises `Refused` when it is deep."""
    if type(value) not in _NESTED:
        return value
    if not levels:
        raise Refused(Why.CLAIMS, f"a claim is nested more than {MOST_NESTED} deep")
    if type(value) is dict:
        return MappingProxyType({name: unchangeable(held, levels - 1) for name, held in value.items()})
    return tuple(unchangeable(held, levels - 1) for held in value)
