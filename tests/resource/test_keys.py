"""Key sets: fetched once for everybody, again when it helps, never in a storm; a hostile one costs a budget at most."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from evergrant.keys.checking import ALGORITHMS
from evergrant.resource import Limits, Refused, SyncVerifier, Verifier, Why
from evergrant.resource.keyset import BadKeySet, read_set
from evergrant.testing.token_issuer import TokenIssuer
from tests.resource.stand import Stand, refusal, signed, signer, why
from tests.resource.stream import until

JWKS = "/jwks"
QUICK = Limits(budget_seconds=1.0, fetch_seconds=1.5)


async def test_a_hundred_first_requests_at_once_fetch_the_keys_once(stand: Stand, verifier: Verifier) -> None:
    tokens = [stand.token(jti=f"j{place}") for place in range(100)]
    found = await asyncio.gather(*(verifier.verify_token(token) for token in tokens))
    assert [access.id for access in found] == [f"j{place}" for place in range(100)]
    assert stand.asked(JWKS) == 1


async def test_j_14_a_new_key_is_fetched_when_a_token_names_it(stand: Stand, verifier: Verifier) -> None:
    await verifier.verify_token(stand.token())
    new = signer(name="new")
    stand.publish(stand.signer.public, new.public)
    assert (await verifier.verify_token(signed(new, stand.claims()))).id == "j1"
    assert stand.asked(JWKS) == 2
    newest = signer(name="newest")
    stand.publish(stand.signer.public, new.public, newest.public)
    token = signed(newest, stand.claims())
    assert await why(verifier, token) is Why.UNKNOWN_KEY  # asked again a moment ago: the floor
    stand.clock.advance(10)
    assert (await verifier.verify_token(token)).id == "j1"
    assert stand.asked(JWKS) == 3


async def test_j_15_and_r8725_3_10_a_unknown_key_ids_cause_no_storm(stand: Stand, verifier: Verifier) -> None:
    await verifier.verify_token(stand.token())
    other = signer(name="other")
    for round_ in range(3):
        tokens = [signed(other, stand.claims(), kid=f"unknown-{round_}-{place}") for place in range(50)]
        assert set(await asyncio.gather(*(why(verifier, token) for token in tokens))) == {Why.UNKNOWN_KEY}
        assert stand.asked(JWKS) == 2 + round_
        stand.clock.advance(10)


async def test_j_16_what_a_withdrawn_key_signed_is_refused_although_it_was_seen_before(
    stand: Stand, verifier: Verifier
) -> None:
    token, new = stand.token(), signer(name="new")
    await verifier.verify_token(token)
    stand.publish(new.public)
    stand.clock.advance(301)
    await verifier.verify_token(token)  # the old set, while the new one is being fetched
    await _until(lambda: stand.asked(JWKS) == 2, verifier)
    assert await why(verifier, token) is Why.UNKNOWN_KEY
    assert (await verifier.verify_token(signed(new, stand.claims()))).id == "j1"


async def _until(condition: Any, verifier: Verifier) -> None:
    for _ in range(500):
        if condition() and not verifier._asking._keys._flight.flying:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def test_a_key_under_an_old_id_is_another_key(stand: Stand, verifier: Verifier) -> None:
    token, new = stand.token(), signer(name="new")
    await verifier.verify_token(token)
    stand.publish({**new.public, "kid": stand.signer.kid})
    stand.clock.advance(301)
    await verifier.verify_token(token)
    await _until(lambda: stand.asked(JWKS) == 2, verifier)
    assert await why(verifier, token) is Why.SIGNATURE


async def test_an_issuer_that_is_away_is_borne_up_to_a_bound(stand: Stand) -> None:
    async with stand.verifier(limits=Limits(fresh_seconds=60, stale_seconds=600)) as verifier:
        token = stand.token(exp=stand.clock.now() + 3_600)
        await verifier.verify_token(token)
        stand.site.put(JWKS, b"gone", status=500)
        for _ in range(5):
            stand.clock.advance(110)
            assert (await verifier.verify_token(token)).id == "j1"
            assert (await verifier.verify_token(stand.token(jti="another"))).id == "another"
            await _until(lambda: True, verifier)
        stand.clock.advance(51)
        refused = await refusal(verifier, f"Bearer {token}")
        assert (refused.why, refused.status) == (Why.KEYS_UNREACHABLE, 503)
        assert dict(refused.headers())["Retry-After"] == "1"
        stand.publish()
        stand.clock.advance(10)
        assert (await verifier.verify_token(token)).id == "j1"


async def test_while_the_issuer_is_away_it_is_asked_once_in_a_while_only(stand: Stand, verifier: Verifier) -> None:
    stand.site.put(JWKS, b"gone", status=500)
    for _ in range(20):
        assert await why(verifier, stand.token()) is Why.KEYS_UNREACHABLE
    assert stand.asked(JWKS) == 1
    stand.clock.advance(10)
    assert await why(verifier, stand.token()) is Why.KEYS_UNREACHABLE
    assert stand.asked(JWKS) == 2


HOSTILE: dict[str, Any] = {
    "no JSON": b"<html>",
    "no object": b"[]",
    "empty": b"",
    "no list": b'{"keys":{}}',
    "empty list": b'{"keys":[]}',
    "twice": b'{"keys":[],"keys":[]}',
    "deep": b'{"keys":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "huge": b'{"keys":[' + b" " * 300_000 + b"]}",
    "many": json.encode({"keys": [{"kty": "EC"}] * 101}),
    "numbers": b'{"keys":[1,null,"x",[]]}',
    "strange keys": b'{"keys":[{},{"kty":7},{"kty":"RSA","n":7,"e":"AQAB"},{"kty":"EC","crv":"P-256"},{"kty":["EC"]}]}',
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_u_15_a_hostile_key_set_is_refused_whole_and_replaces_nothing(stand: Stand, kind: str) -> None:
    async with stand.verifier(limits=QUICK) as verifier:
        await verifier.verify_token(stand.token())
        stand.site.put(JWKS, HOSTILE[kind])
        stand.clock.advance(301)
        await verifier.verify_token(stand.token())
        await _until(lambda: stand.asked(JWKS) == 2, verifier)
        assert (await verifier.verify_token(stand.token(jti="later"))).id == "later"
        async with stand.verifier(limits=QUICK) as fresh:
            assert await why(fresh, stand.token()) is Why.KEYS_UNREACHABLE


async def test_u_15_a_key_set_that_trickles_blocks_no_request_longer_than_its_budget(stand: Stand) -> None:
    body = json.encode({"keys": [stand.signer.public]})
    stand.site.put(JWKS, body)
    stand.site.pages[JWKS].dribble, stand.site.pages[JWKS].pause = len(body), 0.05
    async with stand.verifier(limits=QUICK) as verifier:
        begun = time.monotonic()
        found = await asyncio.gather(*(why(verifier, stand.token(jti=str(place))) for place in range(20)))
        assert set(found) == {Why.KEYS_UNREACHABLE}
        assert time.monotonic() - begun < 10
        assert stand.asked(JWKS) == 1


@pytest.mark.parametrize("where", ["/elsewhere", "http://169.254.169.254/latest/meta-data", "//127.0.0.1:1/x"])
async def test_u_15_a_key_set_is_not_looked_for_where_a_redirect_leads(stand: Stand, where: str) -> None:
    stand.site.put("/elsewhere", {"keys": [stand.signer.public]})
    stand.site.put(JWKS, {}, status=302, location=where)
    async with stand.verifier(limits=QUICK) as verifier:
        assert await why(verifier, stand.token()) is Why.KEYS_UNREACHABLE
        assert stand.asked("/elsewhere") == 0


@pytest.mark.parametrize("address", ["http://10.0.0.1/jwks", "https://10.0.0.1/jwks", "file:///etc/passwd", 7, "x"])
async def test_u_15_an_issuers_document_leads_nowhere_inside(stand: Stand, address: Any) -> None:
    stand.site.describe(jwks_uri=address)
    async with stand.verifier(limits=QUICK) as verifier:
        assert await why(verifier, stand.token()) is Why.KEYS_UNREACHABLE


async def test_r8414_3_3_a_a_document_that_names_another_issuer_is_thrown_away(stand: Stand) -> None:
    for other in (stand.issuer + "/", "https://other.example", stand.issuer.upper(), None, [stand.issuer]):
        document = {"issuer": other, "jwks_uri": f"{stand.issuer}/jwks"}
        stand.site.put("/.well-known/openid-configuration", document)
        async with stand.verifier(limits=QUICK) as verifier:
            refused = await refusal(verifier, f"Bearer {stand.token()}")
            assert refused.why is Why.KEYS_UNREACHABLE
            assert "describes another issuer" in refused.detail
    assert stand.asked(JWKS) == 0


@pytest.mark.parametrize(
    "issuer", ["", "issuer.example", "http://issuer.example", "https://a b", "https://u@x.example"]
)
def test_an_issuer_that_cannot_be_asked_is_told_at_once(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        Verifier.for_issuer(issuer, audience="x")


async def test_certificate_authorities_that_are_not_there_are_told_to_the_operator(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    async with Verifier.for_issuer(
        "https://127.0.0.1:1", audience="x", authorities=missing, keys_url="https://127.0.0.1:1/jwks"
    ) as verifier:
        refused = await refusal(verifier, "Bearer a.b.c")
        assert refused.why is Why.KEYS_UNREACHABLE
        assert "No such file" in refused.detail


async def test_the_keys_address_can_be_given_and_then_nothing_is_discovered(stand: Stand) -> None:
    async with stand.verifier(keys_url=f"{stand.issuer}{JWKS}") as verifier:
        assert (await verifier.verify_token(stand.token())).id == "j1"
    assert [path for path, _ in stand.site.asked] == [JWKS]


def _notes(*keys: dict[str, Any]) -> str:
    good = signer(name="good").public
    found = read_set(json.encode({"keys": [good, *keys]}), ALGORITHMS)
    assert found.checks.keys() == {(good["kid"], "ES256")}
    return " | ".join(found.notes)


def test_keys_that_are_for_something_else_or_weak_or_not_public_are_left_out_and_told() -> None:
    ec, rsa, ed = (signer(alg, "left out").public for alg in ("ES256", "RS256", "Ed25519"))
    assert "private half" in _notes({**ec, "d": "x"})
    assert "no algorithm" in _notes({"kty": "oct", "k": "c2VjcmV0", "kid": "o"})
    assert "use is not sig" in _notes({**ec, "use": "enc"})
    assert "key_ops" in _notes({**ec, "key_ops": ["encrypt"]})
    assert "key_ops" in _notes({**ec, "key_ops": "verify"})
    assert "bits" in _notes({**rsa, "n": rsa["n"][:100]})
    assert "exponent" in _notes({**rsa, "e": "Aw"})
    assert "no key" in _notes({**ec, "x": ec["y"], "y": ec["x"]})
    assert "length" in _notes({**ec, "x": ec["x"][:20]})
    assert "base64url" in _notes({**ed, "x": ed["x"] + "="})
    assert "no algorithm" in _notes({**ec, "crv": "P-384"})
    assert "no algorithm" in _notes({**ec, "alg": "none"})
    assert "too long" in _notes({**ec, "kid": "k" * 600})
    assert "no object" in _notes([ec])  # type: ignore[arg-type]


async def test_what_is_left_out_of_a_key_set_is_told_once_and_not_at_every_fetch(
    stand: Stand, verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    encrypting = {**signer(name="encrypting").public, "use": "enc"}
    for number in (1, 2, 3):
        stand.publish(stand.signer.public, encrypting)
        await verifier.verify_token(stand.token())
        await until(lambda number=number: stand.asked(JWKS) == number)  # type: ignore[misc]
        await until(lambda: verifier._core.keys_until > stand.clock.monotonic() + 100)
        stand.clock.advance(301)
    assert caplog.text.count("use is not sig") == 1


def test_one_id_for_two_keys_of_one_algorithm_chooses_neither() -> None:
    one, two = ({**signer(name=name).public, "kid": "same"} for name in ("one", "two"))
    assert "two different keys" in _notes(one, two)
    assert read_set(json.encode({"keys": [one, one]}), ALGORITHMS).checks.keys() == {("same", "ES256")}
    rsa = {**signer("RS256").public, "kid": "same"}
    assert read_set(json.encode({"keys": [one, rsa]}), ALGORITHMS).checks.keys() == {
        ("same", "ES256"),
        ("same", "RS256"),
    }
    with pytest.raises(BadKeySet):
        read_set(json.encode({"keys": [one, two]}), ALGORITHMS)


async def test_a_token_without_key_id_is_good_where_only_one_key_can_be_meant(stand: Stand) -> None:
    token = signed(stand.signer, stand.claims(), kid=None)
    async with stand.verifier() as verifier:
        assert (await verifier.verify_token(token)).id == "j1"
    stand.publish(stand.signer.public, signer(name="second").public)
    async with stand.verifier() as verifier:
        assert await why(verifier, token) is Why.UNKNOWN_KEY


def test_without_await_many_threads_share_one_fetch(issuer: TokenIssuer) -> None:
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience) as verifier, ThreadPoolExecutor(8) as pool:
        tokens = [f"Bearer {issuer.token()}" for _ in range(8)]
        found = list(pool.map(verifier.verify, tokens * 4))
        assert len({access.id for access in found}) == 8


def test_without_await_a_verifier_that_was_closed_waits_for_nobody(issuer: TokenIssuer) -> None:
    verifier = SyncVerifier.for_issuer(issuer.url, audience=issuer.audience)
    verifier.close()
    verifier.close()
    with pytest.raises(Refused) as caught:
        verifier.verify(f"Bearer {issuer.token()}")
    assert (caught.value.why, caught.value.status) == (Why.KEYS_UNREACHABLE, 503)
