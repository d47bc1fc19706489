"""Connections are found by name, tag, account and health, inside one tenant and never beyond."""

import pytest

from evergrant.keeper.errors import BadRequest, UnknownConnection
from tests.keeper.connect.scene import Health, Scene, stage


async def two_tenants(here: Scene) -> None:
    for tenant in ("red", "blue"):
        for account in ("anna", "hannah"):
            await here.connect(account, tenant=tenant, tags={"team": tenant, "who": account})


async def test_connections_are_found_by_every_name_they_have():
    async with stage() as here:
        await two_tenants(here)
        find = here.services.finding.find
        assert {one.account for one in await find(tenant="red")} == {"anna", "hannah"}
        for narrow in (
            {"account": "anna"}, {"tags": {"who": "anna"}}, {"tags": {"who": "anna", "team": "red"}}, {"user": "anna"},
            {"client": "plain", "provider": "plain", "health": "active", "account": "anna"},
        ):  # fmt: skip
            assert [one.account for one in await find(tenant="red", **narrow)] == ["anna"]
        for nothing in ({"tags": {"who": "x"}}, {"health": "revoked"}, {"client": "other"}, {"account": "ann"}):
            assert await find(tenant="red", **nothing) == []


async def test_k_24_two_tenants_with_the_same_account_never_see_each_other():
    async with stage() as here:
        await two_tenants(here)
        find, named, by_id = (getattr(here.services.finding, name) for name in ("find", "named", "by_id"))
        red, blue = await named("plain", "anna", "red"), await named("plain", "anna", "blue")
        assert red.connection.id != blue.connection.id
        assert {one.tenant for one in await find(tenant="red")} == {"red"}
        assert await find(tenant="red", tags={"team": "blue"}) == []
        assert await find() == []
        with pytest.raises(UnknownConnection) as trouble:
            await by_id(blue.connection.id, "red")
        assert trouble.value.near == ()
        for tenant in ("", "green", "re", "red "):
            with pytest.raises(UnknownConnection):
                await named("plain", "anna", tenant)


async def test_k_24_near_names_come_from_the_same_tenant_and_client_alone():
    async with stage() as here:
        await here.connect("anna@example.com", tenant="red")
        await here.connect("anne@example.com", tenant="blue")
        with pytest.raises(UnknownConnection, match="near: anna@example") as trouble:
            await here.services.finding.named("plain", "annna@example.com", "red")
        assert trouble.value.near == ("anna@example.com",)
        with pytest.raises(UnknownConnection) as trouble:
            await here.services.finding.named("plain", "anna@example.com", "green")
        assert trouble.value.near == ()


async def test_k_24_the_same_account_of_two_tenants_is_connected_and_ended_independently():
    async with stage() as here:
        await two_tenants(here)
        await here.services.disconnect.disconnect("plain", "anna", tenant="red")
        assert (await here.services.finding.named("plain", "anna", "red")).connection.health is Health.REVOKED
        assert (await here.services.finding.named("plain", "anna", "blue")).connection.health is Health.ACTIVE


async def test_a_page_goes_on_where_the_last_one_ended():
    async with stage() as here:
        for number in range(5):
            await here.connect(f"account-{number}")
        seen, after = [], ""
        while page := await here.services.finding.find(after=after, limit=2):
            seen += [one.account for one in page]
            after = page[-1].id
        assert sorted(seen) == [f"account-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "names",
    [
        {"tenant": "~"}, {"account": "x" * 256}, {"account": "a\x00b"}, {"user": "\u202eada"}, {"tags": {"a": "\n"}},
        {"tags": {"x" * 256: "a"}}, {"tags": {str(number): "" for number in range(51)}}, {"tenant": "a\tb"},
    ],
)  # fmt: skip
async def test_what_is_no_name_is_refused_wherever_it_is_said(names):
    async with stage() as here:
        with pytest.raises(BadRequest):
            await here.services.finding.find(**names)
        with pytest.raises(BadRequest):
            await here.services.connect.begin("plain", **{"account": "ada", **names})
