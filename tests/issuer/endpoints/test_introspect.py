"""Introspection (RFC 7662): who may ask, what the answer says, and that inactive says nothing more."""

from pathlib import Path

import pytest

from evergrant.domain.client import Client, ClientType
from evergrant.testing.in_process import ISSUER, Issuer, Reply
from tests.issuing import JWT_API, OPAQUE_API, OTHER_JWT_API, Held, claims_of, hold, is_oauth_error, post_as, unchanged

INACTIVE = b'{"active":false}'


async def about(issuer: Issuer, caller: tuple[Client, str], token: str, **more: str) -> Reply:
    return await post_as(issuer, "/introspect", *caller, {"token": token, **more})


async def api_tokens(apis: Issuer) -> dict[str, Held]:
    """A token for each API, of a client that may ask for all."""
    client, _ = await apis.client(scopes=("openid", "orders:read", "stock:read", "vault:open", "offline_access"))
    held = {}
    for resource in (JWT_API, OTHER_JWT_API, OPAQUE_API):
        held[resource] = Held(apis, client, "", await apis.signed_in(client, resource=resource, scope=SCOPE))
    return held


SCOPE = "openid offline_access orders:read stock:read vault:open"


async def test_r7662_2_1_a_anonymous_and_public_callers_get_401(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer)
    with unchanged(issuer, tmp_path):
        is_oauth_error(await issuer.browser().post("/introspect", {"token": held.access}), "invalid_client", 401)
        is_oauth_error(await about(issuer, (held.client, ""), held.access), "invalid_client", 401)
        bearer = {"authorization": f"Bearer {held.access}"}
        is_oauth_error(
            await issuer.browser().post("/introspect", {"token": held.access}, bearer), "invalid_client", 401
        )


async def test_r7662_2_2_b_the_issued_to_client_sees_everything_the_token_stands_for(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    reply = await about(both, (held.client, held.secret), held.access)
    assert reply.header("cache-control") == "no-store"
    claims = claims_of(held.access)
    assert reply.json() == {"active": True, "token_type": "Bearer", "username": "ada@example.com", **claims}
    told = (await about(both, (held.client, held.secret), held.refresh)).json()
    family = await held.family()
    assert told == {
        "active": True, "iss": ISSUER, "client_id": held.client.id, "sub": family.account_id, "scope": family.scope,
        "iat": family.started_at, "exp": family.head.idle_end, "token_type": "refresh_token",
    }  # fmt: skip


async def test_r7662_2_2_a_inactive_says_nothing_more_whatever_the_reason(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    spent, old = held.refresh, held.access
    await held.turn()
    other = await hold(both, ClientType.WEB, "Other")
    caller = (held.client, held.secret)
    dead = [
        "", "x", "egr_", "ega_", "egc_" + "A" * 43, held.tokens["id_token"], held.access[:-3] + "AAA", spent,
        other.access, other.refresh, held.refresh[:-2] + "AA", "a.b.c", "\u00fc" * 10, "x" * 8_000, held.secret,
    ]  # fmt: skip
    for token in dead[1:]:
        reply = await about(both, caller, token)
        assert (reply.status, reply.body) == (200, INACTIVE), token
    is_oauth_error(await about(both, caller, ""), "invalid_request")
    await post_as(both, "/revoke", *caller, {"token": held.refresh})
    for token in (held.refresh, held.access, old):
        assert (await about(both, caller, token)).body == INACTIVE


async def test_r7662_2_2_c_and_i_03_another_resource_server_sees_inactive_and_the_named_one_sees_the_token(
    apis: Issuer,
) -> None:
    held = await api_tokens(apis)
    servers = {
        resource: await apis.client(ClientType.SERVICE, f"API {number}", resources=(f"{resource}",), scopes=())
        for number, resource in enumerate(held)
    }
    for resource, caller in servers.items():
        for target, one in held.items():
            told = (await about(apis, caller, one.access)).json()
            assert told["active"] is (resource == target)
            if resource == target:
                assert told["client_id"] == one.client.id
                assert resource in told["aud"]
            else:
                assert told == {"active": False}


async def test_r7662_2_2_c_being_allowed_to_ask_for_a_resource_is_not_being_it(apis: Issuer) -> None:
    """A web application's resources say what it may ask tokens for; that entitles it to nobody else's tokens."""
    held = await api_tokens(apis)
    web = await apis.client(ClientType.WEB, "Web", resources=(JWT_API,), scopes=("openid", "orders:read"))
    assert (await about(apis, web, held[JWT_API].access)).body == INACTIVE


async def test_r7662_4_b_refresh_tokens_are_for_their_owner_alone(apis: Issuer) -> None:
    held = await api_tokens(apis)
    server = await apis.client(ClientType.SERVICE, "API", resources=(JWT_API,), scopes=())
    assert (await about(apis, server, held[JWT_API].refresh)).body == INACTIVE


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "nonsense", ""])
async def test_a_hint_changes_nothing(issuer: Issuer, hint: str) -> None:
    held = await hold(issuer, ClientType.WEB)
    for token in (held.access, held.refresh):
        assert (await about(issuer, (held.client, held.secret), token, token_type_hint=hint)).json()["active"] is True


async def test_r7662_4_a_asking_writes_nothing_and_scanning_learns_nothing(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both, ClientType.WEB)
    with unchanged(both, tmp_path):
        bodies = {(await about(both, (held.client, held.secret), f"egr_{n:092d}")).body for n in range(50)}
    assert bodies == {INACTIVE}


async def test_a_client_that_was_deleted_leaves_no_live_token(both: Issuer) -> None:
    held = await hold(both)
    asker = await both.client(ClientType.SERVICE, "API", resources=(f"{ISSUER}/resource",), scopes=())
    assert (await about(both, asker, held.access)).json()["active"] is True
    await both.house.clients.delete(held.client.id)
    assert (await about(both, asker, held.access)).body == INACTIVE


async def test_a_clients_own_token_is_active_until_its_end_and_needs_no_person(both: Issuer) -> None:
    service, secret = await both.client(ClientType.SERVICE, "Robot", scopes=("orders:read",))
    reply = await post_as(both, "/token", service, secret, {"grant_type": "client_credentials"})
    token = reply.json()["access_token"]
    told = (await about(both, (service, secret), token)).json()
    assert (told["active"], told["sub"]) == (True, service.id)
    assert "username" not in told
    assert (await post_as(both, "/revoke", service, secret, {"token": token})).status == 200
    assert (await about(both, (service, secret), token)).body == INACTIVE
