"""Which API a token is for (RFC 8707, RFC 9068): signed and opaque ones, narrowing, mixing, refusals unspent."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from evergrant.config import Config, ResourceConfig
from evergrant.domain.client import Client, ClientType
from evergrant.issuer.service.clients import BadRegistration
from evergrant.store.memory import MemoryStore
from evergrant.testing.in_process import ISSUER, PASSWORD, Issuer, Reply, pkce, running
from tests.issuing import (
    API_SCOPES,
    JWT_API,
    OPAQUE_API,
    OTHER_JWT_API,
    Held,
    claims_of,
    header_of,
    is_oauth_error,
    issuing,
    post_as,
    unchanged,
)

USERINFO = f"{ISSUER}/userinfo"
DEFAULT = f"{ISSUER}/resource"


async def client_of(apis: Issuer, type_: ClientType = ClientType.SPA, **changes: object) -> tuple[Client, str]:
    return await apis.client(type_, scopes=API_SCOPES, **changes)


async def code_for(apis: Issuer, client: Client, *resources: str, scope: str = " ".join(API_SCOPES)) -> str:
    """A code of an authorization request with any number of resources."""
    _, challenge = pkce()
    asked = [
        ("client_id", client.id), ("redirect_uri", client.redirect_uris[0]), ("response_type", "code"),
        ("scope", scope), ("code_challenge", challenge), ("code_challenge_method", "S256"),
        *(("resource", uri) for uri in resources),
    ]  # fmt: skip
    browser = apis.browser()
    page = await browser.follow(await browser.send("GET", f"/authorize?{urlencode(asked)}"))
    form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
    page = await browser.follow(await browser.post("/sign-in", form))
    if 'name="decision"' in page.text:
        page = await browser.follow(await browser.post("/consent", {**page.hidden(), "decision": "allow"}))
    return page.answered()["code"]


async def ask(apis: Issuer, client: Client, form: dict[str, str], *resources: str) -> Reply:
    body = urlencode([*form.items(), ("client_id", client.id), *(("resource", uri) for uri in resources)])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await apis.browser().send("POST", "/token", body.encode(), headers)


async def redeem(apis: Issuer, client: Client, code: str, *resources: str) -> Reply:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": pkce()[0]}
    return await ask(apis, client, form, *resources)


async def refresh(held: Held, *resources: str, **more: str) -> Reply:
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, **more}
    return await ask(held.issuer, held.client, form, *resources)


async def held_for(apis: Issuer, *resources: str, first: tuple[str, ...] = ()) -> Held:
    client, _ = await client_of(apis)
    code = await code_for(apis, client, *resources)
    reply = await redeem(apis, client, code, *first)
    assert reply.status == 200, reply.text
    return Held(apis, client, "", reply.json())


async def test_r9068_3_a_the_audience_follows_the_resource_and_has_a_documented_default(apis: Issuer) -> None:
    held = await held_for(apis, JWT_API)
    assert claims_of(held.access)["aud"] == [JWT_API, USERINFO]
    assert claims_of(held.access)["scope"] == "offline_access openid orders:read orders:write profile"
    plain = await held_for_default(apis)
    assert claims_of(plain.access)["aud"] == [DEFAULT, USERINFO]
    assert claims_of(plain.access)["scope"] == "offline_access openid profile"


async def held_for_default(apis: Issuer) -> Held:
    client, _ = await apis.client(name="Plain", scopes=API_SCOPES)
    reply = await redeem(apis, client, await code_for(apis, client))
    return Held(apis, client, "", reply.json())


async def test_r6749_3_3_b_the_answer_tells_the_scope_of_this_very_access_token(apis: Issuer) -> None:
    held = await held_for(apis, JWT_API, OTHER_JWT_API)
    for resources in ((JWT_API,), (OTHER_JWT_API,), (JWT_API, OTHER_JWT_API)):
        members = (await refresh(held, *resources)).json()
        assert members["scope"] == claims_of(members["access_token"])["scope"]
        held.tokens = members
    assert "stock:read" in members["scope"]
    assert "vault:open" not in members["scope"]


async def test_r8707_2_1_a_and_r8707_2_2_a_refresh_selects_within_what_was_consented_to_and_stored(
    apis: Issuer,
) -> None:
    held = await held_for(apis, JWT_API, OTHER_JWT_API)
    assert (await held.family()).resources == f"{JWT_API} {OTHER_JWT_API}"
    assert set(claims_of(held.access)["aud"]) == {JWT_API, OTHER_JWT_API, USERINFO}
    held.tokens = (await refresh(held, OTHER_JWT_API, scope="stock:read")).json()
    assert claims_of(held.access)["aud"] == OTHER_JWT_API
    assert held.tokens["expires_in"] == 120
    held.tokens = (await refresh(held)).json()
    assert set(claims_of(held.access)["aud"]) == {JWT_API, OTHER_JWT_API, USERINFO}
    assert (await held.family()).resources == f"{JWT_API} {OTHER_JWT_API}"


async def test_r8707_2_a_a_resource_is_absolute_without_fragment_and_may_repeat(apis: Issuer, tmp_path: Path) -> None:
    held = await held_for(apis, JWT_API, OTHER_JWT_API)
    with unchanged(apis, tmp_path):
        for bad in (
            "orders.example",
            "/v1",
            f"{JWT_API}#x",
            f"{JWT_API}#",
            "https://",
            ":",
            "http://[",
            f"{JWT_API} x",
        ):
            is_oauth_error(await refresh(held, bad), "invalid_target")
        many = [f"https://api{number}.example" for number in range(50)]
        is_oauth_error(await refresh(held, *many), "invalid_target")
    assert (await refresh(held, JWT_API, OTHER_JWT_API, JWT_API)).status == 200


@pytest.mark.parametrize(
    ("spelled", "known"),
    [
        (f"{JWT_API}/", True),
        ("HTTPS://ORDERS.example", True),
        ("https://Stock.Example/v1", True),
        ("https://stock.example/V1", False),
        ("https://stock.example/v1/", False),
        ("https://stock.example/v1?x", False),
        ("https://orders.example:443", False),
        ("https://orders.example//", False),
    ],
)
async def test_r8707_2_c_scheme_and_host_in_any_case_and_the_rest_exact(
    apis: Issuer, spelled: str, known: bool
) -> None:
    held = await held_for(apis, JWT_API, OTHER_JWT_API)
    reply = await refresh(held, spelled)
    if known:
        audience = claims_of(reply.json()["access_token"])["aud"]
        assert set(audience) <= {JWT_API, OTHER_JWT_API, USERINFO}
    else:
        is_oauth_error(reply, "invalid_target")


async def test_r8707_2_2_b_and_r9700_4_10_2_a_unknown_resources_get_no_token(apis: Issuer, tmp_path: Path) -> None:
    client, _ = await client_of(apis)
    code = await code_for(apis, client, JWT_API)
    with unchanged(apis, tmp_path):
        is_oauth_error(await redeem(apis, client, code, "https://evil.example"), "invalid_target")
        is_oauth_error(await redeem(apis, client, code, OTHER_JWT_API), "invalid_target")
    reply = await apis.authorize(apis.browser(), client, resource="https://evil.example")
    assert reply.answered()["error"] == "invalid_target"
    assert (await redeem(apis, client, code)).status == 200


async def test_r9700_4_14_2_b_a_client_is_kept_to_its_own_resources_also_when_it_names_none(apis: Issuer) -> None:
    """What it is given unasked is never more than what it may ask for."""
    client, _ = await client_of(apis, resources=(f"{OTHER_JWT_API}",))
    reply = await apis.authorize(apis.browser(), client, resource=JWT_API)
    assert reply.answered()["error"] == "invalid_target"
    tokens = (await redeem(apis, client, await code_for(apis, client))).json()
    assert claims_of(tokens["access_token"])["aud"] == [OTHER_JWT_API, USERINFO]


async def test_an_audience_is_spelled_as_its_resource_was_registered(tmp_path: Path) -> None:
    """An API compares the audience with its own name; which of two spellings a client used is nothing to it."""
    registered = "https://Api.Example/"
    config = Config(resources=(ResourceConfig(registered, ()),))
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        client, _ = await issuer.client()
        tokens = await issuer.signed_in(client, resource="https://api.example", scope="profile")
        assert claims_of(tokens["access_token"])["aud"] == registered


async def test_the_default_resource_can_be_asked_for_by_name(tmp_path: Path) -> None:
    config = Config().replace(tokens__default_resource="https://api.example/v1")
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        client, _ = await issuer.client()
        for resource in ("https://api.example/v1", ""):
            tokens = await issuer.signed_in(client, resource=resource, scope="profile")
            assert claims_of(tokens["access_token"])["aud"] == "https://api.example/v1"


async def test_opaque_and_signed_tokens_come_from_one_grant_one_kind_at_a_time(apis: Issuer) -> None:
    held = await held_for(apis, JWT_API, OPAQUE_API, first=(OPAQUE_API,))
    assert held.access.startswith("ega_")
    assert held.tokens["scope"] == "offline_access openid profile vault:open"
    held.tokens = (await refresh(held, JWT_API)).json()
    assert header_of(held.access)["typ"] == "at+jwt"
    held.tokens = (await refresh(held, OPAQUE_API)).json()
    assert held.access.startswith("ega_")
    assert "orders" not in held.tokens["scope"]


async def test_mixed_kinds_are_refused_before_anything_is_spent(apis: Issuer, tmp_path: Path) -> None:
    client, _ = await client_of(apis)
    code = await code_for(apis, client, JWT_API, OPAQUE_API)
    with unchanged(apis, tmp_path):
        is_oauth_error(await redeem(apis, client, code), "invalid_target")
        is_oauth_error(await redeem(apis, client, code, JWT_API, OPAQUE_API), "invalid_target")
    held = Held(apis, client, "", (await redeem(apis, client, code, JWT_API)).json())
    with unchanged(apis, tmp_path):
        reply = await refresh(held)
        is_oauth_error(reply, "invalid_target")
        assert "one by one" in reply.json()["error_description"]
        is_oauth_error(await refresh(held, OPAQUE_API, JWT_API), "invalid_target")
    held.tokens = (await refresh(held, JWT_API)).json()
    first = held.refresh
    held.tokens = (await refresh(held, JWT_API)).json()
    repeated = Held(apis, client, "", {"refresh_token": first})
    with unchanged(apis, tmp_path):
        is_oauth_error(await refresh(repeated), "invalid_target")
    assert (await refresh(repeated, OPAQUE_API)).json()["refresh_token"] == held.refresh


async def test_a_resource_that_is_no_longer_offered_is_refused_and_nothing_else_is_given_for_it(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    both = Config(resources=(ResourceConfig(JWT_API, ("orders:read",)), ResourceConfig(OTHER_JWT_API, ("stock:read",))))
    less = Config(resources=(ResourceConfig(OTHER_JWT_API, ("stock:read",)),))
    async with running(tmp_path, store, both) as issuer:
        await issuer.person()
        client, _ = await issuer.client(scopes=("openid", "orders:read"))
        tokens = await issuer.signed_in(client, scope="openid orders:read", resource=JWT_API)
    store._closed = False
    async with running(tmp_path, store, less) as issuer:
        with unchanged(issuer, tmp_path):
            is_oauth_error(await issuer.refresh(client, "", tokens["refresh_token"]), "invalid_target")


async def test_a_lifetime_is_the_shorter_of_the_resources_and_the_clients(apis: Issuer) -> None:
    for own, expected in ((60, {JWT_API: 60, OTHER_JWT_API: 60}), (300, {JWT_API: 300, OTHER_JWT_API: 120})):
        client, _ = await client_of(apis, name=f"Own {own}", access_lifetime=own)
        for resource, seconds in expected.items():
            reply = await redeem(apis, client, await code_for(apis, client, resource), resource)
            assert reply.json()["expires_in"] == seconds


async def test_r9068_5_a_r6749_4_4_3_a_and_r9700_2_6_c_client_credentials_speak_for_nobody_else(apis: Issuer) -> None:
    service, secret = await apis.client(ClientType.SERVICE, "Robot", scopes=("orders:read", "profile", "openid"))
    form = {"grant_type": "client_credentials", "resource": JWT_API}
    reply = await post_as(apis, "/token", service, secret, form)
    assert set(reply.json()) == {"access_token", "token_type", "expires_in", "scope"}
    claims = claims_of(reply.json()["access_token"])
    assert claims["sub"] == claims["client_id"] == service.id
    assert service.id.startswith("cli_")
    assert not {"fam", "sid", "auth_time", "acr"} & set(claims)
    assert claims["scope"] == reply.json()["scope"] == "orders:read"
    assert claims["aud"] == JWT_API
    bearer = {"authorization": f"Bearer {reply.json()['access_token']}"}
    assert (await apis.browser().send("GET", "/userinfo", headers=bearer)).status == 401


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"scope": "openid"}, "invalid_scope"),
        ({"scope": "offline_access orders:read"}, "invalid_scope"),
        ({"scope": "stock:read"}, "invalid_scope"),
        ({"scope": 'orders:read "'}, "invalid_scope"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"resource": "orders"}, "invalid_target"),
    ],
)
async def test_client_credentials_give_no_more_than_the_client_may_have(
    apis: Issuer, tmp_path: Path, more: dict[str, str], error: str
) -> None:
    service, secret = await apis.client(ClientType.SERVICE, "Robot", scopes=("orders:read", "openid"))
    with unchanged(apis, tmp_path):
        reply = await post_as(apis, "/token", service, secret, {"grant_type": "client_credentials", **more})
        is_oauth_error(reply, error)


async def test_client_credentials_of_a_deleted_client_give_nothing(both: Issuer) -> None:
    service, secret = await both.client(ClientType.SERVICE, "Robot", scopes=("orders:read",))
    form = {"grant_type": "client_credentials"}
    assert (await post_as(both, "/token", service, secret, form)).status == 200
    await both.house.clients.delete(service.id)
    is_oauth_error(await post_as(both, "/token", service, secret, form), "invalid_client", 401)


@pytest.mark.parametrize("scope", ["a b", "", " a", "a ", 'a"', "a\\", "\u00e9", "a\tb"])
async def test_r6749_3_3_a_what_is_not_one_scope_is_not_registered(apis: Issuer, scope: str) -> None:
    with pytest.raises(BadRegistration, match="not a scope"):
        await apis.client(scopes=("openid", scope))
