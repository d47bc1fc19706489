"""docs/resource/exchange.md is followed word for word: an API goes on to the next one, and to a provider."""

import re
import tomllib
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import requests

from evergrant.config import load
from tests.issuing import claims_of
from tests.person import NAME, PASSWORD, Person
from tests.secrecy import belongs_to_client, record_secret
from tests.written import Terminal, blocks, page

pytestmark = pytest.mark.long

PAGE: Final = page("docs/resource/exchange.md")
CALLBACK: Final = "http://127.0.0.1:8765/callback"
VERIFIER: Final = "v" * 64
SETTINGS: Final = """
[[resource]]
identifier = "https://orders.example.com"
scopes = ["orders:read"]
[[resource]]
identifier = "https://stock.example.com"
scopes = ["stock:read"]
"""
SCOPES: Final = """
openid = "Know who you are"
offline_access = "Stay connected"
"orders:read" = "Read your orders"
"stock:read" = "See what is in stock"
"""


def signed_in(issuer: str, client: str) -> dict[str, Any]:
    """The tokens of a person who signed in to an application, for the orders API."""
    challenge = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": client, "redirect_uri": CALLBACK, "response_type": "code", "state": "s",
        "scope": "openid offline_access orders:read stock:read", "resource": "https://orders.example.com",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    code = Person(CALLBACK).go(f"{issuer}/authorize?{urlencode(asked)}")["code"]
    form = {
        "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "client_id": client,
        "redirect_uri": CALLBACK,
    }  # fmt: skip
    answer = requests.post(f"{issuer}/token", form, timeout=30)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    for name in ("access_token", "refresh_token", "id_token"):
        record_secret(tokens[name])
    return tokens


def test_the_page_takes_an_api_to_the_next_one(tmp_path: Path) -> None:
    belongs_to_client(tmp_path)  # a desk: what commands print once is on it
    (tmp_path / "evergrant.toml").write_text(f"{SETTINGS}[scopes]\n{SCOPES}", encoding="utf-8")
    terminal = Terminal(tmp_path, {"EVERGRANT_CONFIG": str(tmp_path / "evergrant.toml")})
    (add,) = [line.removeprefix("$ ") for line in blocks(PAGE, "console")[0].splitlines()]
    said = terminal.types(add)
    api = (re.search(r"\bcli_[\w-]{22}", said)[0], re.search(r"\begs_[\w-]{43}", said)[0])
    more = "--scope openid --scope offline_access --scope orders:read --scope stock:read"
    app = terminal.types(f'evergrant client add "App" --type native --redirect-uri {CALLBACK} {more}')
    terminal.types(f"echo '{PASSWORD}' | evergrant user add {NAME} --password-stdin")
    with terminal.keeps("evergrant serve") as told:
        issuer = re.search(r"as (\S+)", told[0])[1]
        held = signed_in(issuer, re.search(r"\bcli_[\w-]{22}", app)[0])
        names = {
            "requests": requests, "ISSUER": issuer, "CLIENT_ID": api[0], "CLIENT_SECRET": api[1],
            "token_that_was_sent": held["access_token"],
        }  # fmt: skip
        exec(blocks(PAGE, "python")[0], names)
        answer = names["answer"]
        assert answer.status_code == 200, answer.text
        record_secret(answer.json()["access_token"])
        claims = claims_of(answer.json()["access_token"])
        assert (claims["aud"], claims["scope"], claims["act"]) == (
            "https://stock.example.com",
            "stock:read",
            {"sub": api[0]},
        )
        terminal.types(f"evergrant user disable {NAME}")
        exec(blocks(PAGE, "python")[0], names)
        assert names["answer"].status_code == 400


def test_the_configuration_of_the_page_is_one(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "toml")
    assert set(tomllib.loads(block)) == {"keeper", "scopes"}
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    (tmp_path / "evergrant.toml").write_text(block.replace("/etc/evergrant/hubspot-secret", str(secret)))
    config = load(tmp_path / "evergrant.toml", {}, {})
    assert config.keeper.lend
    assert "provider:hubspot" in config.scopes
