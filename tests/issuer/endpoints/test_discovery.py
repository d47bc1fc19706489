"""The server's description of itself against what it really does (RFC 8414, OpenID Connect Discovery).

The tests are generated from the served document: what is advertised is tried, and what is not advertised is tried too.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from evergrant.config import Config
from evergrant.domain.client import AuthMethod, ClientType
from evergrant.protocol.claims import STANDARD
from evergrant.testing.in_process import CALLBACK, ISSUER, PASSWORD, Browser, Issuer, Reply, pkce
from tests.issuing import claims_of, header_of, hold, is_oauth_error, issuing, post_as

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
EVERYTHING: dict[str, dict[str, str]] = {
    "response_type": {name: name for name in ("code", "token", "id_token", "none", "code token", "code id_token",
                                              "id_token token", "code id_token token", "device_code")},
    "response_mode": {name: name for name in ("query", "fragment", "form_post", "web_message", "jwt", "query.jwt",
                                              "fragment.jwt", "form_post.jwt", "okta_post_message")},
    "code_challenge_method": {name: name for name in ("S256", "plain", "S512", "s256", "none")},
    "prompt": {name: name for name in ("none", "login", "consent", "select_account", "create", "sso")},
}  # fmt: skip
GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", "implicit",
          "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
          "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
          "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:uma-ticket")  # fmt: skip
UNOFFERED = ("/register", "/device_authorization", "/par", "/bc-authorize", "/clients", "/as/par", "/logout",
             "/check_session", "/connect/register", "/oauth/token", "/oauth2/token", "/login", "/tokeninfo",
             "/.well-known/webfinger", "/.well-known/jwks.json", "/.well-known/oauth-protected-resource")  # fmt: skip


@pytest.fixture
async def document(issuer: Issuer) -> dict[str, Any]:
    found: dict[str, Any] = (await issuer.browser().get(OPENID)).json()
    return found


def path_of(url: str) -> str:
    assert url.startswith(ISSUER + "/")
    return url.removeprefix(ISSUER)


async def test_r8414_3_a_and_r8414_2_a_both_well_known_forms_are_served_and_name_the_configured_issuer(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    for path in (OPENID, OAUTH):
        reply = await issuer.browser().get(path)
        assert (reply.status, reply.json()) == (200, document)
        assert reply.header("content-type") == "application/json"
        assert reply.header("cache-control") == "public, max-age=300"
    assert document["issuer"] == ISSUER
    assert not urlsplit(document["issuer"]).query + urlsplit(document["issuer"]).fragment


@pytest.fixture
async def deep(tmp_path: Path) -> AsyncIterator[Issuer]:
    """An issuer whose name has a path."""
    config = Config().replace(server__issuer="https://id.example/tenants/a")
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        yield issuer


async def test_r8414_3_a_an_issuer_with_a_path_serves_the_inserted_and_the_appended_form(deep: Issuer) -> None:
    browser = Browser(deep.app, host="id.example")
    documents = [
        await browser.get(f"/tenants/a{OPENID}"),
        await browser.get(f"{OPENID}/tenants/a"),
        await browser.get(f"{OAUTH}/tenants/a"),
    ]
    assert {reply.status for reply in documents} == {200}
    assert len({reply.body for reply in documents}) == 1
    document = documents[0].json()
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith("https://id.example/tenants/a/")
            assert (await browser.get(urlsplit(value).path)).status != 404
    assert (await browser.get(OPENID)).status == 404
    assert (await browser.get("/token")).status == 404


async def test_r8414_2_b_every_advertised_endpoint_answers_to_its_methods(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    methods = {
        "authorization_endpoint": {"GET", "POST"}, "token_endpoint": {"POST"}, "jwks_uri": {"GET"},
        "userinfo_endpoint": {"GET", "POST"}, "revocation_endpoint": {"POST"}, "introspection_endpoint": {"POST"},
        "end_session_endpoint": {"GET", "POST"}, "evergrant_revocations_endpoint": {"GET"},
    }  # fmt: skip
    assert {name for name in document if name.endswith(("_endpoint", "_uri"))} == set(methods)
    for name, offered in methods.items():
        for method in ("GET", "POST"):
            headers = {"content-type": "application/x-www-form-urlencoded"}
            reply = await issuer.browser().send(method, path_of(document[name]), b"", headers)
            assert (reply.status == 405) is (method not in offered), (name, method)
            assert reply.status < 500


@pytest.mark.parametrize("path", UNOFFERED)
async def test_r8414_2_b_nothing_that_is_not_advertised_answers(issuer: Issuer, path: str) -> None:
    for method in ("GET", "POST"):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert (await issuer.browser().send(method, path, b"", headers)).status == 404


async def authorized(issuer: Issuer, **changes: str) -> Reply:
    """Where an authorization request of a signed-in person who agrees ends."""
    client = next((each for each in await issuer.house.clients.every()), None)
    client = client or (await issuer.client())[0]
    _, challenge = pkce()
    asked = {"client_id": client.id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
             "state": "s", "code_challenge": challenge, "code_challenge_method": "S256", **changes}  # fmt: skip
    browser = issuer.browser()
    page = await browser.follow(await browser.get(f"/authorize?{urlencode(asked)}"))
    if 'name="password"' in page.text:
        form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
        page = await browser.follow(await browser.post("/sign-in", form))
    if "/select-account" in page.text and 'name="decision"' not in page.text:
        page = await browser.follow(await browser.post("/select-account", {**page.hidden(), "choice": "continue"}))
    if 'name="decision"' in page.text:
        page = await browser.follow(await browser.post("/consent", {**page.hidden(), "decision": "allow"}))
    return page


ADVERTISED = {
    "response_type": "response_types_supported",
    "response_mode": "response_modes_supported",
    "code_challenge_method": "code_challenge_methods_supported",
}


@pytest.mark.parametrize("parameter", ADVERTISED)
async def test_r8414_2_b_r9700_2_1_2_a_r10017_7_2_a_and_asvs_10_4_12_exactly_what_is_advertised_gives_a_code(
    issuer: Issuer, document: dict[str, Any], parameter: str
) -> None:
    supported = set(document[ADVERTISED[parameter]])
    assert supported <= set(EVERYTHING[parameter])
    for value in EVERYTHING[parameter]:
        reply = await authorized(issuer, **{parameter: value})
        text = reply.location + reply.text
        assert ("code=" in reply.location or 'name="code"' in reply.text) is (value in supported), value
        assert "access_token" not in text
        assert "id_token" not in text
        assert "#" not in reply.location
        if value not in supported:
            assert reply.answered()["error"] in {"invalid_request", "unsupported_response_type"}


async def test_r9700_4_17_a_no_answer_is_posted_to_a_window(issuer: Issuer, document: dict[str, Any]) -> None:
    assert "web_message" not in document["response_modes_supported"]
    for mode in ("web_message", "form_post", "query"):
        reply = await authorized(issuer, response_mode=mode)
        assert "postmessage" not in reply.text.lower()
        assert "opener" not in reply.text.lower()


async def test_r8414_2_b_every_advertised_prompt_is_known_and_no_other(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    for value in EVERYTHING["prompt"]:
        reply = await authorized(issuer, prompt=value)
        error = reply.answered().get("error", "") if reply.location else ""
        assert (error == "invalid_request") is (value not in document["prompt_values_supported"]), (value, error)


async def test_r8414_2_b_and_r9700_2_4_a_exactly_the_advertised_grants_are_offered(
    issuer: Issuer, document: dict[str, Any]
) -> None:
    held = await hold(issuer, ClientType.WEB)
    service = await issuer.client(ClientType.SERVICE, "Robot", scopes=("orders:read",))
    for grant in GRANTS:
        client, secret = service if grant == "client_credentials" else (held.client, held.secret)
        form = {"grant_type": grant, "refresh_token": held.refresh, "username": "ada@example.com", "password": PASSWORD}
        reply = await post_as(issuer, "/token", client, secret, form)
        unsupported = reply.status == 400 and reply.json()["error"] == "unsupported_grant_type"
        assert unsupported is (grant not in document["grant_types_supported"]), grant


@pytest.mark.parametrize(
    ("endpoint", "list_"),
    [("token", "token"), ("revoke", "revocation"), ("introspect", "introspection")],
)
async def test_r8414_2_b_exactly_the_advertised_methods_authenticate(
    issuer: Issuer, document: dict[str, Any], endpoint: str, list_: str
) -> None:
    supported = document[f"{list_}_endpoint_auth_methods_supported"]
    assert set(supported) <= {method.value for method in AuthMethod}
    for method in AuthMethod:
        type_ = ClientType.SPA if method is AuthMethod.NONE else ClientType.WEB
        held = await hold(issuer, type_, f"By {method}", auth_method=method)
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh} if endpoint == "token" else {"token": "x"}
        reply = await post_as(issuer, f"/{endpoint}", held.client, held.secret, form)
        assert (reply.status == 200) is (method.value in supported), method
    for assertion in ("private_key_jwt", "client_secret_jwt"):
        assert assertion not in supported
    form = {"client_assertion": "x", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    reply = await issuer.browser().post(f"/{endpoint}", {**form, "grant_type": "x"})
    is_oauth_error(reply, "invalid_client", 401 if endpoint == "introspect" else 400)


async def test_r8414_2_b_every_advertised_signing_algorithm_signs_and_is_in_the_key_set(issuer: Issuer) -> None:
    for alg in ("ES256", "RS256", "PS256", "Ed25519"):
        held = await hold(issuer, name=alg, id_token_alg=alg)
        assert header_of(held.tokens["id_token"])["alg"] == alg
    document = (await issuer.browser().get(OPENID)).json()
    keys = (await issuer.browser().get(path_of(document["jwks_uri"]))).json()["keys"]
    assert set(document["id_token_signing_alg_values_supported"]) == {key["alg"] for key in keys} == {
        "ES256", "RS256", "PS256", "Ed25519",
    }  # fmt: skip
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & set(key)
        assert key["use"] == "sig"
    assert len({key["kid"] for key in keys}) == len(keys)


def lists_of_algorithms(document: dict[str, Any]) -> dict[str, list[str]]:
    return {name: value for name, value in document.items() if "_alg_" in name or "_enc_" in name}


async def test_r8414_2_c_and_r8414_2_d_s256_is_advertised_and_no_algorithm_is_none(document: dict[str, Any]) -> None:
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert lists_of_algorithms(document)
    for values in lists_of_algorithms(document).values():
        assert "none" not in values
        assert not any(value.startswith("HS") for value in values)


async def test_r8414_2_b_scopes_claims_and_switches_are_what_they_say(
    apis: Issuer, issuer: Issuer, document: dict[str, Any]
) -> None:
    assert set(document["scopes_supported"]) == {"openid", "profile", "email", "address", "phone", "offline_access"}
    told = (await apis.browser().get(OPENID)).json()
    assert {"orders:read", "orders:write", "stock:read", "vault:open"} <= set(told["scopes_supported"])
    assert set(document["claims_supported"]) == {"sub", "auth_time", "acr", "amr", *STANDARD}
    assert document["subject_types_supported"] == ["public"]
    assert document["claims_parameter_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    held = await hold(issuer)
    assert claims_of(held.access)["acr"] in document["acr_values_supported"]


async def test_rs256_is_advertised_before_anybody_asked_for_it_and_its_key_is_there_with_its_first_client(
    issuer: Issuer,
) -> None:
    async def algs() -> set[str]:
        return {key["alg"] for key in (await issuer.browser().get("/jwks")).json()["keys"]}

    document = (await issuer.browser().get(OPENID)).json()
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert await algs() == {"ES256"}
    held = await hold(issuer, id_token_alg="RS256")
    assert header_of(held.tokens["id_token"])["alg"] == "RS256"
    assert await algs() == {"ES256", "RS256"}
    assert (await issuer.browser().get(OPENID)).json() == document
