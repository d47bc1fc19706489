"""Requests nobody would send, by grammar: never a 500, and what is refused leaves every row as it was."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.domain.client import ClientType
from evergrant.testing.in_process import Issuer
from tests.issuing import API_SCOPES, JWT_API, OPAQUE_API, Held, is_oauth_error, issuing, stored, with_resources

pytestmark = pytest.mark.long

FORM = "application/x-www-form-urlencoded"
ANSWERS = {200, 204, 303, 400, 401, 403, 404, 405, 408, 413, 421, 431, 503}


@dataclass
class Ground:
    """An issuer with a live family, a spent token, an ended family and a fresh code: words for the grammar."""

    issuer: Issuer
    public: Held
    web: Held
    words: dict[str, str]


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with issuing(tmp_path, config=with_resources()) as issuer:
        await issuer.person()
        spa, _ = await issuer.client(scopes=API_SCOPES)
        web, secret = await issuer.client(ClientType.WEB, "Web", scopes=API_SCOPES)
        public = Held(issuer, spa, "", await issuer.signed_in(spa, scope=" ".join(API_SCOPES)))
        confidential = Held(issuer, web, secret, await issuer.signed_in(web, secret))
        words = {
            "LIVE": public.refresh, "ACCESS": public.access, "ID": public.tokens["id_token"], "SPA": spa.id,
            "WEB": web.id, "SECRET": secret, "OTHERS": confidential.refresh,
            "CODE": await issuer.code(issuer.browser(), web),
            "BASIC": "Basic " + b64encode(f"{web.id}:{secret}".encode()).decode(),
        }  # fmt: skip
        yield Ground(issuer, public, confidential, words)


WORDS = ("LIVE", "ACCESS", "ID", "SPA", "WEB", "SECRET", "OTHERS", "CODE")
NAMES = st.sampled_from(
    ["grant_type", "refresh_token", "client_id", "client_secret", "scope", "resource", "code", "code_verifier", "token",
     "redirect_uri", "token_type_hint", "client_assertion", "access_token", "assertion", "x", ""]
)  # fmt: skip
PLAIN = st.sampled_from(
    ["refresh_token", "authorization_code", "client_credentials", "password", "openid", "openid profile", JWT_API,
     OPAQUE_API, "https://app.example/callback", "v" * 64, "egr_", "ega_", "egc_", "access_token", "0", "-1", "null"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(WORDS).map(lambda word: f"\x00{word}\x00"),
    PLAIN,
    st.text(max_size=30),
    st.sampled_from(
        ["a" * 9_000, "%", "%zz", "%00", "%ff", "\x00", "\r\n", "\u2028", "\ud7ff", "%C3%28", "+", "&", "=", ";"]
    ),
)
RAW = st.binary(max_size=20)
PIECES = st.lists(st.one_of(st.tuples(NAMES, VALUES), RAW), max_size=9)
HEADERS = st.sampled_from(
    [{}, {"authorization": "\x00BASIC\x00"}, {"authorization": "Bearer \x00ACCESS\x00"}, {"authorization": "Basic x"},
     {"authorization": "Bearer \x00LIVE\x00"}, {"cookie": "evergrant=egk_x; evergrant=y"},
     {"content-type": "text/plain"}, {"content-type": FORM + "; charset=utf-16"}, {"origin": "https://evil.example"},
     {"content-length": "99999999"},
     {"x-forwarded-for": "\xff"}, {"accept": "text/html"}, {"authorization": "\xff\xfe"}]
)  # fmt: skip


def filled(ground: Ground, text: str) -> str:
    """The text with its words for live things replaced by those things."""
    for word, value in ground.words.items():
        text = text.replace(f"\x00{word}\x00", value)
    return text


def body_of(ground: Ground, pieces: list[Any]) -> bytes:
    parts = []
    for piece in pieces:
        if isinstance(piece, bytes):
            parts.append(piece)
            continue
        name, value = piece
        text = filled(ground, value)
        encoded = text if text.startswith("%") else quote(text, safe="")
        parts.append(f"{name}={encoded}".encode())
    return b"&".join(parts)


@settings(max_examples=settings().max_examples * 5 // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/token", "/revoke", "/introspect", "/userinfo"]), pieces=PIECES, headers=HEADERS,
    query=st.one_of(st.just(b""), RAW),
)  # fmt: skip
async def test_inv_11_inv_14_a_03_and_a_04_no_form_makes_a_500_and_no_refusal_changes_a_row(
    ground: Ground, tmp_path: Path, path: str, pieces: list[Any], headers: dict[str, str], query: bytes
) -> None:
    sent = {"content-type": FORM, **{name: filled(ground, value) for name, value in headers.items()}}
    asked = path + ("?" + query.decode("latin-1") if query else "")
    before = stored(ground.issuer, tmp_path)
    reply = await ground.issuer.browser().send("POST", asked, body_of(ground, pieces), sent)
    assert reply.status in ANSWERS
    if reply.status >= 400:
        members = reply.json()
        is_oauth_error(reply, members["error"], reply.status)
        after = stored(ground.issuer, tmp_path)
        assert _without_misses(after) == _without_misses(before)


def _without_misses(rows: dict[str, list[Any]]) -> Any:
    """A wrong verifier is counted on its code (attack C-07); nothing else about the code may change."""
    return {**rows, "code": [(key, replace(code, misses=0)) for key, code in rows["code"]]}


async def test_the_grammar_reaches_what_it_is_for(ground: Ground) -> None:
    """The fuzzer's words work: with them put together rightly, each endpoint says yes."""
    words, browser = ground.words, ground.issuer.browser()
    form = [("grant_type", "refresh_token"), ("refresh_token", "\x00LIVE\x00"), ("client_id", "\x00SPA\x00")]
    sent = {"content-type": FORM, "authorization": words["BASIC"]}
    assert (await browser.send("POST", "/token", body_of(ground, form), {"content-type": FORM})).status == 200
    code = [("grant_type", "authorization_code"), ("code", "\x00CODE\x00"), ("code_verifier", "v" * 64)]
    assert (await browser.send("POST", "/token", body_of(ground, code), sent)).status == 200
    for path in ("/introspect", "/revoke"):
        reply = await browser.send("POST", path, body_of(ground, [("token", "\x00OTHERS\x00")]), sent)
        assert reply.status == 200
    bearer = {"authorization": f"Bearer {words['ACCESS']}"}
    assert (await browser.send("GET", "/userinfo", headers=bearer)).status == 200


