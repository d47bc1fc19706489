"""Tokens bound to a certificate that a trusted proxy hands on (RFC 8705, RFC 9440, attack P-11)."""

import ipaddress
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.policy import Preset
from evergrant.testing.in_process import Browser, Issuer, exchange
from tests.issuing import claims_of, is_oauth_error, issuing, post_as, unchanged
from tests.proving import Prover, b64

PROXY = "192.0.2.80"
OURS, THEIRS = b"\x30\x82ours", b"\x30\x82theirs"
DAY = 86_400


def shown(der: bytes) -> dict[str, str]:
    return {"client-cert": f":{b64encode(der).decode()}:"}


def thumbprint(der: bytes) -> str:
    return b64(sha256(der).digest())


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Issuer]:
    """An issuer that believes the certificates of one proxy."""
    config = Config().replace(
        server__trusted_proxies=(ipaddress.ip_network(PROXY),),
        server__client_certificates=True,
        server__client_certificate_url="https://mtls.id.example",
    )
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        yield issuer


def through(issuer: Issuer, peer: str = PROXY) -> Browser:
    return issuer.browser(network=peer)


async def redeemed(issuer: Issuer, client, secret: str = "", der: bytes = OURS) -> dict:
    code = await issuer.code(issuer.browser(), client)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": "v" * 64}
    reply = await issuer.token(client, secret, form, through(issuer), shown(der))
    assert reply.status == 200, reply.text
    return reply.json()


async def test_r8705_3_a_and_r8705_4_a_a_public_clients_tokens_are_bound_to_its_certificate(
    behind: Issuer, tmp_path: Path
) -> None:
    client, _ = await behind.client(certificate_bound=True)
    tokens = await redeemed(behind, client)
    assert tokens["token_type"] == "Bearer"
    assert claims_of(tokens["access_token"])["cnf"] == {"x5t#S256": thumbprint(OURS)}
    first = tokens["refresh_token"]
    with unchanged(behind, tmp_path):
        other = await behind.refresh(client, "", first, through(behind), shown(THEIRS))
        is_oauth_error(other, "invalid_grant")
        is_oauth_error(await behind.refresh(client, "", first, through(behind)), "invalid_request")
    right = await behind.refresh(client, "", first, through(behind), shown(OURS))
    assert claims_of(right.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(OURS)}
    behind.clock.advance(DAY)
    again = await behind.refresh(client, "", first, through(behind), shown(OURS))
    assert again.json()["refresh_token"] == right.json()["refresh_token"]


async def test_r8705_4_a_a_confidential_client_may_renew_its_certificate(behind: Issuer) -> None:
    client, secret = await behind.client(ClientType.WEB, preset=Preset.FAPI2, certificate_bound=True)
    tokens = await redeemed(behind, client, secret)
    reply = await behind.refresh(client, secret, tokens["refresh_token"], through(behind), shown(THEIRS))
    assert claims_of(reply.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint(THEIRS)}


@pytest.mark.parametrize("header", ["", "x", ":x:", f":{b64encode(b'no certificate').decode()}:"])
async def test_a_certificate_that_cannot_be_read_is_none(behind: Issuer, tmp_path: Path, header: str) -> None:
    client, _ = await behind.client(certificate_bound=True)
    tokens = await redeemed(behind, client)
    with unchanged(behind, tmp_path):
        reply = await behind.refresh(client, "", tokens["refresh_token"], through(behind), {"client-cert": header})
        is_oauth_error(reply, "invalid_request")


async def test_p_11_r8705_6_a_and_r9700_4_13_a_the_header_is_believed_from_the_proxy_alone(
    behind: Issuer, tmp_path: Path
) -> None:
    client, _ = await behind.client(certificate_bound=True)
    tokens = await redeemed(behind, client)
    with unchanged(behind, tmp_path):
        for peer in ("192.0.2.1", "127.0.0.1", ""):
            reply = await behind.refresh(client, "", tokens["refresh_token"], through(behind, peer), shown(OURS))
            is_oauth_error(reply, "invalid_request")


