"""A backup is one snapshot in one file that is whole or not there; a restore is all of it or nothing, and an epoch."""

import asyncio
import os
import stat

import pytest

from evergrant.domain.epoch import Epoch
from evergrant.domain.event import What
from evergrant.domain.reason import Refusal
from evergrant.domain.rotation import Verdict
from evergrant.entropy import SeededEntropy
from evergrant.store.layout import ISSUER, META
from evergrant.store.moving import file
from evergrant.store.moving.backup import FORGOTTEN, Made, NotEmpty, back_up, declare, restore
from evergrant.store.moving.file import BadBackup, checked
from evergrant.store.port import EventQuery
from evergrant.testing import specimens
from evergrant.testing.presenting import ASK, Presenter, ring
from tests.store.moving.conftest import FAMILIES, NOW, content, quiet

MADE = Made(NOW, "1.2.3", "a store")
LEASED = {"lease": 0}


async def test_what_is_restored_is_what_was_backed_up_row_by_row_and_event_numbers_go_on(full, opened, tmp_path):
    before = await full.read(content)
    made = await back_up(full, tmp_path / "b", MADE, quiet)
    assert made == checked(tmp_path / "b")
    assert (made.sums["family"].rows, made.sums["event"].rows) == (FAMILIES, 2_500)
    target = opened(tmp_path / "target.db")
    epoch = await restore(target, made, NOW + 5, quiet)
    assert epoch == Epoch(1, 1)
    rows, number = await target.read(content)
    told = rows["event"].pop()
    assert (told[0], told[2]) == (3_000 + FORGOTTEN + 1, What.STORE_RESTORED)
    expected, last = before
    assert number == {"event": last["event"] + FORGOTTEN + 1, "ending": last["ending"] + FORGOTTEN}
    metas = [dict(rows.pop("meta")), dict(expected.pop("meta"))]
    assert metas[0].pop("revision") > metas[1].pop("revision")
    assert metas[0] == {**metas[1], "epoch": 1, "restored": 1}
    assert rows == expected


