"""Opaque tokens: asked about at the issuer, believed for a while, and never longer than they live (RFC 7662)."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest

from evergrant.resource import Introspection, Limits, Verifier, Why
from evergrant.testing.token_issuer import TokenIssuer
from tests.resource.stand import NOW, Stand, refusal, signed, signer, why

ASK = "/introspect"
ASKING = Introspection("api", "a secret that is made up")
QUICK = Limits(budget_seconds=1.0, fetch_seconds=1.5)
OPAQUE = "an-opaque-token"


def told(stand: Stand, **changes: Any) -> None:
    stand.site.describe(introspection_endpoint=f"{stand.issuer}{ASK}")
    stand.site.put(ASK, {"active": True, **stand.claims(**changes)})


async def test_an_opaque_token_of_this_issuer_is_as_good_as_a_jwt(issuer: TokenIssuer) -> None:
    asking = Introspection(*issuer.credentials)
    async with Verifier.for_issuer(issuer.url, audience=issuer.audience, introspection=asking) as verifier:
        token = issuer.opaque(scope="read")
        access = await verifier.verify_token(token, scopes=("read",))
        assert access.opaque
        assert access.family.startswith("fam_")
        assert await verifier.verify_token(token) is access
        ended = issuer.opaque()
        issuer.end(ended)
        assert await why(verifier, ended) is Why.INACTIVE
    async with Verifier.for_issuer(issuer.url, audience=issuer.audience) as verifier:
        assert await why(verifier, token) is Why.OPAQUE


async def test_i_04_and_r7662_4_c_an_answer_is_believed_for_as_long_as_was_said(stand: Stand) -> None:
    told(stand)
    async with stand.verifier(introspection=ASKING) as verifier:
        for _ in range(3):
            await verifier.verify_token(OPAQUE)
        assert stand.asked(ASK) == 1
        stand.site.put(ASK, {"active": False})
        stand.clock.advance(29)
        assert (await verifier.verify_token(OPAQUE)).opaque
        stand.clock.advance(1)
        assert await why(verifier, OPAQUE) is Why.INACTIVE
        assert stand.asked(ASK) == 2


async def test_r7662_4_c_no_answer_outlives_its_token(stand: Stand) -> None:
    told(stand, exp=NOW + 7)
    async with stand.verifier(introspection=ASKING) as verifier:
        await verifier.verify_token(OPAQUE)
        stand.site.put(ASK, {"active": False})
        stand.clock.advance(7)
        assert await why(verifier, OPAQUE) is Why.INACTIVE


async def test_a_hundred_requests_with_one_token_ask_once_and_a_no_is_kept_for_a_moment(stand: Stand) -> None:
    told(stand)
    async with stand.verifier(introspection=ASKING) as verifier:
        await asyncio.gather(*(verifier.verify_token(OPAQUE) for _ in range(100)))
        assert stand.asked(ASK) == 1
        stand.site.put(ASK, {"active": False})
        for _ in range(10):
            assert await why(verifier, "another") is Why.INACTIVE
        assert stand.asked(ASK) == 2
        assert "another" not in repr(verifier._asking._introspector._inactive), "sixteen kilobytes may be kept for each"
        told(stand)
        stand.clock.advance(5)
        assert (await verifier.verify_token("another")).opaque


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aud": None}, Why.AUDIENCE),
        ({"aud": "https://other.example"}, Why.AUDIENCE),
        ({"iss": "https://other.example"}, Why.ISSUER),
        ({"exp": NOW - 60}, Why.EXPIRED),
        ({"exp": "soon"}, Why.TIMES),
        ({"token_type": "refresh_token"}, Why.REFRESH_TOKEN),
        ({"typ": "Refresh"}, Why.REFRESH_TOKEN),
        ({"typ": "ID"}, Why.ID_TOKEN),
        ({"token_use": "refresh_token"}, Why.REFRESH_TOKEN),
        ({"token_use": "id"}, Why.ID_TOKEN),
        ({"active": "true"}, Why.INACTIVE),
        ({"active": 1}, Why.INACTIVE),
        ({"scope": 7}, Why.CLAIMS),
        ({"cnf": {"jwk": {}}}, Why.CONFIRMATION),
    ],
)
async def test_an_answer_is_judged_as_the_claims_of_a_token_are(
    stand: Stand, changes: dict[str, Any], expected: Why
) -> None:
    told(stand, **changes)
    async with stand.verifier(introspection=ASKING) as verifier:
        assert await why(verifier, OPAQUE) is expected


async def test_what_an_answer_may_leave_out_it_may_leave_out(stand: Stand) -> None:
    told(stand)
    stand.site.put(ASK, {"active": True, "scope": "read"})
    async with stand.verifier(introspection=ASKING) as verifier:
        assert await why(verifier, OPAQUE) is Why.AUDIENCE
    alone = Introspection("api", "made up", without_audience=True)
    async with stand.verifier(introspection=alone) as verifier:
        access = await verifier.verify_token(OPAQUE)
        assert (access.scopes, access.expires_at, access.issued_at) == ({"read"}, NOW + 30, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b'{"active":true,"active":true}', b"x" * 300_000])
async def test_an_issuer_that_talks_nonsense_is_trouble_and_not_the_callers_fault(stand: Stand, body: bytes) -> None:
    told(stand)
    stand.site.put(ASK, body)
    async with stand.verifier(introspection=ASKING, limits=QUICK) as verifier:
        refused = await refusal(verifier, f"Bearer {OPAQUE}")
        assert (refused.why, refused.status) == (Why.INTROSPECTION_UNREACHABLE, 503)


async def test_an_issuer_that_does_not_answer_costs_a_request_its_budget_and_no_more(stand: Stand) -> None:
    told(stand)
    page = stand.site.pages[ASK]
    page.dribble, page.pause = len(page.body), 0.05
    asking = Introspection("api", "made up", at_once=2)
    async with stand.verifier(introspection=asking, limits=QUICK) as verifier:
        found = await asyncio.gather(*(refusal(verifier, f"Bearer {OPAQUE}-{place}") for place in range(6)))
        assert {each.why for each in found} == {Why.INTROSPECTION_UNREACHABLE}
        assert sum("in the air already" in each.detail for each in found) == 4


async def test_the_token_goes_in_the_body_and_the_secret_in_the_header(stand: Stand) -> None:
    told(stand)
    seen: list[tuple[dict[str, str], bytes]] = []
    async with stand.verifier(introspection=ASKING) as verifier:
        fetcher = verifier._asking._introspector._fetcher
        post = fetcher.post

        async def watched(url: str, headers: dict[str, str], body: bytes) -> Any:
            seen.append((dict(headers), body))
            return await post(url, headers, body)

        fetcher.post = watched
        await verifier.verify_token(OPAQUE)
    headers, body = seen[0]
    assert headers["Authorization"].startswith("Basic ")
    assert parse_qs(body.decode()) == {"token": [OPAQUE], "token_type_hint": ["access_token"]}
    assert "made up" not in repr(ASKING)


async def test_r9701_8_a_signed_answers_are_of_their_type_and_for_this_api_alone(stand: Stand) -> None:
    told(stand)
    asking = Introspection("api", "made up", signed=True)
    said = {"iss": stand.issuer, "aud": "api", "iat": NOW, "token_introspection": {"active": True, **stand.claims()}}
    kind = "token-introspection+jwt"

    async def asked(token: str, media_type: str = f"application/{kind}") -> Why | None:
        stand.site.put(ASK, token.encode(), **{"content-type": media_type})
        async with stand.verifier(introspection=asking, limits=QUICK) as verifier:
            try:
                return (await refusal(verifier, f"Bearer {OPAQUE}")).why
            except AssertionError:
                return None

    good = signed(stand.signer, said, typ=kind)
    assert await asked(good) is None
    async with stand.verifier(introspection=asking, limits=QUICK) as verifier:
        stand.site.put(ASK, good.encode(), **{"content-type": f"application/{kind}"})
        await verifier.verify_token(f"{OPAQUE}-1")
        stand.publish(stand.signer.public, signer(name="newest").public)
        newest = signed(signer(name="newest"), said, typ=kind)
        stand.site.put(ASK, newest.encode(), **{"content-type": f"application/{kind}"})
        await verifier.verify_token(f"{OPAQUE}-2")  # a key that is new is looked for once, as for a token
    bad = [
        signed(stand.signer, said), signed(stand.signer, said, typ="JWT"),
        signed(stand.signer, {**said, "aud": "other"}, typ=kind), signed(stand.signer, {**said, "iss": "x"}, typ=kind),
        signed(stand.signer, {**said, "iat": NOW - 60}, typ=kind), good[:-8] + "AAAAAAAA", "x", "a.b.c",
        signed(signer(name="other"), said, typ=kind), signed(stand.signer, said["token_introspection"], typ=kind),
    ]  # fmt: skip
    for token in bad:
        assert await asked(token) is Why.INTROSPECTION_UNREACHABLE
    assert await asked(good, "application/json") is Why.INTROSPECTION_UNREACHABLE
    async with stand.verifier() as verifier:
        assert await why(verifier, good) is Why.INTROSPECTION_ANSWER


def test_requests_that_another_loop_left_in_the_air_take_no_place(issuer: TokenIssuer) -> None:
    asking = Introspection(*issuer.credentials, at_once=1)
    verifier = Verifier.for_issuer(issuer.url, audience=issuer.audience, introspection=asking)
    left, token = asyncio.new_event_loop(), issuer.opaque()
    verifying = left.create_task(verifier.verify_token(token))
    while not verifier._asking._introspector._flights:
        left.run_until_complete(asyncio.sleep(0))

    async def here() -> str:
        return (await verifier.verify_token(issuer.opaque())).family

    try:
        assert asyncio.run(here()).startswith("fam_")  # as a process does that was forked meanwhile
    finally:
        left.run_until_complete(verifying)
        left.run_until_complete(verifier.close())
        left.close()
