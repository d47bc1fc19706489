"""Which claims a client gets about a person, and where (OpenID Connect Core sections 5.1, 5.4, 5.5)."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import DecodeError, json

from evergrant.domain.account import Account
from evergrant.domain.scope import split

OF_SCOPE: Final[dict[str, tuple[str, ...]]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
STANDARD: Final = frozenset(name for names in OF_SCOPE.values() for name in names)
# acr and auth_time are in every ID token already; asking for them as essential is understood and met.
UNDERSTOOD: Final = STANDARD | {"sub", "auth_time", "acr", "amr"}
PLACES: Final = ("userinfo", "id_token")
MAX_LENGTH: Final = 4_096
# Nesting is bounded by this; the decoder's own limit depends on where it is called from.
MAX_BRACKETS: Final = 200


class ClaimsSyntaxError(ValueError):
    """The claims parameter is not what section 5.5 describes."""


def normal_claims(text: str) -> str:
    """The understood part of a claims request as compact JSON; unknown claims are left out (section 5.5.1)."""
    if len(text) > MAX_LENGTH or text.count("{") + text.count("[") > MAX_BRACKETS:
        raise ClaimsSyntaxError
    try:
        asked = json.decode(text)
    except (DecodeError, RecursionError) as error:
        raise ClaimsSyntaxError from error
    if not isinstance(asked, dict):
        raise ClaimsSyntaxError
    kept: dict[str, dict[str, Any]] = {}
    for place in PLACES:
        members = asked.get(place) or {}
        if not isinstance(members, dict) or any(v is not None and not isinstance(v, dict) for v in members.values()):
            raise ClaimsSyntaxError
        wanted = {name: value for name, value in members.items() if name in UNDERSTOOD}
        if wanted:
            kept[place] = wanted
    return json.encode(kept, order="sorted").decode() if kept else ""


def asked_claims(claims: str, place: str) -> Mapping[str, Any]:
    """Which claims a normal claims request wants at *place*."""
    if not claims:
        return {}
    found: Mapping[str, Any] = json.decode(claims).get(place, {})
    return found


def wanted_subject(claims: str) -> str:
    """The one subject that a claims request demands in the ID token, or the empty string (section 5.5.1)."""
    member = asked_claims(claims, "id_token").get("sub")
    value = member.get("value") if isinstance(member, dict) else None
    return value if isinstance(value, str) else ""


def reaches(claims: str, acr: str) -> bool:
    """Whether *acr*, the one level there is, meets what a claims request calls essential (section 5.5.1.1)."""
    member = asked_claims(claims, "id_token").get("acr")
    if not isinstance(member, dict) or member.get("essential") is not True:
        return True
    wanted = [member["value"]] if "value" in member else member.get("values")
    return not isinstance(wanted, list) or acr in wanted


def person_claims(account: Account, names: set[str]) -> dict[str, object]:
    """Those of *names* that the account has."""
    held: dict[str, object] = {"preferred_username": account.username, **account.claims}
    if account.email:
        held |= {"email": account.email, "email_verified": account.email_verified}
    return {name: held[name] for name in sorted(names & STANDARD) if held.get(name) is not None}


def userinfo_names(scope: str, claims: str) -> set[str]:
    """The claims that scope and claims request open at the UserInfo endpoint."""
    by_scope = {name for item in split(scope) for name in OF_SCOPE.get(item, ())}
    return by_scope | set(asked_claims(claims, "userinfo"))
