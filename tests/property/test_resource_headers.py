"""Whatever stands in a header: an access or a refusal with the right challenge, in bounded time, never an exception."""

import asyncio
import json as plain
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from evergrant.domain.base64url import decode
from evergrant.domain.base64url import encode as b64
from evergrant.keys.signing import Signer, make
from evergrant.resource import Access, Dpop, Possession, Refused, SyncVerifier, Verifier
from evergrant.resource.keyset import read_set

ISSUER, API = "https://issuer.example", "https://api.example"
SIGNER = Signer(make("ES256"), "ES256")


def knowing(**more: Any) -> Verifier:
    """A verifier with the keys at hand: it asks nobody."""
    verifier = Verifier.for_issuer(ISSUER, audience=API, **more)
    verifier._core.take(read_set(json.encode({"keys": [SIGNER.public]}), verifier._core.rules.algorithms))
    verifier._core.keys_until = float("inf")
    verifier._asking._keys._tried_at = float("inf")
    return verifier


PLAIN, BOUND = knowing(), knowing(dpop=Dpop(API))
SYNC = SyncVerifier(knowing())
GOOD = SIGNER.sign("at+jwt", json.encode({
    "iss": ISSUER, "sub": "u", "aud": API, "client_id": "c", "iat": 1, "exp": 32_503_680_000, "jti": "j",
}))  # fmt: skip
WORDS = st.sampled_from([
    "Bearer", "bearer", "DPoP", "Basic", " ", "  ", "\t", ",", ".", "..", "=", GOOD, GOOD[:-1], "ega_", "egr_a",
    "\x00", "\r\n", "é", "𝒳",
])  # fmt: skip
PIECES = st.lists(WORDS | st.text(max_size=12), max_size=8).map("".join)


def answered(verifier: Verifier, header: str | bytes | None, possession: Possession) -> Access | Refused:
    try:
        return asyncio.run(verifier.verify(header, possession=possession))
    except Refused as refused:
        return refused


def judge(found: Access | Refused, header: str | bytes | None) -> None:
    if isinstance(found, Access):
        text = header.decode("latin-1") if isinstance(header, bytes) else header or ""
        assert GOOD in text
        return
    assert found.status in {400, 401}
    values = found.challenges()
    assert values
    for value in values:
        assert value.split(" ")[0] in {"Bearer", "DPoP"}
        assert value.isascii()
        assert value.isprintable()
    for _, value in found.headers():
        assert "\n" not in value


@given(st.none() | st.binary(max_size=200) | st.text(max_size=200) | PIECES | PIECES.map(lambda text: text.encode()))
def test_any_header_is_answered_with_401_or_400_and_a_challenge(header: Any) -> None:
    for verifier in (PLAIN, BOUND):
        judge(answered(verifier, header, Possession("", "")), header)
    try:
        judge(SYNC.verify(header), header)
    except Refused as refused:
        judge(refused, header)


HEAD = st.fixed_dictionaries({}, optional={
    name: st.sampled_from(values) | st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(), max_size=2)
    for name, values in {
        "alg": ["ES256", "RS256", "none", "HS256", "EdDSA"], "kid": [SIGNER.kid, "x"], "typ": ["at+jwt", "JWT"],
        "crit": ["x"], "jwk": ["x"], "jku": ["x"], "cty": ["JWT"], "b64": ["x"], "zip": ["DEF"],
    }.items()
})  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "cnf", "nbf", "sid", "fam", "acr"])
    | st.text(max_size=5),
    JSON | st.sampled_from([ISSUER, API, 32_503_680_000]),
    max_size=10,
)


@given(HEAD, CLAIMS, st.booleans(), st.binary(max_size=70))
def test_any_three_parts_are_answered_and_good_only_when_all_of_it_is(
    head: Any, claims: Any, signed: bool, signature: bytes
) -> None:
    text = b".".join(b64(_written(part)) for part in (head, claims))
    made = SIGNER.raw(text) if signed else signature
    found = answered(PLAIN, f"Bearer {text.decode()}.{b64(made).decode()}", Possession("", ""))
    if isinstance(found, Access):
        assert signed
        assert {"iss", "sub", "aud", "client_id", "iat", "exp", "jti"} <= claims.keys()
        assert claims["iss"] == ISSUER
        assert head["alg"] == "ES256"
    else:
        assert found.status == 401
        assert found.challenges()


def _written(part: Any) -> bytes:
    return plain.dumps(part).encode("utf-8", "surrogatepass")


@given(
    st.sampled_from(["GET", "POST", "", "get"]),
    st.text(max_size=30) | st.just("/"),
    st.lists(st.text(max_size=60) | st.just(GOOD), max_size=3).map(tuple),
    st.text(max_size=50),
)
def test_any_proof_and_any_certificate_is_answered(method: str, target: str, proofs: Any, certificate: str) -> None:
    claims = json.decode(decode(GOOD.split(".")[1]))
    for cnf in ({"jkt": "k" * 43}, {"x5t#S256": "k" * 43}):
        token = SIGNER.sign("at+jwt", json.encode({**claims, "cnf": cnf}))
        for scheme in ("Bearer", "DPoP"):
            found = answered(BOUND, f"{scheme} {token}", Possession(method, target, proofs, certificate))
            if isinstance(found, Access):
                assert (scheme, certificate) == ("Bearer", "k" * 43)
            else:
                assert found.status == 401
