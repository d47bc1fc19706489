"""Which tokens are refused, and why: one line per mistake. Every key and signature is real."""

import hmac
from hashlib import sha256
from typing import Any

import pytest
from msgspec import json

from evergrant.domain.base64url import encode as b64
from evergrant.resource import Verifier, Why
from tests.resource.stand import API, NOW, Stand, compact, refusal, signed, signer, why


async def test_r9068_4_a_type_issuer_audience_signature_and_end_are_checked(stand: Stand, verifier: Verifier) -> None:
    assert (await verifier.verify_token(stand.token())).subject == "usr_1"
    assert (await verifier.verify_token(signed(stand.signer, stand.claims(), typ="application/at+jwt"))).id == "j1"
    assert await why(verifier, signed(stand.signer, stand.claims(), typ="JWT")) is Why.ID_TOKEN
    assert await why(verifier, signed(stand.signer, stand.claims(auth_time=None), typ=None)) is Why.TYPE
    assert await why(verifier, stand.token(iss="https://other.example")) is Why.ISSUER
    assert await why(verifier, stand.token(aud="https://other.example")) is Why.AUDIENCE
    assert await why(verifier, stand.token()[:-8] + "AAAAAAAA") is Why.SIGNATURE
    assert await why(verifier, stand.token(exp=NOW - 60)) is Why.EXPIRED


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE"])
async def test_j_01_and_r8725_3_2_a_no_unsigned_token(stand: Stand, verifier: Verifier, spelling: str) -> None:
    head = {"typ": "at+jwt", "alg": spelling, "kid": stand.signer.kid}
    assert await why(verifier, compact(head, stand.claims()) + "AAAA") is Why.ALGORITHM_NONE
    refused = await refusal(verifier, "Bearer " + compact(head, stand.claims()))
    assert refused.status in {400, 401}


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_j_02_a_public_key_is_no_shared_secret(stand: Stand, verifier: Verifier, alg: str) -> None:
    message = compact({"typ": "at+jwt", "alg": alg, "kid": stand.signer.kid}, stand.claims()).rpartition(".")[0]
    forged = hmac.digest(json.encode(stand.signer.public), message.encode(), sha256)
    assert await why(verifier, f"{message}.{b64(forged).decode()}") is Why.ALGORITHM


async def test_r8725_3_1_a_the_key_fixes_the_algorithm(stand: Stand) -> None:
    rsa = signer("RS256")
    stand.signer = rsa
    stand.publish()
    async with stand.verifier() as verifier:
        assert (await verifier.verify_token(stand.token())).id == "j1"
        assert await why(verifier, signed(rsa, stand.claims(), alg="PS256")) is Why.UNKNOWN_KEY
        assert await why(verifier, signed(rsa, stand.claims(), alg="ES256")) is Why.UNKNOWN_KEY
    async with stand.verifier(algorithms=("ES256",)) as verifier:
        assert await why(verifier, stand.token()) is Why.KEYS_UNREACHABLE  # no key of the set may be used


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
async def test_j_03_and_j_04_a_token_brings_neither_key_nor_address(
    stand: Stand, verifier: Verifier, member: str
) -> None:
    other = signer(name="other")
    value: Any = other.public if member == "jwk" else f"{stand.issuer}/theirs"
    stand.site.put("/theirs", {"keys": [other.public]})
    for kid in (stand.signer.kid, other.kid):
        assert await why(verifier, signed(other, stand.claims(), kid=kid, **{member: value})) is Why.OWN_KEY
    assert stand.asked("/theirs") == 0


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1 --", "k" * 400, "\u0000", "http://127.0.0.1/x", ""])
async def test_j_05_and_r8725_3_10_a_key_ids_only_look_up(stand: Stand, verifier: Verifier, kid: str) -> None:
    assert await why(verifier, signed(signer(name="other"), stand.claims(), kid=kid)) in {
        Why.UNKNOWN_KEY,
        Why.SIGNATURE,  # without an id the only key there is may be meant
    }


