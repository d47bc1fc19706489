"""The Authorization header and the challenge that answers it (RFC 6750, RFC 9728), to the letter."""

import re
from typing import Any

import pytest

from evergrant.resource import Dpop, Refused, Verifier, Why
from evergrant.resource.challenge import Offer, challenges
from evergrant.resource.refused import ANSWERS
from tests.resource.stand import Stand, refusal


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_r6750_2_1_a_the_scheme_is_known_in_any_case(stand: Stand, verifier: Verifier, scheme: str) -> None:
    token = stand.token()
    for header in (f"{scheme} {token}", f"{scheme} {token}".encode(), f"{scheme}  {token} "):
        assert (await verifier.verify(header)).id == "j1"
        assert (await verifier.verify(header)).id == "j1"


@pytest.mark.parametrize("header", [None, "", b"", " ", "\t"])
async def test_r6750_3_a_who_sends_no_token_gets_a_challenge_without_an_error(verifier: Verifier, header: Any) -> None:
    refused = await refusal(verifier, header)
    assert (refused.why, refused.status, refused.challenges()) == (Why.NO_TOKEN, 401, ("Bearer",))


async def test_r6750_3_a_another_scheme_is_no_token_either(verifier: Verifier) -> None:
    for header in ("Basic YTpi", "Digest x", "Negotiate", "token abc", "DPoP abc.def.ghi", b"\xff\xfe abc"):
        refused = await refusal(verifier, header)
        assert refused.status == 401
        if header[:1] not in ("D", b"\xff") or header == "Digest x":
            assert refused.challenges() == ("Bearer",)


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", "Bearer \x00", "Bearer a\r\nX: y", "Bearer \u00e9"],
)
async def test_r6750_2_a_and_r6750_3_1_a_what_is_not_one_token_is_400(verifier: Verifier, header: str) -> None:
    refused = await refusal(verifier, header)
    assert (refused.why, refused.status) == (Why.UNREADABLE, 400)
    assert refused.challenges() == ('Bearer error="invalid_request"',)


async def test_r6750_3_1_a_each_refusal_has_its_status(stand: Stand, verifier: Verifier) -> None:
    lacking = await refusal(verifier, f"Bearer {stand.token()}", scopes=("admin", "read"))
    assert (lacking.status, lacking.challenges()) == (403, ('Bearer error="insufficient_scope", scope="admin read"',))
    bad = await refusal(verifier, f"Bearer {stand.token(iss='x')}")
    assert (bad.status, bad.challenges()) == (401, ('Bearer error="invalid_token"',))
    assert dict(bad.headers())["Cache-Control"] == "no-store"


async def test_r6750_3_1_b_and_r9728_5_1_a_a_challenge_says_each_thing_once(stand: Stand) -> None:
    where = "https://api.example/.well-known/oauth-protected-resource"
    dpop, algs = Dpop("https://api.example"), "ES256 Ed25519 EdDSA PS256 RS256"
    async with stand.verifier(
        realm='the "API"', resource_metadata=where, scopes=("read",), dpop=dpop, leeway=0
    ) as verifier:
        nothing = await refusal(verifier, None)
        assert nothing.challenges() == (
            f'Bearer realm="the \\"API\\"", scope="read", resource_metadata="{where}"',
            f'DPoP realm="the \\"API\\"", scope="read", resource_metadata="{where}", algs="{algs}"',
        )
        step_up = await refusal(verifier, f"Bearer {stand.token()}", acr="mfa", max_age=5)
        for refused in (nothing, step_up, await refusal(verifier, "Bearer x")):
            for challenge in refused.challenges():
                names = re.findall(r'(\w+)="', challenge)
                assert sorted(set(names)) == sorted(names)


async def test_nothing_the_caller_sent_and_no_reason_comes_back(stand: Stand, verifier: Verifier) -> None:
    for header in ("Bearer zebra", f"Bearer {stand.token(iss='https://zebra.example')}", "Zebra zebra"):
        refused = await refusal(verifier, header)
        said = repr(refused.headers()).lower()
        assert "zebra" not in said
        assert refused.why.value not in said
        assert refused.detail not in said or not refused.detail


def test_every_reason_has_an_answer_and_every_answer_its_challenge() -> None:
    for why in Why:
        refused = Refused(why)
        assert refused.status == ANSWERS[why].status
        assert bool(refused.challenges()) is (refused.status != 503)
        names = [name for name, _ in refused.headers()]
        assert ("Retry-After" in names) is (refused.status == 503)


def test_a_challenge_cannot_be_split_by_what_an_operator_configured() -> None:
    offer = Offer(realm='a\r\nSet-Cookie: b="c"', resource_metadata="https://x.example/\u2028")
    for challenge in challenges(offer, "invalid_token"):
        assert "\r" not in challenge
        assert "\n" not in challenge
        assert challenge.isascii()
