"""Reading a proof and comparing it with its request, before anybody believes the signature."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.dpop import (
    MAX_JTI,
    MAX_PROOF,
    BadProof,
    Fault,
    Wanted,
    compare,
    is_thumbprint,
    parse,
    thumbprint,
    timely,
)
from evergrant.protocol.error import Code
from tests.proving import DROPPED, Prover, ath, part

NOW = 1_800_000_000
URL = "https://id.example/token"
WANTED = Wanted("POST", URL)
CLIENT = Prover()


def fault(header: str, wanted: Wanted = WANTED) -> Fault:
    with pytest.raises(BadProof) as refused:
        compare(parse(header), wanted)
    assert refused.value.code is Code.INVALID_DPOP_PROOF
    assert refused.value.status == 400
    return refused.value.fault


def test_a_right_proof_is_read_whole():
    proof = parse(CLIENT.proof("POST", URL, NOW, jti="one", nonce="n", token="ega_x"))
    assert (proof.alg, proof.method, proof.url, proof.issued_at) == ("ES256", "POST", URL, NOW)
    assert (proof.jti, proof.nonce, proof.ath) == ("one", "n", ath("ega_x"))
    assert proof.jkt == CLIENT.jkt
    compare(proof, Wanted("POST", URL, "ega_x"))


def test_the_thumbprint_is_that_of_rfc_7638():
    # Section 3.1 of the RFC.
    key = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV"
        "4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZ"
        "Hzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8"
        "awapJzKnqDKgw",
        "e": "AQAB",
    }  # fmt: skip
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert is_thumbprint(thumbprint(key))
    assert not is_thumbprint("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9X")
    assert not is_thumbprint("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9X\n")


def test_r9449_4_3_1_and_p_06_no_proof_or_several_are_refused():
    one = CLIENT.proof("POST", URL, NOW)
    assert fault("") is Fault.MISSING
    assert fault(f"{one}, {one}") is Fault.SEVERAL
    assert fault(f"{one},{one}") is Fault.SEVERAL


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [DROPPED, None, "", 0.5j, True, ["x"], {"x": 1}])
def test_r9449_4_3_2_a_missing_member_or_one_of_another_kind_is_refused(name, value):
    if value == 0.5j:
        value = 7 if name != "iat" else "now"
    assert fault(CLIENT.proof("POST", URL, NOW, **{name: value})) is Fault.INCOMPLETE


@pytest.mark.parametrize("typ", [DROPPED, "JWT", "at+jwt", "DPoP+JWT", "application/dpop+jwt", "dpop", None, 1])
def test_r9449_4_3_3_another_type_is_refused(typ):
    assert fault(CLIENT.proof("POST", URL, NOW, head={"typ": typ})) is Fault.TYPE


@pytest.mark.parametrize(
    "alg", [DROPPED, "none", "NONE", "HS256", "HS512", "RS1", "ES512", "es256", "", None, ["ES256"]]
)
def test_r9449_4_3_4_an_algorithm_that_is_not_on_the_list_is_refused(alg):
    assert fault(CLIENT.proof("POST", URL, NOW, head={"alg": alg})) is Fault.ALGORITHM


WRONG_KEYS = [
    {"d": "AA"}, {"k": "AA"}, {"p": "AA"}, {"kty": "oct"}, {"kty": "RSA"}, {"crv": "P-384"}, {"x": "AA"}, {"x": None},
    {"y": "=" * 43}, {"kty": ["EC"]},
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_KEYS)
def test_r9449_4_3_5_and_p_05_a_key_that_is_private_or_does_not_fit_is_refused(change):
    assert fault(CLIENT.proof("POST", URL, NOW, head={"jwk": {**CLIENT.jwk, **change}})) is Fault.KEY


@pytest.mark.parametrize("jwk", [DROPPED, None, [], "key", 7, {}])
def test_r9449_4_3_5_a_header_without_a_key_is_refused(jwk):
    assert fault(CLIENT.proof("POST", URL, NOW, head={"jwk": jwk})) is Fault.KEY


def test_one_key_has_one_thumbprint():
    # 43 characters carry 258 bits: the last two must be nothing, or the same key would have four names.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    x = CLIENT.jwk["x"]
    twin = x[:-1] + alphabet[alphabet.index(x[-1]) + 1]
    assert fault(CLIENT.proof("POST", URL, NOW, head={"jwk": {**CLIENT.jwk, "x": twin}})) is Fault.KEY
    assert fault(CLIENT.proof("POST", URL, NOW, head={"jwk": {**CLIENT.jwk, "x": x + "="}})) is Fault.KEY


def test_r9449_4_3_6_and_p_02_another_method_or_address_is_refused():
    assert fault(CLIENT.proof("GET", URL, NOW)) is Fault.METHOD
    assert fault(CLIENT.proof("post", URL, NOW)) is Fault.METHOD
    assert fault(CLIENT.proof("POST", "https://id.example/userinfo", NOW)) is Fault.URL
    assert fault(CLIENT.proof("POST", "https://other.example/token", NOW)) is Fault.URL
    assert fault(CLIENT.proof("POST", "token", NOW)) is Fault.URL
    compare(parse(CLIENT.proof("POST", "HTTPS://ID.EXAMPLE:443/token?a=b#c", NOW)), WANTED)


def test_r9449_4_3_8_another_token_is_refused():
    wanted = Wanted("POST", URL, "ega_x")
    assert fault(CLIENT.proof("POST", URL, NOW), wanted) is Fault.TOKEN
    assert fault(CLIENT.proof("POST", URL, NOW, token="ega_y"), wanted) is Fault.TOKEN
    assert fault(CLIENT.proof("POST", URL, NOW, ath="\ud800"), wanted) is Fault.TOKEN


def test_r9449_4_3_7_the_window_of_a_proofs_own_time_is_a_minute_back_and_ten_seconds_ahead():
    for age, good in ((0, True), (60, True), (61, False), (-10, True), (-11, False), (-60, False), (10**12, False)):
        assert timely(parse(CLIENT.proof("POST", URL, NOW - age)), NOW) is good
    assert timely(parse(CLIENT.proof("POST", URL, NOW, iat=NOW - 0.5)), NOW)


def test_p_07_a_long_jti_is_refused():
    parse(CLIENT.proof("POST", URL, NOW, jti="x" * MAX_JTI))
    assert fault(CLIENT.proof("POST", URL, NOW, jti="x" * (MAX_JTI + 1))) is Fault.INCOMPLETE


def test_j_13_size_depth_and_doubled_names_are_refused_before_anything_is_believed():
    header, claims = part({"typ": "dpop+jwt", "alg": "ES256", "jwk": CLIENT.jwk}), part({"jti": "x"})
    assert fault("x" * (MAX_PROOF + 1)) is Fault.UNREADABLE
    assert fault(CLIENT.proof("POST", URL, NOW, padding="x" * MAX_PROOF)) is Fault.UNREADABLE
    assert fault(CLIENT.signed(part(b"[" * 4_000), claims)) is Fault.UNREADABLE
    doubled = json.dumps({"typ": "dpop+jwt", "alg": "ES256"})[:-1] + ', "alg": "none"}'
    assert fault(CLIENT.signed(part(doubled.encode()), claims)) is Fault.UNREADABLE
    for wrong in (b"[]", b"7", b"NaN", b"\xff", b'{"a": Infinity}', b"", b"{"):
        assert fault(CLIENT.signed(header, part(wrong))) is Fault.UNREADABLE


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c.d", "..", "a..c", "é.é.é", "a b.c.d", "\0.\0.\0", "e30.e30.!"])
def test_r9449_4_3_2_what_is_no_jwt_is_refused(text):
    assert fault(text) is Fault.UNREADABLE


def test_critical_extensions_are_refused():
    assert fault(CLIENT.proof("POST", URL, NOW, head={"crit": ["b64"], "b64": False})) is Fault.UNREADABLE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
HEADS = st.fixed_dictionaries(
    {}, optional={name: JSON | st.sampled_from(["dpop+jwt", "ES256", "RS256"]) for name in ("typ", "alg", "crit")}
    | {"jwk": JSON | st.fixed_dictionaries({}, optional={"kty": st.sampled_from(["EC", "RSA", "OKP", "oct"]),
       "crv": JSON | st.just("P-256"), "x": JSON | st.just("A" * 43), "y": JSON, "n": JSON, "e": JSON})},
)  # fmt: skip
CLAIMS = st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "x"]), JSON)


@given(HEADS, CLAIMS, st.binary(max_size=70))
def test_no_generated_proof_is_anything_but_read_or_refused(head, claims, signature):
    text = f"{part(head)}.{part(claims)}.{part(signature)}"
    with suppress(BadProof):
        proof = parse(text)
        timely(proof, NOW)
        compare(proof, Wanted("POST", URL, "ega_x"))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_anything_but_read_or_refused(text):
    with pytest.raises(BadProof):
        parse(text)