@pytest.mark.parametrize("kid", ["k" * 600, 7, None, ["a"], {"a": 1}])
async def test_j_05_a_key_id_that_is_no_short_text_looks_up_nothing(stand: Stand, verifier: Verifier, kid: Any) -> None:
    head = {"typ": "at+jwt", "alg": "ES256", "kid": kid}
    assert await why(verifier, signed(signer(name="other"), stand.claims(), head)) is Why.KEY_ID


@pytest.mark.parametrize(
    "member",
    [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"zip": "DEF"}, {"enc": "A"}],
)
async def test_j_06_and_r7515_4_1_11_a_what_changes_the_meaning_is_refused(
    stand: Stand, verifier: Verifier, member: dict[str, Any]
) -> None:
    assert await why(verifier, signed(stand.signer, stand.claims(), **member)) is Why.CRITICAL


@pytest.mark.parametrize(
    "audience",
    [None, "", [], ["https://other.example"], API + "/", API.upper(), API[:-1], [API, 7], {"a": API}, 7, [[API]]],
)
async def test_j_08_the_audience_is_exact(stand: Stand, verifier: Verifier, audience: Any) -> None:
    assert await why(verifier, stand.token(aud=audience)) is Why.AUDIENCE


async def test_j_08_a_sole_audience_can_be_demanded(stand: Stand) -> None:
    both = stand.token(aud=[API, "https://other.example"])
    async with stand.verifier() as lenient, stand.verifier(sole_audience=True) as strict:
        assert (await lenient.verify_token(both)).audience == (API, "https://other.example")
        assert await why(strict, both) is Why.SEVERAL_AUDIENCES
        assert (await strict.verify_token(stand.token(aud=[API]))).audience == (API,)


async def test_j_09_the_issuer_is_exact(stand: Stand, verifier: Verifier) -> None:
    for other in (stand.issuer + "/", stand.issuer[:-1], stand.issuer.upper(), [stand.issuer], None, 7, ""):
        assert await why(verifier, stand.token(iss=other)) is Why.ISSUER


@pytest.mark.parametrize(
    "times",
    [
        {"exp": str(NOW + 600)}, {"exp": NOW + 600.5}, {"exp": -1}, {"exp": 10**300}, {"exp": True}, {"exp": None},
        {"exp": [NOW]}, {"iat": str(NOW)}, {"iat": NOW + 0.5}, {"iat": -1}, {"nbf": "soon"}, {"nbf": 1e400},
    ],
)  # fmt: skip
async def test_j_10_times_are_whole_and_sane(stand: Stand, verifier: Verifier, times: dict[str, Any]) -> None:
    claims = stand.claims(**times)
    text = b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), _json(value)) for name, value in claims.items())
    assert await why(verifier, signed(stand.signer, text)) in {Why.TIMES, Why.NOT_A_TOKEN}


def _json(value: Any) -> bytes:
    return b"1e400" if value == 1e400 else str(value).encode() if type(value) is int else json.encode(value)


async def test_j_10_what_is_not_yet_or_no_more_is_judged_with_one_leeway(stand: Stand, verifier: Verifier) -> None:
    assert (await verifier.verify_token(stand.token(exp=NOW - 9))).expires_at == NOW - 9
    assert await why(verifier, stand.token(exp=NOW - 10)) is Why.EXPIRED
    assert (await verifier.verify_token(stand.token(nbf=NOW + 10))).subject == "usr_1"
    assert await why(verifier, stand.token(nbf=NOW + 11)) is Why.NOT_YET
    assert (await verifier.verify_token(stand.token(iat=NOW + 10))).issued_at == NOW + 10
    assert await why(verifier, stand.token(iat=NOW + 11)) is Why.NOT_YET


