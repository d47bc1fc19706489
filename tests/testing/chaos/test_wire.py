"""The wire of the chaos provider: it breaks on request, and never by itself."""

import asyncio
import logging
import re
import string

import hypothesis
import pytest
from hypothesis import strategies as st

from evergrant.testing.chaos import Chaos
from evergrant.testing.chaos.site import Site
from evergrant.testing.chaos.wire import Request
from tests.testing.chaos.caller import calling

HOST = "127.0.0.1"


async def exchanged(chaos: Chaos, raw: bytes) -> bytes:
    """Some bytes, and everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection(HOST, int(chaos.url.rpartition(":")[2]))
    writer.write(raw)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_requests_that_come_at_once_are_answered_in_their_order():
    async with Chaos() as chaos:
        one = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n"
        last = b"GET /jwks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        said = await exchanged(chaos, one + one + last)
        assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"404", b"404", b"200"]


async def test_the_connection_of_an_old_client_is_closed_after_its_answer():
    async with Chaos() as chaos:
        assert b"200 OK" in await exchanged(chaos, b"GET /jwks HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(("mode", "resets"), [("reset_after", True), ("reset_before", True), ("lost_reply", False)])
async def test_a_reset_is_a_reset_and_a_lost_reply_an_orderly_end(mode: str, resets: bool):
    async with Chaos("plain", [mode], seed=1) as chaos:
        body = f"grant_type=refresh_token&refresh_token={chaos.grant().refresh_token}&client_id={chaos.client_id}"
        head = "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        raw = f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()
        try:
            said: bytes | None = await exchanged(chaos, raw)
        except ConnectionResetError:
            said = None
        assert said == (None if resets else b"")


async def test_what_is_not_http_is_told_so():
    async with Chaos() as chaos:
        assert (await exchanged(chaos, b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_a_request_that_never_ends_does_not_keep_the_server_from_stopping():
    async with Chaos() as chaos:
        _, writer = await asyncio.open_connection(HOST, int(chaos.url.rpartition(":")[2]))
        writer.write(b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
    writer.close()


async def test_an_address_that_would_write_a_header_is_refused():
    async with calling() as caller:
        for wrong in ("http://x/\r\nset-cookie: a=b", "http://x/ü", "http://x/ y", "http:", "http://[", "ftp://x/"):
            answer = await caller.authorize(redirect_uri=wrong)
            assert answer.status_code == 400
            assert "set-cookie" not in answer.headers


async def test_a_defect_of_the_server_is_told_as_one(monkeypatch, caplog):
    async with calling() as caller:
        monkeypatch.setattr(type(caller.chaos._state.book), "refresh", None)
        with caplog.at_level(logging.ERROR, "evergrant.chaos"):
            answer = await caller.refresh("anything")
        assert (answer.status_code, "defect" in answer.text) == (500, True)
        assert "POST /token" in caplog.text


PATHS = (
    "/authorize", "/token", "/refresh", "/device", "/device/page", "/revoke", "/revoke/x", "/introspect", "/userinfo",
    "/api", "/api/x", "/jwks", "/.well-known/openid-configuration", "/chaos/modes", "/chaos/grants", "/x",
)  # fmt: skip
WORDS = ["authorization_code", "refresh_token", "", "{}", "[1]"]
TEXTS = st.text(string.printable, max_size=40) | st.sampled_from(WORDS)
NAMES = st.sampled_from(["grant_type", "refresh_token", "code", "client_id", "client_secret", "scope", "state", "token",
                         "redirect_uri", "response_type", "code_challenge", "user", "user_code", "modes"])  # fmt: skip
REQUESTS = st.builds(
    Request, st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]), st.sampled_from(PATHS),
    st.dictionaries(NAMES, TEXTS, max_size=5),
    st.dictionaries(st.sampled_from(["authorization", "content-type", "accept"]),
                    TEXTS | st.sampled_from(["application/json", "application/x-www-form-urlencoded", "Basic Og=="])),
    st.binary(max_size=60) | TEXTS.map(str.encode) | st.sampled_from([b'{"modes": 7}', b'{"user": []}', b"null"]),
)  # fmt: skip


@hypothesis.given(request=REQUESTS, provider=st.sampled_from(["plain", "slack", "zoho", "notion", "github_app"]))
@hypothesis.settings(max_examples=300)
def test_no_request_is_too_strange_for_an_answer(request, provider):
    state = Chaos(provider, seed=1)._state
    state.origin = "http://127.0.0.1:1"
    if request.path.startswith("/chaos"):
        request.headers["authorization"] = f"Bearer {state.control_token}"
    answer = asyncio.run(Site(state).handle(request))
    assert 200 <= answer.status < 600
    answer.encoded()
