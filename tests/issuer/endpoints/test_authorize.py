"""The authorization endpoint's protocol (RFC 6749 section 4.1, RFC 9207, OAuth 2.1): what is asked, what goes back."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evergrant.domain.client import ClientType
from evergrant.testing.in_process import CALLBACK, ISSUER, PASSWORD, Browser, Issuer, Reply, pkce
from tests.issuing import DESCRIPTION, claims_of, hold, unchanged

FORM = "application/x-www-form-urlencoded"
STATES = [
    "s",
    "a b",
    "a+b",
    "%20",
    "&=#?",
    "\u00fc\u4e2d\U0001f511",
    '"<script>',
    "a" * 2_048,
    "..//\\",
    "null",
    "0",
    "{}",
]


def request(client_id: str, **changes: str) -> dict[str, str]:
    _, challenge = pkce()
    asked = {
        "client_id": client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s",
        "code_challenge": challenge, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value}


async def known_browser(issuer: Issuer, client_id: str) -> Browser:
    """A browser in which Ada is signed in and has agreed."""
    browser = issuer.browser()
    page = await browser.follow(await browser.get("/authorize", request(client_id)))
    form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
    page = await browser.follow(await browser.post("/sign-in", form))
    await browser.follow(await browser.post("/consent", {**page.hidden(), "decision": "allow"}))
    return browser


def posted_fields(page: Reply) -> dict[str, str]:
    """The fields of the form that a form_post answer submits."""
    pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
    return {unescape(name): unescape(value) for name, value in pairs}


async def test_r6749_3_1_a_get_and_post_mean_the_same(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = await known_browser(issuer, client.id)
    by_get = await browser.follow(await browser.get("/authorize", request(client.id)))
    by_post = await browser.follow(await browser.post("/authorize", request(client.id)))
    for reply in (by_get, by_post):
        assert reply.location.startswith(CALLBACK + "?")
        assert reply.answered().keys() == {"code", "state", "iss"}


@pytest.mark.parametrize(
    "body",
    [b"state=\xc3\xbc", b"state=a b", b'state=<>"\\^`{|}', b"state=\xf0\x9f\x94\x91", b"state=#x", b"state=a'b"],
)
async def test_r6749_3_1_a_a_post_with_raw_characters_is_the_same_request_and_never_a_500(
    issuer: Issuer, body: bytes
) -> None:
    client, _ = await issuer.client()
    browser = await known_browser(issuer, client.id)
    rest = urlencode(request(client.id, state="")).encode()
    reply = await browser.send("POST", "/authorize", rest + b"&" + body, {"content-type": FORM})
    assert reply.location.isascii()
    reply = await browser.follow(reply)
    assert reply.answered()["state"] == body.partition(b"=")[2].decode()


@pytest.mark.parametrize("mode", ["query", "form_post"])
@pytest.mark.parametrize("state", STATES)
async def test_r6749_4_1_2_c_and_r9207_2_a_state_comes_back_unchanged_and_the_issuer_with_it(
    issuer: Issuer, mode: str, state: str
) -> None:
    client, _ = await issuer.client()
    browser = await known_browser(issuer, client.id)
    for wrong in ({}, {"scope": "nothing-of-mine"}, {"prompt": "nonsense"}, {"max_age": "x"}):
        asked = request(client.id, state=state, response_mode=mode, **wrong)
        reply = await browser.follow(await browser.get("/authorize", asked))
        fields = posted_fields(reply) if mode == "form_post" else dict(parse_qsl(urlsplit(reply.location).query))
        assert fields["state"] == state
        assert fields["iss"] == ISSUER
        assert ("error" in fields) is bool(wrong)
        if mode == "form_post":
            assert f'action="{CALLBACK}"' in reply.text
        else:
            assert reply.status == 303


async def test_r6749_4_1_2_c_no_state_is_invented(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = await known_browser(issuer, client.id)
    for asked in (request(client.id, state=""), request(client.id, state="", scope="nothing")):
        reply = await browser.follow(await browser.get("/authorize", asked))
        assert "state" not in reply.answered()


WRONG = [
    ({"response_type": ""}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "+" * 43}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"scope": "nothing-of-mine"}, "invalid_scope"),
    ({"scope": 'open"id'}, "invalid_scope"),
    ({"resource": "https://nowhere.example"}, "invalid_target"),
    ({"resource": "relative"}, "invalid_target"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "1e3"}, "invalid_request"),
    ({"max_age": "\u0661"}, "invalid_request"),
    ({"claims": "not json"}, "invalid_request"),
    ({"claims": "[" * 2_000}, "invalid_request"),
    ({"claims": '{"userinfo":' * 250 + "1" + "}" * 250}, "invalid_request"),
    ({"claims": '{"id_token":{"sub":{"value":' + "[" * 190 + "]" * 190 + "}}}"}, None),
    ({"claims": '"\\ud800"'}, "invalid_request"),
    ({"claims": "{}" * 1_200}, "invalid_request"),
    ({"id_token_hint": "a.b.c"}, "invalid_request"),
    ({"nonce": "n" * 513}, "invalid_request"),
    ({"state": "s" * 2_049}, "invalid_request"),
    ({"request": "x"}, "request_not_supported"),
    ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
]


async def test_r6749_4_1_2_1_a_every_error_has_its_code_and_keeps_to_its_characters(
    issuer: Issuer, tmp_path: Path
) -> None:
    client, _ = await issuer.client()
    for wrong, error in WRONG:
        if error is None:
            await issuer.browser().get("/authorize", request(client.id, **wrong))
            continue
        with unchanged(issuer, tmp_path):
            reply = await issuer.browser().get("/authorize", request(client.id, **wrong))
        answered = reply.answered()
        assert (wrong, answered.get("error"), reply.status) == (wrong, error, 303)
        assert DESCRIPTION.match(answered["error_description"])
        assert set(answered) == {"error", "error_description", "state", "iss"}
        assert reply.location.startswith(CALLBACK + "?")


async def test_r6749_3_1_b_empty_parameters_are_absent_and_r6749_3_1_c_unknown_ones_ignored(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = await known_browser(issuer, client.id)
    empty = "".join(f"&{name}=" for name in ("request", "prompt", "max_age", "claims", "resource", "nonce", "foo"))
    query = f"{urlencode(request(client.id))}{empty}&utm_source=x&x[y]=z"
    reply = await browser.follow(await browser.send("GET", f"/authorize?{query}"))
    assert "code" in reply.answered()


@pytest.mark.parametrize("name", sorted(request("x")))
async def test_r6749_3_1_c_and_a_01_a_repeated_parameter_is_an_error_page(issuer: Issuer, name: str) -> None:
    client, _ = await issuer.client()
    asked = request(client.id)
    for again in (asked[name], "", "other"):
        query = f"{urlencode(asked)}&{name}={quote(again)}"
        reply = await issuer.browser().send("GET", f"/authorize?{query}")
        assert (reply.status, reply.location) == (400, "")


async def test_r6749_3_3_c_no_scope_means_all_the_client_may_have_but_offline_access(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client, scope="")
    assert tokens["scope"] == "email openid profile"


async def test_r6749_3_3_b_a_scope_the_client_may_not_have_is_left_out_and_that_is_told(issuer: Issuer) -> None:
    client, _ = await issuer.client(scopes=("openid",))
    tokens = await issuer.signed_in(client, scope="openid profile admin")
    assert tokens["scope"] == claims_of(tokens["access_token"])["scope"] == "openid"


async def test_r9700_2_1_1_a_r10017_6_3_2_1_a_and_o21_4_1_2_1_a_nobody_gets_a_code_without_a_challenge(
    issuer: Issuer,
) -> None:
    for type_ in (ClientType.SPA, ClientType.NATIVE, ClientType.WEB):
        client, _ = await issuer.client(type_, f"A {type_}")
        reply = await issuer.browser().get("/authorize", request(client.id, code_challenge=""))
        assert reply.answered()["error"] == "invalid_request"


async def test_r9700_4_12_a_every_redirect_is_a_303(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = issuer.browser()
    reply = await browser.post("/authorize", request(client.id))
    seen = [reply.status]
    while reply.location.startswith("/"):
        reply = await browser.get(reply.location)
        seen += [reply.status] if reply.location else []
    form = {**reply.hidden(), "username": "ada@example.com", "password": PASSWORD}
    reply = await browser.post("/sign-in", form)
    seen.append(reply.status)
    page = await browser.follow(reply)
    reply = await browser.post("/consent", {**page.hidden(), "decision": "allow"})
    seen.append(reply.status)
    assert set(seen) == {303}
    assert reply.header("cache-control") == "no-store"
    assert reply.header("referrer-policy") == "no-referrer"


async def test_asvs_10_4_12_and_u_08_a_form_is_never_posted_to_another_application(issuer: Issuer) -> None:
    client, _ = await issuer.client(ClientType.NATIVE, redirect_uris=("com.example.app:/cb",))
    asked = request(client.id, redirect_uri="com.example.app:/cb", response_mode="form_post")
    reply = await issuer.browser().get("/authorize", asked)
    assert reply.status == 303
    assert reply.location.startswith("com.example.app:/cb?error=invalid_request")


@pytest.mark.parametrize("uri", ["https://app.example/cb?tenant=1", "https://app.example/cb?"])
async def test_an_address_with_a_query_keeps_it_before_the_answer(issuer: Issuer, uri: str) -> None:
    client, _ = await issuer.client(redirect_uris=(uri,))
    reply = await issuer.browser().get("/authorize", request(client.id, redirect_uri=uri, prompt="none"))
    assert reply.location.startswith(uri)
    assert dict(parse_qsl(urlsplit(reply.location).query))["error"] == "login_required"


async def test_the_one_registered_address_needs_no_naming_and_two_do(issuer: Issuer) -> None:
    one, _ = await issuer.client()
    two, _ = await issuer.client(name="Two", redirect_uris=(CALLBACK, CALLBACK + "2"))
    reply = await issuer.browser().get("/authorize", request(one.id, redirect_uri="", prompt="none"))
    assert reply.location.startswith(CALLBACK + "?")
    reply = await issuer.browser().get("/authorize", request(two.id, redirect_uri="", prompt="none"))
    assert (reply.status, reply.location) == (400, "")


async def test_r8252_8_4_a_a_service_cannot_send_people_here(issuer: Issuer) -> None:
    service, _ = await issuer.client(ClientType.SERVICE, "Robot")
    reply = await issuer.browser().get("/authorize", request(service.id))
    assert (reply.status, reply.location) == (400, "")


NAMES = st.sampled_from(
    [*request("x"), "prompt", "max_age", "claims", "nonce", "resource", "response_mode", "display", "id_token_hint",
     "login_hint", "ui_locales", "acr_values", "request", "\u00fc", "a b"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "none", "login", "code", "openid", "S256", "query", "form_post", CALLBACK, "0", "{}", "[]"]),
    st.text(max_size=40),
    st.text(alphabet='{}[]":,0a\\u', max_size=40),
)


@settings(max_examples=settings().max_examples * 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(NAMES, VALUES, max_size=6), raw=st.binary(max_size=12))
@example(changes={"claims": '{"id_token":{"sub":{"value":"\\u0000"}}}'}, raw=b"")
@example(changes={"claims": '{"userinfo":{"email":{"value":1e999}}}'}, raw=b"")
async def test_inv_14_inv_11_and_u_01_no_authorization_request_makes_a_500_or_leaves_for_an_unknown_address(
    spa: str, issuer: Issuer, changes: dict[str, str], raw: bytes
) -> None:
    asked = request(spa) | changes
    query = urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in asked.items()}).encode()
    for body in (query, query + b"&" + raw):
        reply = await issuer.browser().send("POST", "/authorize", body, {"content-type": FORM})
        assert reply.status in {303, 400, 413}
        if reply.location.startswith("/authorize?"):
            reply = await issuer.browser().get(reply.location)
        if reply.location and not reply.location.startswith("/"):
            assert reply.location.startswith(CALLBACK + "?")
            assert "\r" not in reply.location
            assert reply.answered()["iss"] == ISSUER
        assert reply.status in {200, 303, 400, 413}


@pytest.fixture
async def spa(issuer: Issuer) -> str:
    return (await issuer.client())[0].id


async def test_asking_again_after_an_error_starts_afresh(issuer: Issuer) -> None:
    held = await hold(issuer)
    bad = await issuer.browser().get("/authorize", request(held.client.id, scope="nothing"))
    assert bad.answered()["error"] == "invalid_scope"
    await issuer.signed_in(held.client)
