"""Token exchange (RFC 8693): narrowing only, by whom the operator allowed, and no longer than what it began with."""

from pathlib import Path
from typing import Any

import pytest

from evergrant.domain.client import CLIENT_CREDENTIALS, TOKEN_EXCHANGE, Client, ClientType
from evergrant.domain.event import What
from evergrant.domain.exchange import MOST_ANCESTORS
from evergrant.issuer.service.clients import BadRegistration
from evergrant.protocol.ending import Ending
from evergrant.protocol.exchange import ACCESS_TOKEN, JWT
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import (
    JWT_API,
    OPAQUE_API,
    OTHER_JWT_API,
    Held,
    claims_of,
    events,
    hold,
    is_oauth_error,
    post_as,
    unchanged,
)

SCOPE = "openid profile offline_access orders:read orders:write"
Service = tuple[Client, str]


async def signed_in(apis: Issuer, **changes: Any) -> Held:
    """A person's token for the orders API."""
    client, _ = await apis.client(scopes=tuple(SCOPE.split()), **changes)
    return Held(apis, client, "", await apis.signed_in(client, resource=JWT_API, scope=SCOPE))


async def service(apis: Issuer, name: str = "Orders", **changes: Any) -> Service:
    """The orders API as a client that may exchange what it is sent, and go on to the stock API with it."""
    said: dict[str, Any] = {
        "resources": (JWT_API,), "scopes": ("orders:read", "stock:read", "profile"),
        "grant_types": (CLIENT_CREDENTIALS, TOKEN_EXCHANGE), "exchange_resources": (OTHER_JWT_API,), **changes,
    }  # fmt: skip
    return await apis.client(ClientType.SERVICE, name, **said)


async def exchanged(apis: Issuer, caller: Service, token: str, **more: str) -> Reply:
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **more}
    return await apis.token(*caller, {name: value for name, value in form.items() if value})


async def test_r8693_2_2_1_a_an_api_gets_a_narrower_token_for_the_same_person(apis: Issuer, tmp_path: Path) -> None:
    held, caller = await signed_in(apis), await service(apis)
    before = claims_of(held.access)
    reply = await exchanged(apis, caller, held.access, scope="orders:read")
    assert reply.status == 200, reply.text
    answer = reply.json()
    assert reply.header("cache-control") == "no-store"
    assert set(answer) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (answer["issued_token_type"], answer["token_type"], answer["scope"]) == (
        ACCESS_TOKEN,
        "Bearer",
        "orders:read",
    )
    claims = claims_of(answer["access_token"])
    assert claims["aud"] == JWT_API
    assert claims["client_id"] == caller[0].id
    assert claims["act"] == {"sub": caller[0].id}
    assert {name: claims[name] for name in ("sub", "fam", "sid", "auth_time", "acr")} == {
        name: before[name] for name in ("sub", "fam", "sid", "auth_time", "acr")
    }
    (told,) = await events(apis, What.TOKEN_EXCHANGED)
    assert (told.client_id, told.account_id, told.family_id) == (caller[0].id, before["sub"], before["fam"])
    assert held.client.id in told.detail


async def test_r8693_2_1_a_the_operator_alone_widens_the_audience_and_nobody_the_scope(apis: Issuer) -> None:
    held, caller = await signed_in(apis), await service(apis)
    reply = await exchanged(apis, caller, held.access, resource=OTHER_JWT_API)
    assert reply.status == 200, reply.text
    assert claims_of(reply.json()["access_token"])["aud"] == OTHER_JWT_API
    by_name = await exchanged(apis, caller, held.access, audience=OTHER_JWT_API)
    assert claims_of(by_name.json()["access_token"])["aud"] == OTHER_JWT_API
    is_oauth_error(await exchanged(apis, caller, held.access, resource=OPAQUE_API), "invalid_target")
    is_oauth_error(await exchanged(apis, caller, held.access, resource="https://nowhere.example"), "invalid_target")
    is_oauth_error(await exchanged(apis, caller, held.access, resource="not a uri"), "invalid_target")
    homebody = await service(apis, "Homebody", exchange_resources=())
    is_oauth_error(await exchanged(apis, homebody, held.access, resource=OTHER_JWT_API), "invalid_target")
    # stock:read is open to the service, but the person did not grant it
    for scope in ("stock:read", "orders:read stock:read", "orders:write", "ORDERS:READ", "openid", "offline_access"):
        is_oauth_error(await exchanged(apis, caller, held.access, scope=scope), "invalid_scope")
    is_oauth_error(await exchanged(apis, caller, held.access, scope='a"b'), "invalid_scope")
    stranger = await service(apis, "No scopes", scopes=())
    is_oauth_error(await exchanged(apis, stranger, held.access), "invalid_scope")


