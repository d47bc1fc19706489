"""UserInfo (OpenID Connect Core section 5.3) and bearer tokens on requests (RFC 6750)."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.client import ClientType
from evergrant.protocol.bearer import challenge, read_bearer
from evergrant.protocol.error import Refused
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import DESCRIPTION, Held, claims_of, hold, is_oauth_error, post_as, unchanged

FORM = "application/x-www-form-urlencoded"


async def ask(issuer: Issuer, method: str = "GET", body: bytes = b"", path: str = "/userinfo", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await issuer.browser().send(method, path, body, named)


async def test_r6750_2_1_a_the_three_ways_of_asking_and_any_case_of_the_scheme(issuer: Issuer) -> None:
    held = await hold(issuer)
    replies = [
        await ask(issuer, authorization=f"Bearer {held.access}"),
        await ask(issuer, "POST", authorization=f"Bearer {held.access}"),
        await ask(issuer, "POST", f"access_token={held.access}".encode(), content_type=FORM),
        await ask(issuer, authorization=f"bearer {held.access}"),
        await ask(issuer, authorization=f"BEARER  {held.access}"),
        await ask(issuer, "POST", b"", content_type=FORM, authorization=f"Bearer {held.access}"),
        await ask(issuer, "POST", b"access_token=", content_type=FORM, authorization=f"Bearer {held.access}"),
        await ask(issuer, "POST", b"{}", content_type="application/json", authorization=f"Bearer {held.access}"),
    ]
    expected = {
        "sub": claims_of(held.access)["sub"], "name": "Ada", "preferred_username": "ada@example.com",
        "email": "ada@example.com", "email_verified": True,
    }  # fmt: skip
    for reply in replies:
        assert (reply.status, reply.json()) == (200, expected)
        assert reply.header("content-type") == "application/json"
        assert reply.header("cache-control") == "no-store"
    head = await ask(issuer, "HEAD", authorization=f"Bearer {held.access}")
    assert (head.status, head.body) == (200, b"")


async def test_r6750_2_a_a_token_sent_in_two_ways_is_an_invalid_request(issuer: Issuer) -> None:
    held = await hold(issuer)
    body = f"access_token={held.access}".encode()
    reply = await ask(issuer, "POST", body, content_type=FORM, authorization=f"Bearer {held.access}")
    is_oauth_error(reply, "invalid_request")
    assert 'error="invalid_request"' in reply.header("www-authenticate")
    twice = await ask(issuer, "POST", body + b"&" + body, content_type=FORM)
    is_oauth_error(twice, "invalid_request")


async def test_r6750_2_3_a_a_token_in_the_address_is_ignored(issuer: Issuer) -> None:
    held = await hold(issuer)
    for method in ("GET", "POST"):
        reply = await ask(issuer, method, path=f"/userinfo?access_token={held.access}", content_type=FORM)
        assert reply.status == 401
        assert "error=" not in reply.header("www-authenticate")


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Basic YTpi"}, {"cookie": "a=b"}])
async def test_r6750_3_a_without_a_token_the_challenge_names_no_error(issuer: Issuer, headers: dict[str, str]) -> None:
    reply = await ask(issuer, **headers)
    assert reply.status == 401
    assert reply.header("www-authenticate") == 'Bearer realm="evergrant"'


async def test_r6750_3_1_a_and_r6750_3_1_b_each_refusal_has_its_status_and_says_each_thing_once(
    apis: Issuer,
) -> None:
    client, _ = await apis.client(scopes=("openid", "profile", "orders:read", "vault:open"))
    no_openid = await apis.signed_in(client, scope="profile orders:read", resource="https://orders.example")
    full = Held(apis, client, "", await apis.signed_in(client, scope="openid profile"))
    expected = {
        "Bearer x": (401, "invalid_token"),
        "Bearer a.b.c": (401, "invalid_token"),
        "Bearer a b": (400, "invalid_request"),
        "Bearer \xff": (400, "invalid_request"),
        f"Bearer {no_openid['access_token']}": (403, "insufficient_scope"),
        f"Bearer {full.refresh if 'refresh_token' in full.tokens else 'egr_x'}": (401, "invalid_token"),
        f"Bearer {full.tokens['id_token']}": (401, "invalid_token"),
    }
    for header, (status, error) in expected.items():
        reply = await ask(apis, authorization=header)
        is_oauth_error(reply, error, status)
        said = reply.header("www-authenticate")
        names = re.findall(r"(\w+)=", said)
        assert len(names) == len(set(names)), said
        assert f'error="{error}"' in said
        if status == 403:
            assert 'scope="openid"' in said
    assert (await ask(apis, authorization=f"Bearer {full.access}")).status == 200


async def test_a_token_narrowed_to_no_openid_opens_no_userinfo(issuer: Issuer) -> None:
    held = await hold(issuer)
    await held.turn(scope="profile email")
    reply = await ask(issuer, authorization=f"Bearer {held.access}")
    is_oauth_error(reply, "insufficient_scope", 403)


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", {"sub"}),
        ("openid profile", {"sub", "name", "preferred_username"}),
        ("openid email", {"sub", "email", "email_verified"}),
    ],
)
async def test_scope_opens_what_it_says_and_nothing_else(issuer: Issuer, scope: str, names: set[str]) -> None:
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client, scope=scope)
    reply = await ask(issuer, authorization=f"Bearer {tokens['access_token']}")
    assert set(reply.json()) == names


async def test_the_claims_parameter_opens_single_claims_where_it_says(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    wanted = (
        '{"userinfo":{"email":{"essential":true},"x":null},"id_token":{"name":null,"auth_time":{"essential":true}}}'
    )
    tokens = await issuer.signed_in(client, scope="openid", claims=wanted)
    reply = await ask(issuer, authorization=f"Bearer {tokens['access_token']}")
    assert set(reply.json()) == {"sub", "email"}
    assert claims_of(tokens["id_token"])["name"] == "Ada"
    assert "email" not in claims_of(tokens["id_token"])


async def test_a_disabled_person_a_dead_family_and_a_client_alone_have_no_userinfo(both: Issuer) -> None:
    held = await hold(both)
    service, secret = await both.client(ClientType.SERVICE, "Robot", scopes=("orders:read",))
    alone = (await post_as(both, "/token", service, secret, {"grant_type": "client_credentials"})).json()
    assert (await ask(both, authorization=f"Bearer {alone['access_token']}")).status == 401
    await both.house.accounts.disable("ada@example.com")
    assert (await ask(both, authorization=f"Bearer {held.access}")).status == 401


async def test_asking_changes_nothing(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    with unchanged(both, tmp_path):
        await ask(both, authorization=f"Bearer {held.access}")
        await ask(both, authorization="Bearer nothing")


async def test_inv_14_no_authorization_header_and_no_body_makes_a_500(issuer: Issuer) -> None:
    held = await hold(issuer)
    odd = ["x" * 9_000, "\t", "a,b", "", "\xa0", "ega_\xe9"]
    for header in [*(f"Bearer {token}" for token in odd), "Bearer", " Bearer x", "\xff"]:
        assert (await ask(issuer, authorization=header)).status in {400, 401}
    for body in (b"access_token=%", b"access_token=%00", b"\xff", b"access_token=%ff", b"a=1&a=2", b"access_token=a b"):
        assert (await ask(issuer, "POST", body, content_type=FORM)).status == 400
    deep = "ega_" + "A" * 8_000
    assert (await ask(issuer, authorization=f"Bearer {deep}")).status == 401
    assert (await ask(issuer, authorization=f"Bearer {held.access[:-1]}\u00fc")).status == 400


@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=60)))
def test_r6750_3_1_b_a_challenge_can_always_be_written(header: str, posted: str | None) -> None:
    try:
        token = read_bearer(header, posted)
    except Refused as error:
        told = error
    else:
        assert token.isascii()
        assert " " not in token
        return
    said = challenge(told, "openid")
    assert said.isascii()
    assert said.isprintable()
    assert DESCRIPTION.match(told.description)
    assert told.status in {400, 401}
