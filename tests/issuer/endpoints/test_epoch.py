"""After a declared loss, over HTTP: clients that prove themselves go on, public ones sign in again, as no thieves."""

import pytest

from evergrant.assembly import open_kek
from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.entropy import SystemEntropy
from evergrant.store.moving.backup import declare
from evergrant.store.port import Which
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.testing.in_process import running
from tests.visitor import ADA, told


@pytest.fixture
async def issuer(tmp_path):
    open_kek(Config().replace(store__data=tmp_path), SystemEntropy())
    async with running(tmp_path, SqliteStore.open(tmp_path / FILE_NAME)) as opened:
        await opened.person(ADA)
        yield opened


async def declared_elsewhere(issuer, tmp_path, **options):
    """By another process, as an operator does."""
    store = SqliteStore.open(tmp_path / FILE_NAME)
    epoch = await declare(store, issuer.clock.now(), **options)
    await store.close()
    issuer.clock.advance(1)
    return epoch


async def test_o_13_a_declared_restore_is_heard_of_within_a_second_and_public_clients_sign_in_again(issuer, tmp_path):
    public, secret = await issuer.client(ClientType.SPA, "Public")
    web, proof = await issuer.client(ClientType.WEB, "Web")
    first, second = await issuer.signed_in(public, secret), await issuer.signed_in(web, proof)
    await declared_elsewhere(issuer, tmp_path, heads_trusted=False)
    refused = await issuer.refresh(public, secret, first["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    goes_on = await issuer.refresh(web, proof, second["refresh_token"])
    assert goes_on.status == 200
    again = await issuer.signed_in(public, secret)
    assert (await issuer.refresh(public, secret, again["refresh_token"])).status == 200, "families of after are as ever"
    families = await issuer.house.store.read(lambda tx: tx.families.find(Which(live=False)))
    ended = [family.ended.reason for family in families if family.ended]
    assert ended == [Reason.RESTORED]
    assert {family.head.epoch for family in families if not family.ended} == {1}
    assert await issuer.house.store.read(lambda tx: tx.notices.find()) == []
    assert What.FAMILY_REUSED not in {event.what for event in await told(issuer)}


async def test_o_03_after_a_declared_failover_public_clients_go_on_too(issuer, tmp_path):
    public, secret = await issuer.client(ClientType.SPA, "Public")
    first = await issuer.signed_in(public, secret)
    await declared_elsewhere(issuer, tmp_path, heads_trusted=True)
    assert (await issuer.refresh(public, secret, first["refresh_token"])).status == 200
