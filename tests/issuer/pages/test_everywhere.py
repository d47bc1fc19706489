"""What holds for every page and for every way of asking for it: status, headers, no JSON, nothing reflected."""

from urllib.parse import quote

import pytest

from evergrant.issuer.pages.view import AUTO_SUBMIT
from evergrant.testing.in_process import CALLBACK, Browser, running
from tests.visitor import ADA, decide, enter, form, heading, is_page, sign_in, words

MARK = "ZQ-7\"'><b>ZQ-7</b>"
KIND = {"content-type": "application/x-www-form-urlencoded"}
PATHS = {
    "/": "GET", "/authorize": "GET POST", "/sign-in": "GET POST", "/select-account": "GET POST",
    "/consent": "GET POST", "/notice": "GET POST", "/end_session": "GET POST", "/signed-out": "GET",
    "/account": "GET", "/account/session/end": "POST", "/account/session/end-all": "POST",
    "/account/family/end": "POST", "/account/grant/withdraw": "POST", "/account/password": "GET POST",
}  # fmt: skip


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        yield issuer


@pytest.fixture(params=["nobody", "somebody"])
async def browser(issuer, request):
    browser = issuer.browser()
    if request.param == "somebody":
        await enter(issuer, browser)
    return browser


def well_behaved(reply):
    """A page with its headers, or a redirect that keeps its address to itself; never JSON, never a fault."""
    assert reply.status < 500
    assert reply.header("cache-control") == "no-store"
    if reply.status == 303:
        assert reply.body == b""
        assert reply.header("referrer-policy") == "no-referrer"
    else:
        assert is_page(reply, reply.status), reply.header("content-type")
        assert "frame-ancestors 'none'" in reply.header("content-security-policy")
        assert reply.header("x-frame-options") == "DENY"
    assert not reply.header("access-control-allow-origin"), "no page is read by another origin's script"


async def test_the_list_of_pages_is_whole(issuer):
    # The UserInfo endpoint tells its refusals in a header of its own (RFC 6750), and is no page.
    listed = {
        path.decode(): " ".join(sorted(route.methods))
        for path, route in issuer.app._routes.items()
        if route.tell is not None and route.name != "userinfo"
    }
    assert listed == PATHS


@pytest.mark.parametrize("path", list(PATHS))
async def test_s_04_s_16_every_page_in_every_way_is_well_behaved_and_reflects_nothing(browser, path):
    query = f"?flow={quote(MARK)}&request={quote(MARK)}&done={quote(MARK)}&error={quote(MARK)}&client_id={quote(MARK)}"
    body = query[1:].encode() + f"&csrf={quote(MARK)}&id={quote(MARK)}&decision={quote(MARK)}".encode()
    asked = [
        await browser.send("GET", path),
        await browser.send("GET", path + query),
        await browser.send("POST", path, b"", KIND),
        await browser.send("POST", path, body, KIND),
        await browser.send("POST", path, b'{"json":true}', {"content-type": "application/json"}),
        await browser.send("POST", path, b"\xff\xfe%zz&a=%00", KIND),
        await browser.send("POST", path, body, {**KIND, "origin": "https://evil.example"}),
        await browser.send("PUT", path, b"x", KIND),
        await browser.send("DELETE", path),
        await browser.send("OPTIONS", path),
        await browser.send("GET", path + "?a=%00"),
        await browser.send("GET", path + "?flow=a&flow=b"),
        await browser.send("GET", path, headers={"referer": MARK, "x-forwarded-host": "evil.example"}),
        await browser.send("POST", path, b"a=" + b"b" * 70_000, KIND),
        await browser.send("GET", path, headers={"x": "y" * 20_000}),
    ]
    for reply in asked:
        well_behaved(reply)
        assert "ZQ-7" not in reply.text
        assert "evil.example" not in reply.text + reply.location


@pytest.mark.parametrize("path", [path for path, methods in PATHS.items() if "GET" in methods])
async def test_head_is_get_without_its_body(browser, path):
    await browser.get("/")
    get, head = await browser.send("GET", path), await browser.send("HEAD", path)
    assert head.status == get.status
    assert head.body == b""
    # Each flow and error id is another one; their length is not.
    assert head.header("content-length") == get.header("content-length")
    assert [name for name, _ in head.headers] == [name for name, _ in get.headers]


@pytest.mark.parametrize("path", list(PATHS))
async def test_another_method_is_405_as_a_page_that_says_which_ones_there_are(issuer, path):
    reply = await issuer.browser().send("PATCH", path)
    assert is_page(reply, 405)
    offered = {*PATHS[path].split(), *(["HEAD"] if "GET" in PATHS[path] else [])}
    assert set(reply.header("allow").split(", ")) == offered


@pytest.mark.parametrize(
    "path", ["/nowhere", "/account/", "//", "/sign-in/..", "/%61ccount", "/static/x", "/static/", "/é"]
)
async def test_an_address_without_a_page_is_404_as_a_page_for_people_and_as_text_for_the_rest(issuer, path):
    browser = issuer.browser()
    page = await browser.send("GET", path, headers={"accept": "text/html,*/*"})
    well_behaved(page)
    assert is_page(page, 404)
    assert heading(page) == "There is nothing here"
    text = await browser.send("GET", path)
    assert text.status == 404
    assert text.header("content-type") == "text/plain; charset=utf-8"
    assert (await browser.send("POST", path, b"x")).status == 404
    assert (await browser.send("PUT", path)).status == 405


async def test_u_13_a_host_that_is_not_ours_gets_no_page(issuer):
    for host in ("evil.example", "127.0.0.1:8001", "127.0.0.1:8000.evil.example", "", "127.0.0.1:8000@evil.example"):
        stranger = Browser(issuer.app, host=host)
        reply = await stranger.get("/sign-in")
        assert reply.status == 421
        assert "evil" not in reply.text
        assert stranger.cookies == {}


