"""Deleting a client that holds a crowd: in parts, nobody else is touched, and what is interrupted is done again."""

from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.reason import Reason
from evergrant.entropy import SeededEntropy
from evergrant.issuer.service import clients
from evergrant.issuer.service.clients import Clients, NoSuchClient
from evergrant.keys.local import LocalKek
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery, StoreUnavailable, Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing import specimens

PART = 10
MINE = replace(specimens.client("mine"), name="Mine")
OTHER = replace(specimens.client("other"), name="Other")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "PART", PART)
    store = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "evergrant.db")
    yield store
    await store.close()


@pytest.fixture
def service(store):
    return Clients(store, LocalKek(bytes(32)), FixedClock(1_700_000_000), SeededEntropy(2))


async def furnish(store, crowd):
    def work(tx):
        for client in (MINE, OTHER):
            tx.clients.put(client)
            for n in range(crowd):
                name = f"{client.name} {n}"
                tx.families.add(specimens.family(name, client_id=client.id))
                tx.grants.put(specimens.grant(name, client_id=client.id))
                tx.codes.put(specimens.code(name, client_id=client.id))

    await store.write(work)


async def left(store, client):
    """What a client still holds: live families, grants, codes."""
    return await store.read(
        lambda tx: (
            len(tx.families.ids(Which(client_id=client.id))),
            len(tx.grants.find(client_id=client.id)),
            len(tx.codes.find(client_id=client.id)),
        )
    )


@pytest.mark.parametrize("crowd", [0, 1, PART, PART + 1, 3 * PART, 3 * PART + 4])
async def test_all_that_a_deleted_client_held_is_over_and_counted_and_nobody_elses(store, service, crowd):
    await furnish(store, crowd)
    client, count = await service.delete("Mine")
    assert (client, count) == (MINE, crowd)
    assert await left(store, MINE) == (0, 0, 0)
    assert await left(store, OTHER) == (crowd, crowd, crowd)
    ended = await store.read(lambda tx: tx.families.find(Which(client_id=MINE.id, live=False)))
    assert {family.ended.reason for family in ended} <= {Reason.CLIENT_DELETED}
    told = await store.read(lambda tx: tx.events.find(EventQuery(client_id=MINE.id)))
    assert sum(int(event.detail) for _, event in told if event.reason == Reason.CLIENT_DELETED) == crowd
    with pytest.raises(NoSuchClient):
        await service.find("Mine")


async def test_every_part_tells_that_all_tokens_until_then_are_dead(store, service):
    await furnish(store, 3 * PART)
    await service.delete("Mine")
    ends = [end for _, end in await store.read(lambda tx: tx.endings.find())]
    assert [(end.client_id, end.every) for end in ends] == [(MINE.id, True)] * 3


async def test_what_is_interrupted_leaves_a_client_that_can_be_deleted_again(store, service, monkeypatch):
    await furnish(store, 3 * PART)
    write, calls = store.write, []

    async def once(work):
        calls.append(work)
        if len(calls) > 1:
            raise StoreUnavailable("the database is gone")
        return await write(work)

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", once, raising=False)
        with pytest.raises(StoreUnavailable):
            await service.delete("Mine")
    assert (await left(store, MINE))[0] == 2 * PART
    assert await service.find("Mine") == MINE
    assert await service.delete("Mine") == (MINE, 2 * PART)
    assert await left(store, MINE) == (0, 0, 0)