@pytest.mark.parametrize("missing", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
async def test_j_10_what_rfc_9068_asks_for_is_there(stand: Stand, verifier: Verifier, missing: str) -> None:
    expected = {"iss": Why.ISSUER, "exp": Why.TIMES, "aud": Why.AUDIENCE}
    assert await why(verifier, stand.token(**{missing: None})) is expected.get(missing, Why.CLAIMS)


@pytest.mark.parametrize("claim", ["sub", "client_id", "jti", "scope", "fam", "sid", "acr"])
async def test_a_claim_of_another_type_is_refused_and_not_guessed_at(
    stand: Stand, verifier: Verifier, claim: str
) -> None:
    for value in (7, {"a": 1}, True, [7], None):
        token = signed(stand.signer, {**stand.claims(), claim: value})
        assert await why(verifier, token) is Why.CLAIMS


async def test_j_11_malformed_signatures_are_refused(stand: Stand, verifier: Verifier) -> None:
    message = stand.token().rpartition(".")[0]
    good = stand.signer.raw(message.encode())
    for bad in (bytes(64), good[:32] + bytes(32), bytes(32) + good[32:], good[:-1], good + b"\0", b"\xff" * 64, b"\0"):
        assert await why(verifier, f"{message}.{b64(bad).decode()}") is Why.SIGNATURE
    assert await why(verifier, signed(signer(name="other"), stand.claims(), kid=stand.signer.kid)) is Why.SIGNATURE


async def test_j_11_one_signature_has_one_spelling(stand: Stand, verifier: Verifier) -> None:
    token = stand.token()
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bits = alphabet[alphabet.index(last) ^ 1]  # 64 bytes leave four bits over: they decode to the same bytes
    assert await why(verifier, token[:-1] + same_bits) is Why.NOT_A_TOKEN
    assert await why(verifier, token + "=") is Why.NOT_A_TOKEN
    assert await why(verifier, token.replace("-", "+").replace("_", "/") + "+") is Why.NOT_A_TOKEN


async def test_j_12_encrypted_and_nested_tokens_are_not_opened(stand: Stand, verifier: Verifier) -> None:
    assert await why(verifier, "a.b.c.d.e") is Why.ENCRYPTED
    assert await why(verifier, signed(stand.signer, stand.token().encode(), cty="JWT")) is Why.NESTED
    assert await why(verifier, signed(stand.signer, stand.token().encode())) is Why.NOT_A_TOKEN


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}', b"[1]", b"7", b"", b"{", b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\xff"}',
        b'{"a":' * 5_00 + b"1" + b"}" * 5_00, b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
async def test_j_13_what_reads_two_ways_is_not_read(stand: Stand, verifier: Verifier, text: bytes) -> None:
    refused = await refusal(verifier, "Bearer " + signed(stand.signer, text))
    assert refused.why in {Why.NOT_A_TOKEN, Why.ISSUER}  # nesting of five hundred is JSON, and no claims
    claims = json.encode(stand.claims())
    assert await why(verifier, signed(stand.signer, claims[:-1] + b',"sub":"other"}')) is Why.NOT_A_TOKEN
    head = b'{"typ":"at+jwt","alg":"ES256","kid":"%b","alg":"ES256"}' % stand.signer.kid.encode()
    assert await why(verifier, signed(stand.signer, stand.claims(), head)) is Why.NOT_A_TOKEN


