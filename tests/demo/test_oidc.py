"""The sample application's OpenID Connect client believes nothing that it has not checked."""

import asyncio
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from evergrant.clock import FixedClock
from evergrant.demo.oidc import Begun, IssuerSilent, OidcClient, Registration, SignInFailed, Tokens
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy
from evergrant.keys.signing import Signer, make

NOW = 1_700_000_000
GOOD = Signer(make("ES256"), "ES256")
STRANGER = Signer(make("ES256"), "ES256")
ACCESS = GOOD.sign("at+jwt", b'{"sub":"usr_a"}')
BODY = "application/json"


def half(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


class Liar:
    """An issuer that answers what a test wants, and remembers what it was asked."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.keys = [GOOD.public]
        self.claims: dict[str, Any] = {
            "iss": origin, "sub": "usr_a", "aud": "cli_a", "iat": NOW, "exp": NOW + 600, "auth_time": NOW - 5,
            "nonce": "the nonce", "at_hash": half(ACCESS),
        }  # fmt: skip
        self.signer: Signer | None = GOOD
        self.answer: dict[str, Any] = {
            "access_token": ACCESS, "refresh_token": "egr_x", "expires_in": 600, "refresh_token_timeout": 900,
            "authorization_expires_in": 1_000, "scope": "openid",
        }  # fmt: skip
        self.document: dict[str, Any] = {
            "issuer": origin, "token_endpoint": f"{origin}/token", "jwks_uri": f"{origin}/jwks",
            "authorization_endpoint": f"{origin}/authorize", "userinfo_endpoint": f"{origin}/userinfo",
        }  # fmt: skip
        self.raw: dict[str, tuple[int, bytes]] = {}

    def respond(self, path: str, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((path, form))
        if path in self.raw:
            return self.raw[path]
        told: Any = {"sub": "usr_b", "name": "Mallory"}
        if path == "/.well-known/openid-configuration":
            told = self.document
        elif path == "/jwks":
            told = {"keys": self.keys}
        elif path == "/token":
            told = {**self.answer, **({"id_token": self._identity()} if self.signer else {})}
        return 200, json.dumps(told).encode()

    def _identity(self) -> str:
        return self.signer.sign("JWT", json.dumps(self.claims).encode())

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@pytest.fixture
def liar() -> Iterator[Liar]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(raw).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, body = served.respond(self.path, form)
            self.send_response(status)
            self.send_header("content-type", BODY)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Liar(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


def client_of(origin: str) -> OidcClient:
    registration = Registration(origin, "cli_a", "http://127.0.0.1:9/callback", "openid")
    return OidcClient(registration, FixedClock(NOW), SeededEntropy(1))


def run(origin: str, work: Callable[[OidcClient], Any]) -> Any:
    async def whole() -> Any:
        client = client_of(origin)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(whole())


BEGUN = Begun("", "the state", "the nonce", Secret("v" * 43))


def finish(liar: Liar, **changes: str) -> Tokens:
    answer = {"code": "egc_x", "state": "the state", "iss": liar.origin, **changes}
    return run(liar.origin, lambda client: client.finish(answer, BEGUN, "agent")).tokens


def test_a_good_answer_gives_tokens_with_their_ends(liar: Liar) -> None:
    tokens = finish(liar)
    assert tokens.claims["sub"] == "usr_a"
    assert (tokens.access_end, tokens.idle_end, tokens.absolute_end) == (NOW + 600, NOW + 900, NOW + 1_000)
    assert tokens.inside == {"sub": "usr_a"}
    (form,) = [form for path, form in liar.asked if path == "/token"]
    assert form == {
        "grant_type": "authorization_code", "code": "egc_x", "redirect_uri": "http://127.0.0.1:9/callback",
        "client_id": "cli_a", "code_verifier": "v" * 43,
    }  # fmt: skip


def test_what_is_sent_is_kept_without_its_secrets(liar: Liar) -> None:
    answer = {"code": "egc_" + "c" * 43, "state": "the state", "iss": liar.origin}
    reply = run(liar.origin, lambda client: client.finish(answer, BEGUN, "agent"))
    shown = repr(reply.exchange)
    for secret in ("egc_" + "c" * 43, "v" * 43, ACCESS, "egr_x"):
        assert secret not in shown
    assert "egc_… " in shown
    assert "egc_" + "c" * 43 not in repr(reply)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"iss": "http://127.0.0.1:1"}, "another issuer"),
        ({"aud": "cli_b"}, "another application"),
        ({"aud": ["cli_a", "cli_b"]}, "another application"),
        ({"exp": NOW - 61}, "has expired"),
        ({"exp": "never"}, "has expired"),
        ({"iat": NOW + 61}, "from the future"),
        ({"nonce": "another"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"at_hash": half("another")}, "another access token"),
    ],
)
def test_an_id_token_that_does_not_fit_is_refused(liar: Liar, changes: dict[str, Any], sentence: str) -> None:
    liar.claims.update(changes)
    with pytest.raises(SignInFailed, match=sentence):
        finish(liar)


def test_an_id_token_signed_by_a_stranger_is_refused(liar: Liar) -> None:
    liar.signer = STRANGER
    with pytest.raises(SignInFailed, match="does not verify"):
        finish(liar)


def test_an_unsigned_id_token_is_refused(liar: Liar) -> None:
    def part(members: dict[str, Any]) -> str:
        return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT', 'kid': GOOD.kid})}.{part(liar.claims)}."
    liar.signer, liar.answer["id_token"] = None, unsigned
    with pytest.raises(SignInFailed, match="does not verify"):
        finish(liar)


def test_an_access_token_is_not_an_id_token(liar: Liar) -> None:
    liar.signer, liar.answer["id_token"] = None, GOOD.sign("at+jwt", json.dumps(liar.claims).encode())
    with pytest.raises(SignInFailed, match="does not verify"):
        finish(liar)


def test_a_new_signing_key_is_fetched_once_and_a_known_one_never_again(liar: Liar) -> None:
    async def work(client: OidcClient) -> None:
        first = (await client.finish(answer, BEGUN, "")).tokens
        await client.refresh(first.refresh, "", first)
        assert liar.count("/jwks") == 1
        liar.signer, liar.keys = STRANGER, [GOOD.public, STRANGER.public]
        await client.refresh(first.refresh, "", first)
        assert liar.count("/jwks") == 2

    answer = {"code": "egc_x", "state": "the state", "iss": liar.origin}
    run(liar.origin, work)


@pytest.mark.parametrize("name", ["sub", "aud", "iss", "auth_time"])
def test_a_refresh_about_somebody_else_is_refused(liar: Liar, name: str) -> None:
    async def work(client: OidcClient) -> None:
        first = (await client.finish(answer, BEGUN, "")).tokens
        liar.claims[name] = NOW - 6 if name == "auth_time" else "somebody else"
        await client.refresh(first.refresh, "", first)

    answer = {"code": "egc_x", "state": "the state", "iss": liar.origin}
    with pytest.raises(SignInFailed, match="cannot be accepted"):
        run(liar.origin, work)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "expires_in", "scope", "refresh_token_timeout"])
def test_an_answer_that_lacks_something_is_refused(liar: Liar, name: str) -> None:
    del liar.answer[name]
    with pytest.raises(SignInFailed, match="lacks something"):
        finish(liar)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": "another"}, "this browser began"),
        ({"state": ""}, "this browser began"),
        ({"iss": "http://127.0.0.1:1"}, "another issuer"),
        ({"error": "access_denied", "error_description": "The person said no."}, "The person said no"),
    ],
)
def test_an_answer_is_checked_before_its_code_is_spent(liar: Liar, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SignInFailed, match=sentence):
        finish(liar, **changes)
    assert liar.asked == []


def test_an_answer_without_iss_is_refused(liar: Liar) -> None:
    answer = {"code": "egc_x", "state": "the state"}
    with pytest.raises(SignInFailed, match="another issuer"):
        run(liar.origin, lambda client: client.finish(answer, BEGUN, ""))
    assert liar.asked == []


def test_a_document_of_another_issuer_is_not_believed(liar: Liar) -> None:
    liar.document["issuer"] = "http://127.0.0.1:1"
    with pytest.raises(IssuerSilent, match="does not describe this issuer"):
        run(liar.origin, lambda client: client.begin())


def test_an_endpoint_that_is_not_there_is_told(liar: Liar) -> None:
    with pytest.raises(IssuerSilent, match="no revocation_endpoint"):
        run(liar.origin, lambda client: client.revoke(Secret("egr_x"), ""))


def test_a_person_is_believed_only_when_it_is_the_one_who_signed_in(liar: Liar) -> None:
    async def work(client: OidcClient) -> Any:
        return await client.person((await client.finish(answer, BEGUN, "")).tokens)

    answer = {"code": "egc_x", "state": "the state", "iss": liar.origin}
    assert run(liar.origin, work) == {}


@pytest.mark.parametrize("raw", [(200, b"<html>"), (502, b"Bad Gateway"), (200, b"\xff")])
def test_what_is_no_json_counts_as_no_answer(liar: Liar, raw: tuple[int, bytes]) -> None:
    liar.raw["/token"] = raw
    with pytest.raises(IssuerSilent, match="no JSON"):
        finish(liar)


def test_a_closed_port_is_told_without_the_request(liar: Liar) -> None:
    origin = "http://127.0.0.1:1"
    with pytest.raises(
        IssuerSilent, match=r"GET http://127\.0\.0\.1:1/\.well-known/openid-configuration: ConnectError"
    ):
        run(origin, lambda client: client.begin())


def test_a_sign_in_never_repeats_state_nonce_or_challenge(liar: Liar) -> None:
    async def work(client: OidcClient) -> list[Begun]:
        return [await client.begin("ada@example.com") for _ in range(20)]

    begun = run(liar.origin, work)
    assert len({one.state for one in begun}) == len({one.nonce for one in begun}) == 20
    asked = [parse_qs(urlsplit(one.url).query) for one in begun]
    assert len({one["code_challenge"][0] for one in asked}) == 20
    assert asked[0]["login_hint"] == ["ada@example.com"]
    assert all(one.verifier.reveal() not in one.url for one in begun)
