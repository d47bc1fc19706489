"""A store moves whole, while it is written to, and at no moment are there two that can be served from."""

import asyncio

import pytest

from evergrant.domain.event import Event, What
from evergrant.entropy import SeededEntropy
from evergrant.store.moving import copying
from evergrant.store.moving.backup import NotEmpty
from evergrant.store.moving.copying import NotTheSame, copy
from evergrant.store.port import OutcomeUnknown, StoreUnavailable, StoreUnusable, Which
from evergrant.store.postgres import PostgresStore
from evergrant.store.sqlite import SqliteStore
from evergrant.testing import specimens
from evergrant.testing.presenting import Presenter, ring
from tests.postgres.proxy import proxied
from tests.store.moving.conftest import NOW, content, quiet, renamed


async def move(source, target, progress=quiet, **options):
    return await copy(source, target, "elsewhere", asyncio.get_running_loop().time, progress, **options)


async def test_everything_arrives_row_by_row_and_the_source_says_where_it_went(full, token, opened, tmp_path):
    before = await full.read(content)
    target = opened(tmp_path / "target.db")
    copied = await move(full, target)
    assert await target.read(content) == before
    assert (copied.again, copied.sums["family"].rows) == (0, 2_501)
    with pytest.raises(StoreUnavailable, match="its tables"):
        await Presenter(full, SeededEntropy("x"), ring()).present(token)
    with pytest.raises(StoreUnavailable):
        await full.write(lambda tx: tx.clients.put(specimens.client("late")))
    with pytest.raises(StoreUnusable, match="moved to elsewhere"):
        opened(tmp_path / "full.db")
    assert (await Presenter(target, SeededEntropy("x"), ring()).present(token)).given


async def test_texts_that_not_every_store_can_hold_keep_nothing_from_moving(opened, tmp_path):
    source, target = opened(tmp_path / "full.db"), opened(tmp_path / "target.db")
    odd = "a\0b"

    def work(tx):
        tx.families.add(specimens.family("odd", label=odd, head=specimens.head(agent=odd)))
        tx.events.add([Event(NOW, What.FAMILY_STARTED, detail=odd)])
        tx.buckets.put(specimens.bucket(odd))
        tx.accounts.put(specimens.account("odd", username=odd))

    await source.write(work)
    loop, late = asyncio.get_running_loop(), []

    def watching(table, rows):
        if table == "bucket" and not late:  # its page is copied already, and will be again
            more = source.write(lambda tx: tx.buckets.put(specimens.bucket("new")))
            late.append(asyncio.run_coroutine_threadsafe(more, loop))
        elif table == "event":
            late[0].result(20)

    assert (await move(source, target, watching)).sums["bucket"].rows == 2
    assert (await target.read(lambda tx: tx.accounts.find()))[0].username == odd


async def test_what_was_written_while_the_snapshot_was_copied_arrives_too(full, token, opened, tmp_path):
    """Changed, added, deleted, unique names that changed hands, and a rotation: after the snapshot, before the stop."""
    target = opened(tmp_path / "target.db")
    tokens = [token]

    async def meanwhile():
        presenter = Presenter(full, SeededEntropy("meanwhile"), ring())
        for _ in range(5):
            tokens.append((await presenter.present(tokens[-1])).token)

        def work(tx):
            for n in range(40):
                tx.families.add(specimens.family(("late", n)))
            tx.families.sweep(b"", NOW + 10**9, 700, 0)
            first, second, _ = tx.accounts.find()
            tx.accounts.delete(second.id)
            renamed(tx, 0)
            tx.accounts.put(specimens.account("new", username=first.username))
            tx.codes.delete(tx.codes.find()[1].digest)
            tx.turn()

        await full.write(work)

    loop, done = asyncio.get_running_loop(), []

    def watching(table, rows):
        if table == "family" and not done:
            done.append(asyncio.run_coroutine_threadsafe(meanwhile(), loop))
        elif table == "event" and done:
            done[0].result(20)

    copied = await move(full, target, watching)
    await full.write(lambda tx: tx.bulk.come_back())
    assert await target.read(content) == await full.read(content)
    assert copied.again > 0
    assert len(tokens) == 6
    assert (await Presenter(target, SeededEntropy("y"), ring()).present(tokens[-1])).given
    names = {account.username for account in await target.read(lambda tx: tx.accounts.find())}
    assert sum(name.endswith(".renamed") for name in names) == 1