@pytest.mark.parametrize("levels", [64, 65, 600, 990, 5_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
async def test_j_13_what_is_nested_deeply_is_refused_wherever_it_is_judged(
    stand: Stand, verifier: Verifier, levels: int, opens: str, closes: str
) -> None:
    deep = f',"deep":{opens * levels}1{closes * levels}}}'.encode()
    token = signed(stand.signer, json.encode(stand.claims())[:-1] + deep)
    if levels == 64:
        assert (await verifier.verify_token(token)).claims["deep"]
    elif len(token) < 16_000:
        assert await why(verifier, token) in {Why.CLAIMS, Why.NOT_A_TOKEN}
    else:
        assert await why(verifier, token) is Why.TOO_LONG


async def test_j_13_length_is_judged_before_anything_is_parsed(stand: Stand, verifier: Verifier) -> None:
    assert (await refusal(verifier, "Bearer " + "a" * 20_000)).why is Why.TOO_LONG
    assert await why(verifier, stand.token(padding="x" * 20_000)) is Why.TOO_LONG
    assert stand.site.asked == []


async def test_whitespace_and_escapes_in_claims_are_no_mistake(stand: Stand, verifier: Verifier) -> None:
    text = json.format(json.encode(stand.claims(name="A\u00e9\u2028")), indent=2).replace(b'"A', b'"\\u0041')
    access = await verifier.verify_token(signed(stand.signer, text))
    assert access.claims["name"] == "A\u00e9\u2028"


async def test_r8725_3_8_a_keys_belong_to_their_issuer(stand: Stand) -> None:
    other = signer(name="other")
    stand.site.put("/other/jwks", {"keys": [other.public]})
    home = f"{stand.issuer}/other"
    stand.site.describe(home, "/.well-known/oauth-authorization-server/other")
    async with stand.verifier(issuer=home) as theirs, stand.verifier() as ours:
        token = signed(other, stand.claims(iss=home))
        assert (await theirs.verify_token(token)).issuer == home
        assert await why(ours, token) is Why.UNKNOWN_KEY
        assert await why(ours, signed(other, stand.claims())) is Why.UNKNOWN_KEY
        assert await why(theirs, signed(other, stand.claims())) is Why.ISSUER


async def test_what_an_api_is_given_cannot_be_changed_for_the_next_request(stand: Stand, verifier: Verifier) -> None:
    access = await verifier.verify_token(stand.token(roles={"admin": ["no"]}))
    with pytest.raises(TypeError):
        access.claims["sub"] = "other"  # type: ignore[index]
    with pytest.raises(TypeError):
        access.claims["roles"]["admin"] = ()
    assert access.claims["roles"]["admin"] == ("no",)
    with pytest.raises(AttributeError):
        access.subject = "other"  # type: ignore[misc]
    assert "usr_1" not in repr(access)


async def test_r9470_3_a_the_challenge_says_which_sign_in_is_needed(stand: Stand, verifier: Verifier) -> None:
    token = f"Bearer {stand.token()}"
    assert (await verifier.verify(token, acr=("pwd", "mfa"), max_age=60)).acr == "pwd"
    old = await refusal(verifier, token, max_age=30)
    assert (old.why, old.status) == (Why.SIGN_IN_TOO_OLD, 401)
    assert old.challenges() == ('Bearer error="insufficient_user_authentication", max_age="30"',)
    weak = await refusal(verifier, token, acr=("mfa", "hwk"), max_age=600)
    assert weak.why is Why.SIGN_IN_TOO_WEAK
    assert weak.challenges() == (
        'Bearer error="insufficient_user_authentication", acr_values="mfa hwk", max_age="600"',
    )
    assert await why(verifier, stand.token(auth_time=None), max_age=600) is Why.SIGN_IN_TOO_OLD
    stand.clock.advance(500)
    assert (await refusal(verifier, token, max_age=60)).why is Why.SIGN_IN_TOO_OLD


async def test_a_token_seen_before_is_refused_when_its_time_is_over(stand: Stand, verifier: Verifier) -> None:
    token = stand.token(exp=NOW + 100)
    await verifier.verify_token(token)
    stand.clock.advance(109)
    assert (await verifier.verify_token(token)).id == "j1"
    stand.clock.advance(1)
    assert await why(verifier, token) is Why.EXPIRED
    assert await why(verifier, token) is Why.EXPIRED


async def test_r6749_3_3_a_scopes_are_parted_by_spaces_alone(stand: Stand, verifier: Verifier) -> None:
    for said in ("read\u00a0admin", "read\tadmin", "read\u2003admin", "read\x1cadmin"):
        access = await verifier.verify_token(stand.token(scope=f" read  {said} ", jti=said))
        assert access.scopes == {"read", said}