async def test_what_the_person_granted_further_on_comes_along_and_not_before(apis: Issuer) -> None:
    client, _ = await apis.client(scopes=("openid", "offline_access", "orders:read", "stock:read"))
    tokens = await apis.signed_in(client, resource=JWT_API, scope="openid offline_access orders:read stock:read")
    held, caller = Held(apis, client, "", tokens), await service(apis)
    assert claims_of(held.access)["scope"] == "offline_access openid orders:read"
    further = await exchanged(apis, caller, held.access, resource=OTHER_JWT_API)
    assert further.json()["scope"] == "stock:read"
    is_oauth_error(await exchanged(apis, caller, held.access, scope="stock:read"), "invalid_scope")


async def test_i_06_an_exchange_never_outlives_what_it_began_with(apis: Issuer) -> None:
    held, caller = await signed_in(apis, access_lifetime=300), await service(apis)
    apis.clock.advance(200)
    answer = (await exchanged(apis, caller, held.access)).json()
    assert answer["expires_in"] == 100
    assert claims_of(answer["access_token"])["exp"] == claims_of(held.access)["exp"]
    apis.clock.advance(100)
    is_oauth_error(await exchanged(apis, caller, held.access), "invalid_request")


async def test_i_06_a_mass_end_of_the_first_client_reaches_what_was_exchanged(apis: Issuer) -> None:
    held, caller = await signed_in(apis), await service(apis)
    claims = claims_of((await exchanged(apis, caller, held.access, scope="orders:read")).json()["access_token"])
    ending = Ending(apis.clock.now(), apis.clock.now() + 900)
    for taken in (ending._replace(client_id=held.client.id), ending._replace(client_id=caller[0].id)):
        assert taken.takes(claims)
        assert taken._replace(account_id=claims["sub"]).takes(claims)
    assert not ending._replace(client_id="cli_other").takes(claims)
    own = claims_of((await exchanged(apis, caller, held.access)).json()["access_token"])
    assert own["fam_client"] == held.client.id


@pytest.mark.parametrize("end", ["family", "token", "account", "client"])
async def test_r8693_2_1_b_and_i_06_what_has_ended_is_not_resurrected(apis: Issuer, end: str) -> None:
    held, caller = await signed_in(apis), await service(apis)
    derived = (await exchanged(apis, caller, held.access)).json()["access_token"]
    match end:
        case "family":
            await post_as(apis, "/revoke", held.client, "", {"token": held.refresh})
        case "token":
            await post_as(apis, "/revoke", held.client, "", {"token": held.access})
        case "account":
            await apis.house.accounts.disable("ada@example.com")
        case "client":
            await apis.house.clients.delete(held.client.id)
    is_oauth_error(await exchanged(apis, caller, held.access), "invalid_request")
    is_oauth_error(await exchanged(apis, caller, derived), "invalid_request")
    asked = await post_as(apis, "/introspect", *caller, {"token": derived})
    assert asked.json() == {"active": False}


