"""The token endpoint's own rules (RFC 6749 sections 3.2, 5.1 and 5.2), whatever the grant."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.domain.policy import Preset
from evergrant.testing.in_process import Issuer, Reply, pkce
from tests.issuing import Held, hold, is_oauth_error, post_as, unchanged

FORM = "application/x-www-form-urlencoded"


async def raw(issuer: Issuer, body: bytes | str, kind: str = FORM, path: str = "/token", method: str = "POST") -> Reply:
    text = body.encode() if isinstance(body, str) else body
    return await issuer.browser().send(method, path, text, {"content-type": kind} if kind else None)


def refresh_form(held: Held, **more: str) -> str:
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id, **more}
    return urlencode(form)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "post", "X"])
async def test_r6749_3_2_a_only_post_gives_tokens(issuer: Issuer, tmp_path: Path, method: str) -> None:
    held = await hold(issuer)
    with unchanged(issuer, tmp_path):
        reply = await raw(issuer, refresh_form(held), method=method)
    assert reply.status == 405
    assert reply.header("allow") == "OPTIONS, POST"
    assert reply.body == b"" if method == "HEAD" else True


async def test_r9700_2_6_b_scripts_of_any_origin_may_ask_with_their_own_credentials_and_never_with_cookies(
    issuer: Issuer,
) -> None:
    held = await hold(issuer)
    for path in ("/token", "/revoke", "/userinfo", "/jwks", "/.well-known/openid-configuration"):
        preflight = await raw(issuer, b"", path=path, method="OPTIONS")
        assert preflight.status == 204
        assert preflight.header("access-control-allow-origin") == "*"
        assert "Authorization" in preflight.header("access-control-allow-headers")
    for reply in (await raw(issuer, refresh_form(held)), await raw(issuer, "grant_type=x")):
        assert reply.header("access-control-allow-origin") == "*"
        assert reply.header("access-control-allow-credentials") == ""
        assert reply.header("vary") == ""
    for path in ("/authorize", "/sign-in", "/consent", "/introspect", "/account", "/end_session"):
        for method in ("OPTIONS", "GET", "POST"):
            reply = await raw(issuer, b"", path=path, method=method)
            assert reply.header("access-control-allow-origin") == ""


async def test_r6749_5_1_a_success_is_uncacheable_json_and_says_what_it_holds(issuer: Issuer) -> None:
    held = await hold(issuer)
    reply = await raw(issuer, refresh_form(held))
    assert reply.status == 200
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("pragma") == "no-cache"
    assert reply.header("content-length") == str(len(reply.body))
    assert reply.header("set-cookie") == ""
    members = reply.json()
    assert set(members) == {
        "access_token", "token_type", "expires_in", "scope", "refresh_token", "refresh_token_timeout",
        "authorization_expires_in", "id_token",
    }  # fmt: skip
    assert members["token_type"] == "Bearer"
    assert isinstance(members["expires_in"], int)


@pytest.mark.parametrize(
    "kind",
    ["", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/xml", FORM + "x",
     FORM + "; charset=utf-16", FORM + "; charset=iso-8859-1", FORM + ", text/plain", FORM + "; charset=utf-8; x"],
)  # fmt: skip
async def test_a_02_only_a_form_in_utf_8_is_read(issuer: Issuer, tmp_path: Path, kind: str) -> None:
    held = await hold(issuer)
    with unchanged(issuer, tmp_path):
        is_oauth_error(await raw(issuer, refresh_form(held), kind), "invalid_request")


@pytest.mark.parametrize("kind", [FORM + ";charset=UTF-8", FORM + '; charset="utf-8"', FORM.upper(), FORM + " ;"])
async def test_a_02_every_spelling_of_that_form_is(issuer: Issuer, kind: str) -> None:
    held = await hold(issuer)
    assert (await raw(issuer, refresh_form(held), kind)).status == 200


async def test_r6749_3_1_b_an_empty_parameter_is_an_absent_one(issuer: Issuer) -> None:
    held = await hold(issuer)
    await held.turn(scope="", resource="", client_secret="", code="")
    reply = await raw(issuer, refresh_form(held).replace(held.refresh, ""))
    is_oauth_error(reply, "invalid_request")
    assert reply.json()["error_description"] == "The parameter refresh_token is missing."


async def test_r6749_3_1_c_unknown_parameters_are_ignored(issuer: Issuer) -> None:
    held = await hold(issuer)
    await held.turn(utm_source="x", refreshtoken="y", **{"\u00fc": "\u00fc", "a[b]": "c", "__proto__": "d"})


@pytest.mark.parametrize("name", ["grant_type", "refresh_token", "client_id", "scope", "code", "unknown"])
@pytest.mark.parametrize(("first", "second"), [("v", "v"), ("v", ""), ("", "v"), ("", "")])
async def test_r6749_3_1_c_and_a_01_a_repeated_parameter_is_an_error_even_when_it_is_empty(
    issuer: Issuer, tmp_path: Path, name: str, first: str, second: str
) -> None:
    held = await hold(issuer)
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
    value = form.pop(name, "openid")
    twice = [(name, {"v": value, "": ""}[each]) for each in (first, second)]
    with unchanged(issuer, tmp_path):
        reply = await raw(issuer, urlencode([*form.items(), *twice]))
        is_oauth_error(reply, "invalid_request")
    assert "repeated" in reply.json()["error_description"]


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=refresh_token&refresh_token=%",
        b"grant_type=refresh_token&refresh_token=%zz",
        b"grant_type=refresh_token&refresh_token=%0",
        b"grant_type=refresh_token&refresh_token=a%00b",
        b"grant_type=refresh_token&refresh_token=a\x00b",
        b"grant_type=refresh_token&refresh_token=%ff%fe",
        b"grant_type=refresh_token&refresh_token=\xff\xfe",
        b"grant_type=refresh_token&refresh_token=%c0%af",
        b"grant_type=refresh_token&refresh_token=%ed%a0%80",
        b"grant_type=refresh_token&refresh_token=a%0d%0ab",
        b"grant_type=refresh_token&refresh_token=%e2%80%a8",
        b"grant_type=refresh_token&x%00=1",
        b"&".join(b"p%d=1" % number for number in range(101)),
        b"refresh_token=" + b"a" * 8_200,
        b"a" * 8_200 + b"=1",
    ],
)
async def test_a_03_and_a_04_broken_bytes_get_400_and_reach_no_row(issuer: Issuer, tmp_path: Path, body: bytes) -> None:
    with unchanged(issuer, tmp_path):
        is_oauth_error(await raw(issuer, body), "invalid_request")


@pytest.mark.parametrize("body", [b"", b"&", b"&&&", b"=", b"=&", b"===", b"a", b"a&b", b"\xc3\xbc"])
async def test_a_04_a_form_of_next_to_nothing_is_a_request_without_a_grant(issuer: Issuer, body: bytes) -> None:
    is_oauth_error(await raw(issuer, body), "invalid_request")


@pytest.mark.parametrize(
    "grant",
    ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "REFRESH_TOKEN", "refresh_token ",
     "urn:ietf:params:oauth:grant-type:token_exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer", "token", "code",
     "\u0433efresh_token"],
)  # fmt: skip
async def test_r6749_4_3_a_r9700_2_4_a_and_r6749_5_2_c_no_other_grant_is_offered(
    issuer: Issuer, tmp_path: Path, grant: str
) -> None:
    held = await hold(issuer, ClientType.WEB)
    form = {
        "grant_type": grant, "username": "ada@example.com", "password": "correct horse battery staple",
        "refresh_token": held.refresh, "device_code": "x", "subject_token": held.access, "assertion": held.access,
    }  # fmt: skip
    with unchanged(issuer, tmp_path):
        is_oauth_error(await post_as(issuer, "/token", held.client, held.secret, form), "unsupported_grant_type")
        is_oauth_error(await raw(issuer, urlencode(form)), "invalid_client")


async def test_r6749_5_2_c_and_asvs_10_4_4_clients_use_only_their_own_grants(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer, ClientType.WEB)
    service, secret = await issuer.client(ClientType.SERVICE, "Robot", scopes=("orders:read",))
    code_only, _ = await issuer.client(name="Once", grant_types=("authorization_code",), preset=Preset.PUBLIC)
    code = await issuer.code(issuer.browser(), held.client)
    with unchanged(issuer, tmp_path):
        for client, key, form in (
            (held.client, held.secret, {"grant_type": "client_credentials"}),
            (service, secret, {"grant_type": "refresh_token", "refresh_token": held.refresh}),
            (service, secret, {"grant_type": "authorization_code", "code": code, "code_verifier": pkce()[0]}),
            (code_only, "", {"grant_type": "refresh_token", "refresh_token": held.refresh}),
        ):
            is_oauth_error(await post_as(issuer, "/token", client, key, form), "unauthorized_client")


async def test_r9700_4_14_2_a_refresh_tokens_are_decided_per_client(issuer: Issuer) -> None:
    client, _ = await issuer.client(grant_types=("authorization_code",))
    tokens = await issuer.signed_in(client, scope="openid profile offline_access")
    assert not {"refresh_token", "refresh_token_timeout", "authorization_expires_in"} & set(tokens)
    assert tokens["scope"] == "openid profile"


async def test_r6749_5_2_b_dead_unknown_and_foreign_tokens_look_alike(both: Issuer) -> None:
    held, other, expired = await hold(both), await hold(both, name="Other"), await hold(both, name="Short")
    forged = held.refresh[:-1] + ("A" if held.refresh[-1] != "A" else "B")
    dead, spent = other.refresh, held.refresh
    await post_as(both, "/revoke", other.client, "", {"token": other.refresh})
    await held.turn()
    foreign = held.refresh
    answers = [
        await other.present(dead),
        await other.present(foreign),
        await other.present(forged),
        await other.present("egr_" + "A" * 92),
        await other.present("nothing of ours"),
    ]
    both.clock.advance(400 * 86_400)
    answers += [await held.present(spent), await expired.present(expired.refresh)]
    assert len({(r.status, r.json()["error"], r.json()["error_description"], r.headers[:-3]) for r in answers}) == 1
    assert answers[0].json()["error"] == "invalid_grant"


async def test_a_03_a_body_beyond_the_limit_is_refused_unread(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer)
    with unchanged(issuer, tmp_path):
        is_oauth_error(await raw(issuer, refresh_form(held, junk="x" * 70_000)), "invalid_request", 413)
        headers = {"content-type": FORM, "content-length": "9" * 5_000}
        lied = await issuer.browser().send("POST", "/token", b"", headers)
        is_oauth_error(lied, "invalid_request", 413)
        big = {"content-type": FORM, **{f"x-{number}": "y" * 1_000 for number in range(20)}}
        is_oauth_error(await issuer.browser().send("POST", "/token", b"", big), "invalid_request", 431)
    await held.turn()


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.NATIVE, ClientType.WEB])
@pytest.mark.parametrize("method", [AuthMethod.NONE, AuthMethod.BASIC, AuthMethod.POST])
async def test_two_clients_of_every_kind_never_touch_what_the_other_holds(
    issuer: Issuer, tmp_path: Path, type_: ClientType, method: AuthMethod
) -> None:
    """Every operation with the other's token or code, with one's own credentials: refused or void, nothing changed."""
    if (method is AuthMethod.NONE) != (type_ is not ClientType.WEB):
        return
    mine = await hold(issuer, type_, "Mine", auth_method=method)
    for kind, theirs_method in ((ClientType.SPA, AuthMethod.NONE), (ClientType.WEB, AuthMethod.BASIC)):
        theirs = await hold(issuer, kind, f"Theirs {kind}", auth_method=theirs_method)
        code = await issuer.code(issuer.browser(), theirs.client)
        with unchanged(issuer, tmp_path):
            is_oauth_error(await mine.present(theirs.refresh), "invalid_grant")
            is_oauth_error(await issuer.redeem(mine.client, mine.secret, code), "invalid_grant")
            for token in (theirs.refresh, theirs.access):
                revoked = await post_as(issuer, "/revoke", mine.client, mine.secret, {"token": token})
                assert (revoked.status == 400) is mine.client.confidential
                told = await post_as(issuer, "/introspect", mine.client, mine.secret, {"token": token})
                assert told.json() == {"active": False} if mine.client.confidential else told.status == 401
        await theirs.turn()
        assert (await issuer.redeem(theirs.client, theirs.secret, code)).status == 200


async def test_requests_of_many_kinds_at_once_do_not_mix_up_their_answers(both: Issuer) -> None:
    one, two = await hold(both), await hold(both, ClientType.WEB, "Other")
    asked = [one.present(one.refresh), two.present(two.refresh), one.present(two.refresh), two.present("egr_x")] * 4
    replies = await asyncio.gather(*asked)
    assert [reply.status for reply in replies] == [200, 200, 400, 400] * 4
    for at, held in ((0, one), (1, two)):
        tokens = {replies[turn].json()["refresh_token"] for turn in range(at, 16, 4)}
        assert len(tokens) == 1
        assert (await held.family()).head.generation == 1
