"""The example of every web framework under real requests: what is let in, what is not, and with which challenge."""

import time
from collections.abc import Iterator
from typing import Final

import pytest
import requests

from evergrant.testing.token_issuer import By, TokenIssuer, token_issuer
from tests.resource.frameworks.running import WSGI, challenge_of, example
from tests.secrecy import record_secret

pytestmark = pytest.mark.long
FRAMEWORKS: Final = ("fastapi", "starlette", "litestar", *WSGI)
PATIENCE: Final = 60.0
"""A tenth of the life of the tokens."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as one:
        record_secret(one.credentials.client_secret)
        yield one


@pytest.fixture(scope="module", params=FRAMEWORKS)
def address(request: pytest.FixtureRequest, issuer: TokenIssuer) -> Iterator[str]:
    with example(request.param, issuer) as found:
        yield found


def asked(address: str, header: str | None, path: str = "/orders") -> requests.Response:
    headers = {} if header is None else {"Authorization": header}
    return requests.get(f"http://{address}{path}", headers=headers, timeout=30)


def good(issuer: TokenIssuer, subject: str = "ada@example.com", **more: object) -> str:
    token = issuer.token(subject, scope="orders:read", **more)  # type: ignore[arg-type]
    record_secret(token)
    return token


def test_r6750_3_a_without_a_token_the_challenge_says_where_to_begin_and_names_no_error(address: str) -> None:
    answer = asked(address, None)
    assert answer.status_code == 401
    challenge = challenge_of(answer)
    assert challenge.startswith("Bearer")
    assert "error" not in challenge
    assert "/.well-known/oauth-protected-resource" in challenge
    assert asked(address, None, "/open").json() == {"for": "everybody"}


def test_r9728_3_a_and_r9728_5_1_a_the_metadata_is_where_the_challenge_says(address: str, issuer: TokenIssuer) -> None:
    challenge = challenge_of(asked(address, None))
    path = challenge.partition('resource_metadata="')[2].partition('"')[0].partition("/.well-known")[2]
    document = requests.get(f"http://{address}/.well-known{path}", timeout=30)
    assert document.status_code == 200
    assert document.headers["Access-Control-Allow-Origin"] == "*"
    assert document.json() == {
        "resource": issuer.audience, "authorization_servers": [issuer.url], "scopes_supported": ["orders:read"],
        "bearer_methods_supported": ["header"],
    }  # fmt: skip


def test_a_good_token_is_let_in_and_the_view_knows_whose_it_is(address: str, issuer: TokenIssuer) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = asked(address, f"{scheme} {good(issuer)}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["for"].startswith("usr_")


def test_r6750_3_1_a_a_token_without_the_scope_is_told_which_one_it_lacks(address: str, issuer: TokenIssuer) -> None:
    token = issuer.token(scope="orders:write")
    answer = asked(address, f"Bearer {token}")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in challenge_of(answer)
    assert 'scope="orders:read"' in challenge_of(answer)


def test_what_is_wrong_with_a_token_is_not_told_to_whoever_sent_it(address: str, issuer: TokenIssuer) -> None:
    wrong = [
        issuer.token(scope="orders:read", lifetime=-60), issuer.token(scope="orders:read", audience="https://x.example"),
        issuer.token(scope="orders:read", by=By.STRANGER), issuer.token(scope="orders:read", by=By.NOBODY),
        issuer.token(scope="orders:read", by=By.CONFUSED), issuer.token(scope="orders:read", typ="JWT"),
        issuer.token(scope="orders:read", claims={"iss": "https://x.example"}), issuer.refresh_token(), "egr_x",
    ]  # fmt: skip
    answers = [asked(address, f"Bearer {token}") for token in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.text, challenge_of(answer)) for answer in answers}) == 1
    assert 'error="invalid_token"' in challenge_of(answers[0])


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer a b", "Basic dXNlcjpwYXNz", "Bearer (x)", "x" * 7_000, "Bearer " + "é"]
)
def test_no_header_is_an_exception(address: str, header: str) -> None:
    answer = requests.get(f"http://{address}/orders", headers={"Authorization": header.encode("latin-1")}, timeout=30)
    assert answer.status_code in {400, 401}
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("opaque", [False, True])
def test_what_is_revoked_is_refused_though_its_own_end_is_far(address: str, issuer: TokenIssuer, opaque: bool) -> None:
    token = issuer.opaque(scope="orders:read") if opaque else good(issuer)
    record_secret(token)
    assert asked(address, f"Bearer {token}").status_code == 200
    issuer.end(token)
    # Within a second is shown by the feed's own steps (tests/journeys/test_revocation_bound.py) and by the benchmark.
    give_up = time.monotonic() + PATIENCE
    while asked(address, f"Bearer {token}").status_code == 200:
        assert time.monotonic() < give_up, "nobody told the API that the token was revoked"
    assert asked(address, f"Bearer {token}").status_code == 401


def test_a_view_that_awaits_is_guarded_as_well(issuer: TokenIssuer) -> None:
    with example("django", issuer) as address:
        assert asked(address, f"Bearer {good(issuer)}", "/orders/awaited").status_code == 200
        assert asked(address, None, "/orders/awaited").status_code == 401


@pytest.mark.parametrize(("name", "path"), [("fastapi", "/openapi.json"), ("litestar", "/schema/openapi.json")])
def test_the_api_document_says_what_it_takes(issuer: TokenIssuer, name: str, path: str) -> None:
    with example(name, issuer) as address:
        document = requests.get(f"http://{address}{path}", timeout=30).json()
    scheme = document["components"]["securitySchemes"]["evergrant"]
    assert scheme["type"] == "openIdConnect"
    assert scheme["openIdConnectUrl"] == f"{issuer.url}/.well-known/openid-configuration"
    assert document["paths"]["/orders"]["get"]["security"] == [{"evergrant": ["orders:read"]}]