async def test_i_06_what_was_exchanged_ends_with_each_token_it_comes_from_and_with_no_other(apis: Issuer) -> None:
    held, orders = await signed_in(apis), await service(apis)
    stock = await service(apis, "Stock", resources=(OTHER_JWT_API,), scopes=("profile",), exchange_resources=(JWT_API,))
    first = (await exchanged(apis, orders, held.access, resource=OTHER_JWT_API)).json()["access_token"]
    second = (await exchanged(apis, stock, first, resource=JWT_API)).json()["access_token"]
    assert claims_of(second)["jti_from"] == [claims_of(first)["jti"], claims_of(held.access)["jti"]]

    async def active(token: str, api: Service) -> bool:
        return bool((await post_as(apis, "/introspect", *api, {"token": token})).json()["active"])

    assert [await active(held.access, orders), await active(first, stock), await active(second, orders)] == [True] * 3
    await post_as(apis, "/revoke", *orders, {"token": first})
    assert [await active(held.access, orders), await active(first, stock), await active(second, orders)] == [
        True,
        False,
        False,
    ]
    again = (await exchanged(apis, orders, held.access, resource=OTHER_JWT_API)).json()["access_token"]
    assert await active(again, stock)


async def test_i_06_exchanges_in_a_row_are_bounded(apis: Issuer) -> None:
    held = await hold(
        apis, ClientType.WEB, grant_types=("authorization_code", "refresh_token", TOKEN_EXCHANGE),
        scopes=tuple(SCOPE.split()),
    )  # fmt: skip
    token = (await apis.signed_in(held.client, held.secret, resource=JWT_API, scope=SCOPE))["access_token"]
    for _ in range(MOST_ANCESTORS):
        token = (await exchanged(apis, (held.client, held.secret), token)).json()["access_token"]
    is_oauth_error(await exchanged(apis, (held.client, held.secret), token), "invalid_request")


@pytest.mark.parametrize("end", ["family", "token", "account", "client", "caller"])
async def test_r8693_2_1_b_and_i_06_what_ends_during_an_exchange_ends_the_exchange(apis: Issuer, end: str) -> None:
    """An end that answered success after the token was looked at and before the last write (invariant 5)."""
    held, caller, store = await signed_in(apis), await service(apis), apis.house.store
    write, ends = store.write, {
        "family": lambda: post_as(apis, "/revoke", held.client, "", {"token": held.refresh}),
        "token": lambda: post_as(apis, "/revoke", held.client, "", {"token": held.access}),
        "account": lambda: apis.house.accounts.disable("ada@example.com"),
        "client": lambda: apis.house.clients.delete(held.client.id),
        "caller": lambda: apis.house.clients.delete(caller[0].id),
    }  # fmt: skip

    async def ended_before(work: Any) -> Any:
        store.write = write  # type: ignore[method-assign]
        await ends[end]()
        return await write(work)

    store.write = ended_before  # type: ignore[method-assign]
    is_oauth_error(await exchanged(apis, caller, held.access), "invalid_request")
    assert await events(apis, What.TOKEN_EXCHANGED) == []


async def test_r8693_2_1_a_nobody_exchanges_what_was_not_theirs_to_see(apis: Issuer, tmp_path: Path) -> None:
    held = await signed_in(apis)
    other = await service(apis, "Stock", resources=(OTHER_JWT_API,))
    never = await service(apis, "Plain", grant_types=(CLIENT_CREDENTIALS,), exchange_resources=())
    with unchanged(apis, tmp_path):
        is_oauth_error(await exchanged(apis, other, held.access), "invalid_request")
        is_oauth_error(await exchanged(apis, never, held.access), "unauthorized_client")
        is_oauth_error(await exchanged(apis, (held.client, ""), held.access), "unauthorized_client")
    (told,) = await events(apis, What.EXCHANGE_REFUSED)
    assert told.client_id == other[0].id


async def test_a_client_narrows_its_own_token_and_stays_who_it_is(apis: Issuer) -> None:
    held = await hold(
        apis, ClientType.WEB, grant_types=("authorization_code", "refresh_token", TOKEN_EXCHANGE),
        scopes=tuple(SCOPE.split()),
    )  # fmt: skip
    held.tokens = await apis.signed_in(held.client, held.secret, resource=JWT_API, scope=SCOPE)
    answer = await exchanged(apis, (held.client, held.secret), held.access, scope="orders:read")
    claims = claims_of(answer.json()["access_token"])
    assert (claims["scope"], claims["client_id"]) == ("orders:read", held.client.id)
    assert "act" not in claims


