"""How a client asks for more than a sign-in and gets its answer: offline access, form_post, requests by POST."""

import pytest

from evergrant.domain.client import ClientType
from evergrant.testing.in_process import running
from tests.visitor import ADA, decide, enter, heading, is_page, press, sign_in, words


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        yield issuer


@pytest.fixture
async def client(issuer):
    return (await issuer.client())[0]


# ---- offline access


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.WEB])
async def test_oidc_11_a_oidc_11_b_offline_access_that_is_new_is_asked_for_and_said_on_the_page(issuer, type_):
    client, secret = await issuer.client(type_, "Other")
    browser = issuer.browser()
    online = await issuer.signed_in(client, secret, browser, scope="openid")
    page = await issuer.authorize(browser, client, scope="openid offline_access")
    assert heading(page).startswith("Allow")
    assert "It stays signed in after you close this browser." in words(page)
    fresh = page.text.index("It asks for something new")
    assert fresh < page.text.index("offline_access") < page.text.index("You already allowed")
    tokens = (await issuer.redeem(client, secret, (await decide(browser, page)).answered()["code"])).json()
    assert "offline_access" in tokens["scope"].split()
    assert "offline_access" not in online["scope"].split()
    silent = await issuer.authorize(browser, client, scope="openid offline_access")
    assert "code" in silent.answered()


async def test_oidc_11_a_none_never_brings_offline_access_that_was_not_allowed(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser, scope="openid")
    reply = await issuer.authorize(browser, client, prompt="none", scope="openid offline_access")
    assert reply.answered()["error"] == "consent_required"


async def test_oidc_11_a_a_client_without_refresh_gets_no_offline_access(issuer):
    client, _ = await issuer.client(name="Short", grant_types=("authorization_code",))
    tokens = await issuer.signed_in(client)
    assert "refresh_token" not in tokens
    assert "offline_access" not in tokens["scope"].split()


async def test_oidc_11_a_a_request_without_scope_asks_for_no_offline_access(issuer, client):
    tokens = await issuer.signed_in(client, scope="")
    assert "offline_access" not in tokens["scope"].split()


# ---- form_post


async def test_an_answer_by_form_post_is_a_page_that_may_post_to_the_client_alone(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, response_mode="form_post")
    page = await browser.follow(await sign_in(browser, page))
    reply = await decide(browser, page)
    assert is_page(reply, 200)
    policy = reply.header("content-security-policy")
    assert "form-action https:;" in policy
    assert "script-src 'sha256-" in policy
    assert f'action="{client.redirect_uris[0]}"' in reply.text
    fields = {name: reply.text.split(f'name="{name}" value="')[1].split('"')[0] for name in ("code", "state", "iss")}
    assert fields["state"] == "s"
    assert (await issuer.redeem(client, "", fields["code"])).status == 200


async def test_an_error_by_form_post_is_posted_too(issuer, client):
    reply = await issuer.authorize(issuer.browser(), client, response_mode="form_post", prompt="none")
    assert is_page(reply, 200)
    assert 'name="error" value="login_required"' in reply.text


async def test_a_form_is_not_posted_to_an_application_s_own_scheme(issuer):
    client, _ = await issuer.client(ClientType.NATIVE, "Native", redirect_uris=("com.example.app:/cb",))
    reply = await issuer.authorize(issuer.browser(), client, response_mode="form_post")
    assert reply.location.startswith("com.example.app:/cb?error=invalid_request")


# ---- requests by POST


async def test_a_request_by_post_is_the_same_request(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    asked = {
        "client_id": client.id, "redirect_uri": client.redirect_uris[0], "response_type": "code", "scope": "openid",
        "state": "ünïcode & more=1#x", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }  # fmt: skip
    cross = issuer.browser()  # a form of another site brings no cookies
    reply = await cross.post("/authorize", asked, {"origin": "https://app.example", "sec-fetch-site": "cross-site"})
    assert reply.status == 303
    assert cross.cookies == {}, "and must not replace the cookies that were held back"
    assert (await browser.get(reply.location)).answered()["state"] == "ünïcode & more=1#x"


async def test_a_request_by_post_in_plain_utf_8_is_read(issuer, client):
    kind = {"content-type": "application/x-www-form-urlencoded"}
    body = f"client_id={client.id}&state=ü".encode()
    reply = await issuer.browser().send("POST", "/authorize", body, kind)
    assert reply.status == 303
    assert reply.location.endswith("state=%C3%BC")


async def test_a_request_by_post_that_makes_no_address_is_refused(issuer, client):
    fields = {f"a{n}": "x" * 8_000 for n in range(5)}
    assert is_page(await issuer.browser().post("/authorize", fields), 413)


async def test_rt_16_signing_out_under_way_goes_back_to_signing_in(issuer, client):
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    account = await enter(issuer, browser)
    await press(browser, account, "/account/session/end-all")
    assert heading(await browser.follow(await decide(browser, page))) == "Sign in"