@pytest.mark.parametrize("proxies", [(), (ipaddress.ip_network(PROXY),)])
async def test_p_11_where_certificates_are_off_the_header_means_nothing_from_anybody(
    tmp_path: Path, proxies: tuple
) -> None:
    async with issuing(tmp_path, config=Config().replace(server__trusted_proxies=proxies)) as issuer:
        await issuer.person()
        client, _ = await issuer.client(certificate_bound=True)
        form = {"grant_type": "authorization_code", "code": "egc_x", "code_verifier": "v" * 64}
        is_oauth_error(await issuer.token(client, "", form, through(issuer), shown(OURS)), "invalid_request")
        found = (await issuer.browser().get("/.well-known/openid-configuration")).json()
        assert "tls_client_certificate_bound_access_tokens" not in found
        assert "mtls_endpoint_aliases" not in found


async def test_two_certificate_headers_are_refused(behind: Issuer) -> None:
    pair = (b"client-cert", shown(OURS)["client-cert"].encode())
    scope = {
        "type": "http", "method": "POST", "path": "/token", "raw_path": b"/token", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), pair, pair], "client": (PROXY, 1),
    }  # fmt: skip
    is_oauth_error(await exchange(behind.app, scope, b""), "invalid_request")


async def test_who_is_not_registered_for_it_is_not_bound_by_a_certificate(behind: Issuer) -> None:
    client, _ = await behind.client()
    tokens = await redeemed(behind, client)
    assert "cnf" not in claims_of(tokens["access_token"])
    assert (await behind.refresh(client, "", tokens["refresh_token"])).status == 200


async def test_a_client_bound_to_a_certificate_is_not_bound_to_a_key(behind: Issuer) -> None:
    client, _ = await behind.client(certificate_bound=True)
    tokens = await redeemed(behind, client)
    proof = Prover().proof("POST", "http://127.0.0.1:8000/token", behind.clock.now())
    headers = {**shown(OURS), "dpop": proof}
    is_oauth_error(
        await behind.refresh(client, "", tokens["refresh_token"], through(behind), headers), "invalid_request"
    )
    asked = await behind.authorize(behind.browser(), client, dpop_jkt=Prover().jkt)
    assert asked.answered()["error"] == "invalid_request"


async def test_r8705_3_a_userinfo_and_introspection_hold_the_token_to_its_certificate(behind: Issuer) -> None:
    client, secret = await behind.client(ClientType.WEB, certificate_bound=True)
    access = (await redeemed(behind, client, secret))["access_token"]
    bearer = {"authorization": f"Bearer {access}"}
    for peer, der, status in ((PROXY, OURS, 200), (PROXY, THEIRS, 401), ("192.0.2.1", OURS, 401)):
        reply = await through(behind, peer).send("GET", "/userinfo", b"", {**bearer, **shown(der)})
        assert reply.status == status, reply.text
    reply = await through(behind).send("GET", "/userinfo", b"", bearer)
    assert reply.header("www-authenticate").startswith('Bearer realm="evergrant", error="invalid_token"')
    told = (await post_as(behind, "/introspect", client, secret, {"token": access})).json()
    assert (told["cnf"], told["token_type"]) == ({"x5t#S256": thumbprint(OURS)}, "Bearer")


async def test_r8705_5_a_the_addresses_that_ask_for_certificates_are_published_and_answered(behind: Issuer) -> None:
    found = (await behind.browser().get("/.well-known/oauth-authorization-server")).json()
    assert found["tls_client_certificate_bound_access_tokens"] is True
    assert found["mtls_endpoint_aliases"] == {
        "token_endpoint": "https://mtls.id.example/token",
        "userinfo_endpoint": "https://mtls.id.example/userinfo",
    }
    assert (await behind.browser(host="mtls.id.example").post("/token", {"grant_type": "x"})).status == 400
