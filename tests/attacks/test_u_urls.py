"""Redirect addresses, the issuer's own name, and other tricks with URLs, over HTTP (attack U-01 and on)."""

from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.issuer.service.clients import BadRegistration
from evergrant.testing.in_process import CALLBACK, ISSUER, PASSWORD, Browser, Issuer, Reply, pkce
from evergrant.web.app import Application
from tests.issuing import events, hold, issuing, unchanged
from tests.protocol.test_redirect import FRAGMENTS, LOOPBACK, ODD, PRIVATE, SCHEMES, WILDCARDS

NATIVE_CALLBACK = "http://127.0.0.1:9000/cb"


def request(client_id: str, **changes: str) -> dict[str, str]:
    _, challenge = pkce()
    asked = {
        "client_id": client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s",
        "code_challenge": challenge, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return {name: value for name, value in asked.items() if value}


def is_error_page(reply: Reply) -> None:
    """A page for the person; nobody is sent anywhere."""
    assert reply.status == 400
    assert reply.location == ""
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert "<form" not in reply.text
    assert 'http-equiv="refresh"' not in reply.text.lower()


TRICKS = [
    CALLBACK + "/",
    CALLBACK + "?",
    CALLBACK + "?a=1",
    CALLBACK + "#x",
    CALLBACK + ";",
    CALLBACK.upper(),
    CALLBACK.replace("/callback", "/x/../callback"),
    CALLBACK.replace("/callback", "/%63allback"),
    CALLBACK.replace("/callback", "//callback"),
    CALLBACK.replace("app.example", "app.example."),
    CALLBACK.replace("app.example", "app.example.evil.example"),
    CALLBACK.replace("app.example", "sub.app.example"),
    CALLBACK.replace("https:", "http:"),
    CALLBACK.replace("app.example", "app.example:443"),
    "https://app.example@evil.example/callback",
    "https://evil.example/?" + CALLBACK,
    "https://evil.example\\@app.example/callback",
    "javascript:alert(1)//" + CALLBACK,
    "//evil.example",
    "/\\evil.example",
    CALLBACK[:-1],
    "https://app.example/*",
]


async def test_u_01_u_02_u_03_and_r6749_3_1_2_4_a_a_wrong_address_shows_a_page_and_redirects_nobody(
    issuer: Issuer, tmp_path: Path
) -> None:
    client, _ = await issuer.client()
    with unchanged(issuer, tmp_path):
        for uri in TRICKS:
            for more in ({}, {"prompt": "none"}, {"scope": "bad\\scope"}, {"response_type": "token"}):
                is_error_page(await issuer.browser().get("/authorize", request(client.id, redirect_uri=uri, **more)))


REFUSED = {"04": FRAGMENTS, "05": ODD[1:], "06": SCHEMES, "07": LOOPBACK, "08": PRIVATE, "wildcard": WILDCARDS}


@pytest.mark.parametrize("uris", REFUSED.values(), ids=REFUSED)
async def test_u_04_u_05_u_06_u_07_and_u_08_no_such_address_is_registered_or_redirected_to(
    issuer: Issuer, uris: list[str]
) -> None:
    client, _ = await issuer.client(ClientType.NATIVE, redirect_uris=(NATIVE_CALLBACK, "com.example.app:/cb"))
    for uri in uris:
        for changes in ({"redirect_uris": (uri,)}, {"post_logout_redirect_uris": (uri,)}):
            with pytest.raises(BadRegistration):
                await issuer.client(ClientType.NATIVE, "Other", **changes)
        query = f"/authorize?redirect_uri={quote(uri, safe='')}&{urlencode(request(client.id, redirect_uri=''))}"
        is_error_page(await issuer.browser().send("GET", query))


async def test_u_07_and_r8252_7_3_a_a_native_app_gets_its_answer_on_the_port_it_asked_for(issuer: Issuer) -> None:
    client, _ = await issuer.client(ClientType.NATIVE, redirect_uris=(NATIVE_CALLBACK,))
    asked = "http://127.0.0.1:51234/cb"
    code = await issuer.code(issuer.browser(), client, redirect_uri=asked)
    assert (await issuer.redeem(client, "", code, redirect_uri=NATIVE_CALLBACK)).status == 400
    assert (await issuer.redeem(client, "", code, redirect_uri=asked)).status == 200
    reply = await issuer.authorize(issuer.browser(), client, redirect_uri=asked, prompt="none")
    assert reply.location.startswith(asked + "?")


async def test_u_07_only_native_apps_may_use_another_port(issuer: Issuer) -> None:
    client, _ = await issuer.client(ClientType.SPA, redirect_uris=("http://localhost:3000/cb", NATIVE_CALLBACK))
    reply = await issuer.browser().get("/authorize", request(client.id, redirect_uri="http://127.0.0.1:9001/cb"))
    is_error_page(reply)


@pytest.mark.parametrize("second", [CALLBACK, "https://evil.example/", ""])
async def test_u_09_r6749_3_1_c_and_a_01_a_doubled_redirect_address_is_an_error(issuer: Issuer, second: str) -> None:
    client, _ = await issuer.client()
    query = f"{urlencode(request(client.id))}&redirect_uri={quote(second, safe='')}"
    is_error_page(await issuer.browser().send("GET", f"/authorize?{query}"))
    front = f"redirect_uri={quote(second, safe='')}&{urlencode(request(client.id))}"
    is_error_page(await issuer.browser().send("GET", f"/authorize?{front}"))


async def test_u_10_and_r9700_2_1_b_errors_go_to_registered_addresses_only(issuer: Issuer, tmp_path: Path) -> None:
    """Every client is one that the operator registered; whoever is not gets a page."""
    client, _ = await issuer.client()
    wrong = [{"scope": "nothing"}, {"prompt": "none"}, {"prompt": "bad"}, {"response_type": "token"}, {"max_age": "x"}]
    with unchanged(issuer, tmp_path):
        for more in wrong:
            reply = await issuer.browser().get("/authorize", request(client.id, **more))
            assert (reply.status, reply.location.partition("?")[0]) == (303, CALLBACK)
            assert reply.answered()["iss"] == ISSUER
            is_error_page(await issuer.browser().get("/authorize", request("cli_stranger", **more)))
            evil = request(client.id, redirect_uri="https://evil.example/", **more)
            is_error_page(await issuer.browser().get("/authorize", evil))


ADDRESSES = ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example"]


@pytest.mark.parametrize("name", ["next", "return_to", "url", "redirect_uri", "continue", "flow"])
async def test_u_12_and_r9700_2_1_b_after_sign_in_only_saved_flows_no_addresses(issuer: Issuer, name: str) -> None:
    client, _ = await issuer.client()
    for address in ADDRESSES:
        browser = issuer.browser()
        page = await issuer.authorize(browser, client)
        form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
        more = {} if name == "flow" else {name: address}
        reply = await browser.post(f"/sign-in?{urlencode({name: address})}", {**form, **more})
        assert "evil.example" not in reply.location
        assert "evil.example" not in (await browser.follow(reply)).location
        for path in ("/sign-in", "/consent", "/select-account", "/notice", "/account", "/end_session", "/"):
            reply = await browser.get(path, {name: address})
            assert "evil.example" not in reply.location
            assert f'href="{address}' not in reply.text


HOSTS = [
    "evil.example",
    "127.0.0.1:8000.evil.example",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.0.0.1:8000@evil.example",
    "evil.example@127.0.0.1:8000",
    "127.0.0.1:8000/",
    "127.0.0.1:8000, evil.example",
    "localhost:8000",
    "",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_u_13_and_r8414_2_a_the_host_header_decides_nothing(issuer: Issuer, host: str) -> None:
    poisoned = Browser(issuer.app, host=host)
    for path in ("/.well-known/openid-configuration", "/authorize", "/sign-in", "/jwks", "/", "/nothing-here"):
        reply = await poisoned.get(path)
        assert reply.status == 421
        assert "evil" not in reply.text + repr(reply.headers)
    held = await hold(issuer)
    reply = await issuer.refresh(held.client, "", held.refresh, poisoned)
    assert reply.status == 421
    await held.turn()


@pytest.mark.parametrize(
    "raw",
    [b"@evil.example", b"//evil.example/authorize", b"http://evil.example/authorize", b"/authorize/", b"/authorize%00",
     b"/%61uthorize", b"/./authorize", b"/x/../authorize", b"\xff\xfe", b"/token\x00", b"*"],
)  # fmt: skip
async def test_u_13_a_path_is_what_was_sent_and_never_a_host(issuer: Issuer, raw: bytes) -> None:
    reply = await path_of(issuer.app, raw)
    assert reply[0] in {404, 400}
    assert b"evil" not in reply[1]


async def path_of(app: Application, raw: bytes) -> tuple[int, bytes]:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(
        {"type": "http", "method": "GET", "path": raw.decode("latin-1"), "raw_path": raw, "query_string": b"",
         "headers": [(b"host", b"127.0.0.1:8000")], "client": ("192.0.2.1", 1)},
        receive, send,  # type: ignore[arg-type]
    )  # fmt: skip
    return sent[0]["status"], repr(sent[0]["headers"]).encode()  # type: ignore[return-value]


FORWARDED = {
    "x-forwarded-for": "198.51.100.99",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "x-forwarded-port": "1",
    "x-forwarded-prefix": "/evil",
    "x-real-ip": "198.51.100.99",
    "forwarded": 'for=198.51.100.99;host="evil.example";proto=gopher',
    "x-original-url": "/metrics",
    "x-rewrite-url": "/metrics",
    "x-http-method-override": "DELETE",
    "client-cert": ":MIIB:",
}


async def test_u_14_and_r9700_4_13_a_forwarding_headers_of_strangers_count_for_nothing(issuer: Issuer) -> None:
    browser = issuer.browser(network="203.0.113.5")
    plain = await browser.get("/.well-known/openid-configuration")
    forged = await browser.send("GET", "/.well-known/openid-configuration", headers=FORWARDED)
    assert (forged.status, forged.body) == (200, plain.body)
    held = await hold(issuer)
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
    assert (await browser.post("/token", form, FORWARDED)).status == 200
    assert (await events(issuer))[-1].network == "203.0.113.5"
    assert (await held.family()).head.network == "203.0.113.5"


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        ("198.51.100.99", "198.51.100.99"),
        ("6.6.6.6, 198.51.100.99", "198.51.100.99"),
        ("6.6.6.6, 198.51.100.99, 10.0.0.2", "198.51.100.99"),
        ("198.51.100.99, nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("2001:db8::1", "2001:db8::1"),
        ("198.51.100.99:1234", "10.0.0.1"),
        ("'; DROP TABLE family --", "10.0.0.1"),
    ],
)
async def test_u_14_a_trusted_proxy_is_believed_from_the_right(tmp_path: Path, forwarded: str, network: str) -> None:
    import ipaddress

    config = Config().replace(server__trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        held = await hold(issuer)
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
        await issuer.browser(network="10.0.0.1").post("/token", form, {"x-forwarded-for": forwarded})
        assert (await held.family()).head.network == network


async def test_u_15_no_address_that_a_client_gives_is_ever_fetched(issuer: Issuer) -> None:
    """There is no fetcher in this version; what would need one is refused."""
    client, _ = await issuer.client()
    for name, error in (
        ("request_uri", "request_uri_not_supported"),
        ("request", "request_not_supported"),
        ("registration", "registration_not_supported"),
    ):
        asked = request(client.id, **{name: "http://169.254.169.254/latest"})
        reply = await issuer.browser().get("/authorize", asked)
        assert reply.answered()["error"] == error
    document = (await issuer.browser().get("/.well-known/openid-configuration")).json()
    assert document["request_uri_parameter_supported"] is False
    assert document["request_parameter_supported"] is False


async def test_u_02_the_address_of_a_code_is_checked_again_when_it_is_used(issuer: Issuer) -> None:
    """The registration is changed while the person is at the sign-in page."""
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    await issuer.house.clients.update(client.id, redirect_uris=("https://app.example/elsewhere",))
    form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
    reply = await browser.follow(await browser.post("/sign-in", form))
    assert not reply.location.startswith(CALLBACK)