async def test_r8693_4_1_a_the_chain_of_actors_is_kept_the_outermost_first_and_i_06_it_cannot_loop(
    apis: Issuer,
) -> None:
    held, orders = await signed_in(apis), await service(apis)
    stock = await service(apis, "Stock", resources=(OTHER_JWT_API,), scopes=("profile",), exchange_resources=(JWT_API,))
    first = (await exchanged(apis, orders, held.access, resource=OTHER_JWT_API)).json()["access_token"]
    second = (await exchanged(apis, stock, first, resource=JWT_API)).json()["access_token"]
    assert claims_of(second)["act"] == {"sub": stock[0].id, "act": {"sub": orders[0].id}}
    is_oauth_error(await exchanged(apis, orders, second), "invalid_request")
    assert [event.detail.partition(";")[0] for event in await events(apis, What.EXCHANGE_REFUSED)] == [
        "this client has acted for this person earlier in the chain"
    ]


async def test_r8693_2_2_1_b_no_refresh_token_and_no_identity_comes_of_an_exchange(apis: Issuer) -> None:
    held, caller = await signed_in(apis), await service(apis)
    refresh = "urn:ietf:params:oauth:token-type:refresh_token"
    is_oauth_error(await exchanged(apis, caller, held.access, requested_token_type=refresh), "invalid_request")
    answer = (await exchanged(apis, caller, held.access, requested_token_type=ACCESS_TOKEN)).json()
    assert "refresh_token" not in answer
    assert "id_token" not in answer
    reply = await apis.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {answer['access_token']}"})
    assert reply.status in {401, 403}


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "garbage", "client"])
async def test_r8693_2_1_b_only_access_tokens_are_exchanged_whatever_they_are_called(apis: Issuer, kind: str) -> None:
    held, caller = await signed_in(apis), await service(apis)
    token = {"garbage": "ega_x", "client": caller[1]}.get(kind) or held.tokens[kind]
    for said in (ACCESS_TOKEN, JWT):
        is_oauth_error(await exchanged(apis, caller, token, subject_token_type=said), "invalid_request")
    wrong = f"urn:ietf:params:oauth:token-type:{kind}"
    is_oauth_error(await exchanged(apis, caller, held.access, subject_token_type=wrong), "invalid_request")


async def test_what_cannot_be_honoured_is_refused_and_not_left_out(apis: Issuer) -> None:
    held, caller = await signed_in(apis), await service(apis)
    for form in (
        {"subject_token": ""}, {"subject_token_type": ""}, {"actor_token": held.access},
        {"actor_token_type": ACCESS_TOKEN}, {"requested_token_type": "urn:example:other"},
    ):  # fmt: skip
        is_oauth_error(await exchanged(apis, caller, held.access, **form), "invalid_request")
    in_address = await apis.browser().post(f"/token?subject_token={held.access}", {"grant_type": TOKEN_EXCHANGE})
    is_oauth_error(in_address, "invalid_request")


async def test_an_opaque_token_is_exchanged_like_a_jwt(apis: Issuer) -> None:
    client, _ = await apis.client(scopes=("openid", "offline_access", "vault:open"))
    tokens = await apis.signed_in(client, resource=OPAQUE_API, scope="openid offline_access vault:open")
    caller = await service(apis, "Vault", resources=(OPAQUE_API,), scopes=("vault:open",))
    answer = await exchanged(apis, caller, tokens["access_token"])
    assert answer.json()["access_token"].startswith("ega_")
    asked = await post_as(apis, "/introspect", *caller, {"token": answer.json()["access_token"]})
    assert asked.json()["act"] == {"sub": caller[0].id}


async def test_a_public_client_is_never_registered_for_exchanges(apis: Issuer) -> None:
    with pytest.raises(BadRegistration, match="token exchange needs a client that authenticates"):
        await apis.client(grant_types=("authorization_code", TOKEN_EXCHANGE))
    with pytest.raises(BadRegistration, match="means nothing without the grant"):
        await service(apis, grant_types=(CLIENT_CREDENTIALS,))


async def test_metadata_names_the_grant(apis: Issuer) -> None:
    document = (await apis.browser().get("/.well-known/openid-configuration")).json()
    assert TOKEN_EXCHANGE in document["grant_types_supported"]
