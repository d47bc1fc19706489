"""A token request as each kind of provider wants it."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.base64url import decode
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.model import Body, ClientAuth, Provider
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.settings import Client
from evergrant.keeper.wire.token_request import auth_of, token_request
from evergrant.keys.signing import make, to_der
from evergrant.testing.chaos import PLAIN

CLIENT = Client("p", "id:1", Secret("s ecret"), redirect_uri="https://app.invalid/back")


def by(*ways: ClientAuth, **facts: object) -> Provider:
    return replace(PLAIN, client_auth=ways, **facts)  # type: ignore[arg-type]


def form(provider: Provider, client: Client = CLIENT, **more: object) -> tuple[dict[str, list[str]], dict[str, str]]:
    asked = token_request(provider, client, "refresh_token", {"refresh_token": "rt"}, refresh=True, **more)
    return parse_qs(asked.body.decode()), dict(asked.headers)


def test_the_secret_in_the_body() -> None:
    said, headers = form(by(ClientAuth.POST))
    assert said == {
        "grant_type": ["refresh_token"], "refresh_token": ["rt"], "client_id": ["id:1"], "client_secret": ["s ecret"],
    }  # fmt: skip
    assert "Authorization" not in headers


def test_the_secret_in_a_basic_header_form_encoded_first() -> None:
    said, headers = form(by(ClientAuth.BASIC))
    assert "client_secret" not in said
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"id%3A1:s+ecret"


def test_the_secret_key_as_the_user_name_and_no_client_id() -> None:
    said, headers = form(by(ClientAuth.SECRET_KEY_BASIC))
    assert "client_id" not in said
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"s ecret:"


def test_a_public_client_says_its_id_only() -> None:
    said, _ = form(by(ClientAuth.BASIC, ClientAuth.NONE), replace(CLIENT, secret=None))
    assert said["client_id"] == ["id:1"]
    assert "client_secret" not in said


def test_one_way_to_prove_itself_is_chosen_by_facts_and_never_tried_out() -> None:
    assert auth_of(by(ClientAuth.PRIVATE_KEY_JWT, ClientAuth.BASIC), CLIENT) is ClientAuth.BASIC
    assert auth_of(by(ClientAuth.POST, ClientAuth.BASIC), CLIENT) is ClientAuth.POST


def test_the_body_may_be_json_or_a_query() -> None:
    asked = token_request(by(ClientAuth.NONE, body=Body.JSON), CLIENT, "refresh_token", {"refresh_token": "rt"})
    assert json.loads(asked.body)["refresh_token"] == "rt"
    asked = token_request(by(ClientAuth.NONE, body=Body.QUERY), CLIENT, "refresh_token", {"refresh_token": "rt"})
    assert asked.body == b""
    assert parse_qs(urlsplit(asked.url).query)["refresh_token"] == ["rt"]


def test_what_a_provider_wants_beside_is_added_on_refresh_only() -> None:
    wants = by(
        ClientAuth.POST, refresh_params={"redirect_uri": "{redirect_uri}"}, refresh_url="https://p.invalid/refresh"
    )
    said, _ = form(wants)
    assert said["redirect_uri"] == ["https://app.invalid/back"]
    assert token_request(wants, CLIENT, "authorization_code", {}).url == wants.token_url
    asked = token_request(wants, CLIENT, "refresh_token", {}, refresh=True)
    assert asked.url == "https://p.invalid/refresh"


def test_a_provider_without_a_token_endpoint_is_named() -> None:
    with pytest.raises(BadRequest, match="plain"):
        token_request(by(ClientAuth.NONE, token_url=""), CLIENT, "refresh_token", {})


@pytest.mark.parametrize("alg", ["ES256", "RS256", "Ed25519"])
def test_k_07_a_signed_proof_is_for_the_issuer_alone(alg: str) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\n" + b64encode(to_der(make(alg))).decode() + "\n-----END PRIVATE KEY-----\n"
    client = replace(CLIENT, private_key=Secret(pem))
    provider = by(ClientAuth.PRIVATE_KEY_JWT, issuer="https://honest.invalid", token_url="https://other.invalid/token")
    proof = assertion(client, provider, FixedClock(), SeededEntropy(1))
    header, claims, _ = proof.split(".")
    assert json.loads(decode(header)) == {"typ": "JWT", "alg": alg}, "a key id of ours would match no registration"
    assert json.loads(decode(claims))["aud"] == "https://honest.invalid"
    said, _ = form(provider, client, assertion=proof)
    assert said["client_assertion"] == [proof]


def test_a_private_key_that_cannot_be_read_is_one_sentence() -> None:
    client = replace(CLIENT, private_key=Secret("hush"))
    with pytest.raises(BadRequest) as told:
        assertion(client, by(ClientAuth.PRIVATE_KEY_JWT), FixedClock(), SeededEntropy(1))
    assert "hush" not in str(told.value)
