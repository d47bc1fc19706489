"""Generated tokens, judged by joserfc, by PyJWT, and by us: we take what both take and our own rules allow, no more."""

import time
from typing import Any

import jwt
from hypothesis import event, given, settings
from hypothesis import strategies as st
from joserfc import jwt as jose
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from msgspec import json

from evergrant.domain.base64url import encode as b64
from evergrant.keys.signing import Signer, make
from evergrant.resource import Refused
from evergrant.resource.authorization import read
from tests.property.test_resource_headers import API, ISSUER, SIGNER, knowing

OTHER = Signer(make("ES256"), "ES256")
THEIRS, KEY = import_key(dict(SIGNER.public)), jwt.PyJWK(SIGNER.public)
VERIFIER = knowing()
REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
# The libraries look at the real clock: every distance is days, however long ago this was imported.
NOW = int(time.time())
GOOD = {"iss": ISSUER, "aud": API, "exp": NOW + 500_000, "iat": NOW - 100_000, "sub": "u", "client_id": "c", "jti": "j"}
HEAD = {"alg": "ES256", "typ": "at+jwt", "kid": SIGNER.kid}
GONE = object()
TIMES = (
    NOW - 500_000, NOW - 100_000, NOW + 100_000, NOW + 500_000, NOW + 0.5, -1, "soon", str(NOW + 500_000), None, True,
    10**15, GONE,
)  # fmt: skip
TEXTS = ("x", "", 7, None, ["x"], {"x": 1}, GONE)
IN_CLAIMS = {
    "iss": (ISSUER, ISSUER + "/", "https://other.example", "", 7, [ISSUER], GONE),
    "aud": (API, [API], [API, "x"], ["x"], API + "/", "", [], 7, [7], [API, 7], GONE),
    "exp": TIMES,
    "iat": TIMES,
    "nbf": TIMES,
    "sub": TEXTS,
    "client_id": TEXTS,
    "jti": TEXTS,
    "scope": ("a b", *TEXTS),
}
IN_HEAD = {
    "alg": ("none", "HS256", "RS256", "es256", GONE),
    "typ": ("JWT", "application/at+jwt", "AT+JWT", "dpop+jwt", GONE),
    "kid": ("x", OTHER.kid),
    "crit": (["exp"], ["b64"]),
    "b64": (True, False),
    "jku": ("https://x.example",),
}


def changes(places: dict[str, tuple[Any, ...]], most: int) -> Any:
    """Up to *most* members changed, added or taken away."""
    each = [(name, value) for name, values in places.items() for value in values]
    return st.lists(st.sampled_from(each), max_size=most)


def changed(members: dict[str, Any], made: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {**members, **dict(made)}
    return {name: value for name, value in found.items() if value is not GONE}


def rules(head: dict[str, Any], claims: dict[str, Any]) -> bool:
    """What we ask for beyond what the libraries do, written down once more and otherwise."""
    if head.get("typ", "").lower().split("/")[-1] != "at+jwt" or head["kid"] != SIGNER.kid or len(head) > 3:
        return False
    if not set(REQUIRED) <= claims.keys():
        return False
    whole = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    if any(type(each) is not int or not 0 <= each < 253_402_300_800 for each in whole):
        return False
    if claims.get("nbf", 0) > NOW + 50_000 or claims["iat"] > NOW + 50_000:
        return False
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if not all(type(each) is str for each in audience):
        return False
    if not isinstance(claims.get("scope", ""), str) and not _texts(claims["scope"]):
        return False
    return all(type(claims[name]) is str for name in ("sub", "client_id", "jti"))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is str for each in value)


def _joserfc(token: str) -> bool:
    registry = jose.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": API}, exp={"essential": True},
        leeway=10,
    )  # fmt: skip
    try:
        registry.validate(jose.decode(token, THEIRS, algorithms=["ES256"]).claims)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _pyjwt(token: str) -> bool:
    options: Any = {"require": list(REQUIRED)}
    try:
        jwt.decode(token, KEY, algorithms=["ES256"], audience=API, issuer=ISSUER, leeway=10, options=options)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        return False
    return True


@settings(max_examples=3 * settings().max_examples)
@given(changes(IN_HEAD, 1), changes(IN_CLAIMS, 2), st.sampled_from([SIGNER, SIGNER, SIGNER, OTHER]))
def test_j_01_j_02_j_06_j_08_j_09_j_10_we_take_what_joserfc_and_pyjwt_take_and_our_rules_allow(
    in_head: Any, in_claims: Any, signer: Signer
) -> None:
    head, claims = changed(HEAD, in_head), changed(GOOD, in_claims)
    message = b".".join(b64(json.encode(part)) for part in (head, claims))
    token = f"{message.decode()}.{b64(signer.raw(message)).decode()}"
    try:
        ours = VERIFIER._core.judged(read(f"Bearer {token}")) is not None
    except Refused:
        ours = False
    theirs = _joserfc(token) and _pyjwt(token)
    event("taken" if ours else "taken by others" if theirs else "refused by all")
    if ours:
        assert theirs
    assert ours == (theirs and rules(head, claims))