async def test_static_files_are_kept_for_a_year_and_nothing_else_is(issuer):
    page = await issuer.browser().follow(await issuer.browser().get("/account"))
    sheet = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
    reply = await issuer.browser().get(sheet)
    assert reply.status == 200
    assert reply.header("content-type").startswith("text/css")
    assert "immutable" in reply.header("cache-control")
    head = await issuer.browser().send("HEAD", sheet)
    assert (head.status, head.body) == (200, b"")
    assert int(head.header("content-length")) == len(reply.body)


@pytest.mark.parametrize(
    "value",
    [
        '"><script>alert(1)</script>',
        "</title><script>",
        "javascript:alert(1)",
        "%0d%0aset-cookie: a=b",
        "{{7*7}}",
        "\u202e",
        "é✓",
    ],
)
async def test_a_06_s_16_whatever_a_client_sends_comes_back_as_data_or_not_at_all(issuer, value):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, state=value, nonce=value, login_hint=value, ui_locales=value)
    assert "<script>alert" not in page.text
    assert "49" not in words(page)
    page = await browser.follow(await sign_in(browser, page))
    reply = await decide(browser, page)
    assert reply.answered()["state"] == value
    assert [name for name, _ in reply.headers if name == "set-cookie"] == []
    location = reply.location
    assert location.isascii()
    assert not set(location) & set('"<>\\ \r\n')
    again = await issuer.authorize(browser, client, state=value, response_mode="form_post")
    assert is_page(again, 200)
    assert "<script>alert" not in again.text


@pytest.mark.parametrize("value", ["a\r\nset-cookie: a=b", "a\0b", "a\nb", "\x1b[31m", "\u2028", "a\x7f"])
@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "client_id", "redirect_uri", "scope", "prompt"])
async def test_a_04_a_06_control_characters_are_refused_before_anything_is_answered(issuer, name, value):
    client, _ = await issuer.client()
    reply = await issuer.authorize(issuer.browser(), client, **{name: value})
    assert is_page(reply, 400)
    assert not reply.location
    assert not any("set-cookie" in key and value for key, value in reply.headers)


@pytest.mark.parametrize(
    "raw", [b"state=%ff", b"state=%c0%af", b"state=%", b"state=%4", b"state=%u0041", b"state=\xff"]
)
async def test_a_04_broken_bytes_are_refused_as_a_page(issuer, raw):
    for reply in [
        await issuer.browser().send(
            "GET", "/authorize?" + raw.decode("latin-1") if raw[-1] < 128 else "/authorize?%ff=1"
        ),
        await issuer.browser().send("POST", "/authorize", raw, KIND),
        await issuer.browser().send("POST", "/sign-in", raw, {**KIND, "cookie": "evergrant-browser=" + "a" * 43}),
    ]:
        assert is_page(reply, 400)


async def test_the_reference_on_an_error_page_is_the_one_in_the_log(issuer, caplog):
    caplog.set_level("INFO", logger="evergrant.requests")
    browser = issuer.browser()
    seen = []
    for reply in [
        await browser.get("/consent", {"flow": "x"}),
        await browser.post("/sign-in", {}),
        await browser.get("/authorize", {"client_id": "cli_nobody"}),
        await browser.send("PATCH", "/account"),
        await browser.send("GET", "/nowhere", headers={"accept": "text/html"}),
    ]:
        reference = words(reply).partition("Reference ")[2].split()[0]
        assert len(reference) == 10
        seen.append(reference)
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert all(reference in logged for reference in seen)
    assert len(set(seen)) == len(seen)


async def test_a_fault_of_ours_is_a_page_with_a_reference_and_no_detail(issuer, monkeypatch, caplog):
    monkeypatch.setattr(type(issuer.house.catalog), "fresh", _broken)
    for path in ("/account", "/sign-in", "/"):
        reply = await issuer.browser().get(path)
        assert is_page(reply, 500)
        assert heading(reply) == "Something went wrong here"
        assert "secret detail" not in reply.text
    assert "secret detail" in caplog.text
    caplog.clear()


async def _broken(_):
    raise RuntimeError("secret detail")


async def test_a_redirect_to_a_client_keeps_its_code_to_itself(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    reply = await decide(browser, page)
    assert reply.status == 303
    assert reply.location.startswith(CALLBACK)
    assert reply.header("referrer-policy") == "no-referrer"
    assert reply.header("cache-control") == "no-store"
    assert form(page, "/consent")["flow"] not in reply.location


async def test_r9700_4_17_a_no_page_talks_to_another_window(issuer):
    client, _ = await issuer.client()
    for mode in ("web_message", "fragment", "query.jwt", "form_post web_message"):
        reply = await issuer.authorize(issuer.browser(), client, response_mode=mode)
        assert reply.answered()["error"] == "invalid_request"
    assert "postMessage" not in AUTO_SUBMIT
    browser = issuer.browser()
    pages = [await enter(issuer, browser), await browser.get("/account/password"), await browser.get("/end_session")]
    pages.append(await issuer.authorize(browser, client))
    for page in pages:
        assert "<script" not in page.text
        assert "script-src" not in page.header("content-security-policy"), "default-src 'none' is all there is"


async def test_r9700_4_11_2_a_a_request_leads_to_signing_in_before_it_leads_anywhere_else(issuer):
    client, _ = await issuer.client()
    for asked in ({}, {"prompt": "login"}, {"prompt": "consent"}, {"prompt": "select_account"}, {"max_age": "0"}):
        assert heading(await issuer.authorize(issuer.browser(), client, **asked)) == "Sign in"