async def test_what_a_killed_backup_left_is_in_nobodys_way(full, tmp_path):
    """In a container every process has the same number."""
    (tmp_path / f".b.{os.getpid()}.partial").write_bytes(b"half")
    made = await back_up(full, tmp_path / "b", MADE, quiet)
    assert made == checked(tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


async def test_a_place_that_takes_no_file_is_told_by_the_name_that_was_asked_for(full, tmp_path):
    with pytest.raises(FileNotFoundError) as trouble:
        await back_up(full, tmp_path / "nowhere" / "b", MADE, quiet)
    assert trouble.value.filename == str(tmp_path / "nowhere" / "b")


async def test_o_13_after_a_restore_public_clients_sign_in_again_and_proved_ones_go_on_from_lost_tokens(
    full, token, opened, tmp_path
):
    made = await back_up(full, tmp_path / "b", MADE, quiet)
    here = Presenter(full, SeededEntropy("later"), ring())
    lost = (await here.present(token)).token
    target = opened(tmp_path / "target.db")
    epoch = await restore(target, made, NOW, quiet)
    there, ask = Presenter(target, SeededEntropy("there"), ring()), ASK._replace(epoch=epoch)
    adopted = await there.present(lost, ask=ask._replace(authenticated=True))
    assert adopted.verdict is Verdict.ROTATE
    assert (await there.present(adopted.token, ask=ask)).given
    other = opened(tmp_path / "other.db")
    epoch = await restore(other, made, NOW, quiet)
    refused = await Presenter(other, SeededEntropy("there"), ring()).present(token, ask=ask)
    assert refused.refusal is Refusal.RESTORED
    assert await other.read(lambda tx: tx.notices.find(after="notices")) == await full.read(
        lambda tx: tx.notices.find(after="notices")
    )


async def test_a_backup_is_one_moment_of_a_store_that_goes_on(full, opened, tmp_path):
    async def busy():
        n = 0
        while True:
            n += 1
            await full.write(lambda tx, n=n: tx.families.add(specimens.family(("new", n))))
            await full.write(lambda tx, n=n: tx.families.add(specimens.family(("twin", n))))

    going = asyncio.ensure_future(busy())
    try:
        for _ in range(3):
            made = await back_up(full, tmp_path / "b", MADE, quiet, replace=True)
            target = opened(tmp_path / f"target-{made.checksum}.db")
            await restore(target, made, NOW, quiet)
    finally:
        going.cancel()
    assert made.sums["family"].rows > FAMILIES


async def test_a_backup_is_its_owners_alone_and_overwrites_only_when_told(full, tmp_path):
    place = tmp_path / "b"
    await back_up(full, place, MADE, quiet)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    before = place.read_bytes()
    with pytest.raises(FileExistsError):
        await back_up(full, place, MADE._replace(at=1), quiet)
    assert place.read_bytes() == before
    await back_up(full, place, MADE._replace(at=1), quiet, replace=True)
    assert checked(place).head.made_at == 1
    assert [one.name for one in tmp_path.iterdir() if "partial" in one.name] == []


async def test_a_backup_that_fails_in_the_middle_leaves_no_file_and_no_half(full, tmp_path):
    def fails(table, rows):
        if table == "family":
            raise OSError(28, "No space left on device", "b")

    with pytest.raises(OSError, match="No space"):
        await back_up(full, tmp_path / "b", MADE, fails)
    assert [one.name for one in tmp_path.iterdir() if not one.name.startswith("full.db")] == []
    await back_up(full, tmp_path / "b", MADE, quiet)


async def test_a_target_that_holds_something_is_refused_unless_told_and_a_failed_restore_changes_nothing(
    full, opened, tmp_path
):
    made = await back_up(full, tmp_path / "b", MADE, quiet)
    target = opened(tmp_path / "target.db")
    await target.write(lambda tx: tx.clients.put(specimens.client("mine")))
    await declare(target, NOW, heads_trusted=True)
    before = await target.read(content)
    with pytest.raises(NotEmpty):
        await restore(target, made, NOW, quiet)

    def fails(table, rows):
        if table == "event":
            raise OSError(5, "Input/output error", "b")

    with pytest.raises(OSError, match="Input"):
        await restore(target, made, NOW, fails, replace=True)
    lies = made._replace(sums={**made.sums, "family": made.sums["family"]._replace(rows=1)})
    with pytest.raises(BadBackup, match="family: 1 rows against 2500"):
        await restore(target, lies, NOW, quiet, replace=True)
    assert await target.read(content) == before
    assert await restore(target, made, NOW, quiet, replace=True) == Epoch(2, 2)


async def test_declaring_a_loss_begins_an_epoch_and_is_told(full):
    assert await declare(full, NOW, heads_trusted=True) == Epoch(1, 0)
    assert await declare(full, NOW, heads_trusted=False) == Epoch(2, 2)
    events = await full.read(lambda tx: tx.events.find(EventQuery(what=What.STORE_RESTORED)))
    assert [event.detail for _, event in events] == ["epoch 1: failover", "epoch 2: restored by other means"]


@pytest.fixture
def small(tmp_path):
    """A small whole backup."""
    place = tmp_path / "small"
    with file.written(place, replace=False) as out:
        writing = file.Writing(out)
        columns = file.columns(ISSUER)
        writing.head(file.Head(NOW, "1", "s", 0, {"event": 3}, columns))
        writing.page(META, [("revision", 1)])
        writing.end({"meta": file.Sum(1, "0" * 64)})
    return place


def test_every_cut_and_every_changed_byte_of_a_backup_is_noticed(small):
    whole = small.read_bytes()
    assert checked(small).head.numbers == {"event": 3}
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(BadBackup):
            checked(small)
    for place in range(len(whole)):
        small.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(BadBackup):
            checked(small)


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0" + b"\0" * 100, b"evergrant backup 2\n"])
def test_what_is_no_backup_is_said_to_be_none(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadBackup, match="not a backup"):
        checked(tmp_path / "b")


async def test_a_backup_of_other_tables_names_its_release(full, tmp_path):
    place = tmp_path / "b"
    with file.written(place, replace=False) as out:
        writing = file.Writing(out)
        writing.head(file.Head(NOW, "9.9", "s", 0, {}, {"family": ["id", "more"]}))
        writing.end({})
    with pytest.raises(BadBackup, match=r"release 9\.9"):
        checked(place)


async def test_a_backup_holds_no_usable_token(full, token, tmp_path):
    await back_up(full, tmp_path / "b", MADE, quiet)
    held = (tmp_path / "b").read_bytes()
    secret = ring().read(token.reveal()).secret
    assert specimens.family("rotated").id in held
    for hidden in (token.reveal().encode(), token.reveal()[4:60].encode(), secret, secret.hex().encode()):
        assert hidden not in held
