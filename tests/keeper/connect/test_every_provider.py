"""Every shipped provider, by its data alone: connected, connected again, disconnected."""

import pytest

from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import RevokeVerb
from evergrant.keeper.service.disconnect import Siblings
from tests.keeper.connect.scene import Health, Scene, stage

pytestmark = pytest.mark.long

SHIPPED = Catalog.shipped()


def staged(name: str):
    return stage(provider=SHIPPED.get(name), late=True)


async def connected(here: Scene, name: str):
    connection = (await here.connect(client=name, scopes=["one", "two"])).connection
    records = (await here.found(connection)).records
    assert set(records) == {record.name for record in SHIPPED.get(name).records}
    return connection


@pytest.mark.parametrize("name", SHIPPED.ids())
async def test_every_shipped_provider_is_connected_and_connected_again_as_the_same_connection(name):
    async with staged(name) as here:
        first = await connected(here, name)
        assert first.health is Health.ACTIVE
        tokens = [await here.tokens(first, record) for record in (await here.found(first)).records]
        assert all(access for access, _ in tokens)
        assert all(refresh for _, refresh in tokens) == SHIPPED.get(name).refresh_tokens
        again = await connected(here, name)
        assert again.id == first.id
        assert again.health is Health.ACTIVE


@pytest.mark.parametrize("name", SHIPPED.ids())
async def test_every_shipped_provider_is_told_when_an_account_is_disconnected_if_it_has_a_way(name):
    async with staged(name) as here:
        connection = await connected(here, name)
        after = await here.services.disconnect.disconnect(name, "ada", siblings=Siblings.END)
        assert after.health is Health.REVOKED, after.detail
        told = SHIPPED.get(name).revoke.verb is not RevokeVerb.NONE
        assert list(here.chaos.ledger.ended.values()) == (["revoked"] if told else [])
        for record in (await here.found(connection)).records:
            assert await here.tokens(connection, record) == ("", "")