@settings(max_examples=settings().max_examples * 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "X"]),
    path=st.one_of(
        st.sampled_from(["/", "/authorize", "/sign-in", "/consent", "/select-account", "/notice", "/account", "/jwks",
                         "/account/password", "/end_session", "/signed-out", "/healthz", "/readyz", "/metrics",
                         "/.well-known/openid-configuration", "/account/family/end", "/account/session/end-all"]),
        st.text(alphabet="/abc.%0\\@?#:", max_size=20).map(lambda text: "/" + text),
    ),
    pieces=PIECES, query=PIECES, headers=HEADERS,
)  # fmt: skip
async def test_inv_14_no_address_query_or_form_makes_a_500_and_no_stranger_changes_a_family(
    ground: Ground, tmp_path: Path, method: str, path: str, pieces: list[Any], query: list[Any], headers: dict[str, str]
) -> None:
    sent = {"content-type": FORM, **{name: filled(ground, value) for name, value in headers.items()}}
    asked = path.partition("?")[0] + "?" + body_of(ground, query).decode("latin-1")
    before = stored(ground.issuer, tmp_path)
    reply = await ground.issuer.browser().send(method, asked, body_of(ground, pieces), sent)
    assert reply.status in ANSWERS
    assert "evil.example" not in reply.location
    after = stored(ground.issuer, tmp_path)
    # A page may begin a flow; nobody who is not signed in may touch anything else.
    assert {**after, "flow": []} == {**before, "flow": []}