async def test_a_target_that_is_not_empty_keeps_what_it_has_and_the_source_goes_on(full, token, opened, tmp_path):
    target = opened(tmp_path / "target.db")
    await target.write(lambda tx: tx.clients.put(specimens.client("mine")))
    before = await target.read(content)
    with pytest.raises(NotEmpty):
        await move(full, target)
    assert await target.read(content) == before
    assert (await Presenter(full, SeededEntropy("x"), ring()).present(token)).given
    assert await move(full, target, replace=True)
    assert await target.read(lambda tx: tx.clients.get(specimens.client("mine").id)) is None


@pytest.mark.parametrize("where", ["meta", "family", "event"])
async def test_a_copy_that_fails_anywhere_leaves_an_empty_target_and_a_source_that_goes_on(
    full, token, opened, tmp_path, where
):
    target = opened(tmp_path / "target.db")
    before = await target.read(content)

    def fails(table, rows):
        if table == where:
            raise OSError(28, "No space left on device", "x")

    with pytest.raises(OSError, match="No space"):
        await move(full, target, fails)
    assert await target.read(content) == before
    assert (await Presenter(full, SeededEntropy("x"), ring()).present(token)).given
    await move(full, target)


async def test_a_target_that_lost_a_row_is_noticed_and_nothing_has_moved(full, token, opened, tmp_path, monkeypatch):
    target = opened(tmp_path / "target.db")
    monkeypatch.setattr(copying, "_loading", lambda table, rows: lambda there: there.bulk.load(table, rows[1:]))
    with pytest.raises(NotTheSame, match="family: 2501 rows against 2498"):
        await move(full, target)
    assert await target.read(lambda tx: tx.families.find(Which())) == []
    assert (await Presenter(full, SeededEntropy("x"), ring()).present(token)).given


async def test_a_target_that_cannot_commit_opens_the_source_again(full, token, opened, tmp_path, monkeypatch):
    target = opened(tmp_path / "target.db")

    async def fails(self):
        raise StoreUnavailable("the target is gone")

    monkeypatch.setattr(copying._Target, "commit", fails)
    with pytest.raises(StoreUnavailable, match="gone"):
        await move(full, target)
    assert (await Presenter(full, SeededEntropy("x"), ring()).present(token)).given
    assert await target.read(lambda tx: tx.families.find(Which())) == []


@pytest.mark.long
@pytest.mark.needs("postgres")
async def test_when_nobody_knows_whether_the_target_committed_the_source_stays_left(postgres, tmp_path):
    """The reply to the commit is lost: the target has everything, so the source must not be served from."""
    source, url = SqliteStore.open(tmp_path / "full.db"), postgres.database()
    await source.write(lambda tx: tx.families.add(specimens.family()))
    with proxied(lambda: postgres.port) as wire:
        target = PostgresStore.open(url.replace(f":{postgres.port}/", f":{wire.port}/"))
        wire.lose_replies()
        with pytest.raises(OutcomeUnknown):
            await move(source, target)
        assert wire.lost_replies == 1
        await target.close()
    with pytest.raises(StoreUnavailable, match="its tables"):
        await source.write(lambda tx: tx.turn() or tx.families.find(Which()))
    await source.close()
    arrived = PostgresStore.open(url)
    assert await arrived.read(lambda tx: len(tx.families.find(Which()))) == 1
    await arrived.close()
    postgres.drop(url)


async def test_there_and_back_again_is_the_same(full, opened, tmp_path):
    before = await full.read(content)
    there, back = opened(tmp_path / "there.db"), opened(tmp_path / "back.db")
    await move(full, there)
    await move(there, back)
    assert await back.read(content) == before
