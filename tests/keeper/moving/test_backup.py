"""A vault's backup is one snapshot in one file; what is restored says that it is, and is believed as far as can be."""

import pytest

from evergrant.keeper.connection import MAIN
from evergrant.keeper.event import What
from evergrant.keeper.moving import back_up, restore
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.layout import RECORD, VAULT
from evergrant.store.moving.backup import FORGOTTEN, Made, NotEmpty
from evergrant.store.moving.file import BadBackup, checked
from evergrant.testing.vault_contract import fixtures as made
from tests.keeper.moving.conftest import CONNECTIONS, NOW, content, quiet

MADE = Made(NOW + 7, "1.2.3", "a vault")
FIRST = made.connection(1, made.OTHER)


async def test_what_is_restored_is_what_was_backed_up_and_its_refresh_tokens_say_where_they_come_from(
    full, places, tmp_path
):
    before, numbers = await places.whole("full").read(content)
    file = await back_up(places.whole("full"), tmp_path / "b", MADE, quiet)
    assert file == checked(tmp_path / "b", VAULT)
    assert (file.sums["record"].rows, file.sums["event"].rows) == (2 * CONNECTIONS, 1_503)
    target = places.whole("target")
    assert await restore(target, file, NOW + 9, quiet) == CONNECTIONS
    after, later = await target.read(content)
    assert later["fence"] == numbers["fence"] + FORGOTTEN
    places_of_documents = RECORD.columns.index("document")
    for rows in (before, after):
        rows["record"] = [row[:places_of_documents] for row in rows["record"]]
        del rows["trail"]
    told = after["event"].pop()
    assert (told[0], told[1]) == (1_504, NOW + 9)
    assert before == after


async def test_a_keeper_goes_on_with_a_restored_vault_and_no_fence_is_given_out_twice(full, places, tmp_path):
    file = await back_up(places.whole("full"), tmp_path / "b", MADE, quiet)
    later = await full.claim(FIRST.id, MAIN, "after the backup", 1)
    await restore(places.whole("target"), file, NOW + 9, quiet)
    vault = places.vault("target")
    found = await vault.load(FIRST.tenant, FIRST.id)
    assert {name: record.restored_from for name, record in found.records.items()} == {MAIN: NOW + 7, "bot": 0}
    claim = await vault.claim(FIRST.id, MAIN, "next", 30)
    assert claim.fence > later.fence
    assert await verify(vault) == 0
    assert [stored.event.what for stored in await vault.events(after=1_503)] == [What.VAULT_RESTORED]


async def test_a_vault_with_something_in_it_is_not_filled_unless_that_is_given_up(full, places, tmp_path):
    file = await back_up(places.whole("full"), tmp_path / "b", MADE, quiet)
    await full.note([made.event(20)])
    with pytest.raises(NotEmpty):
        await restore(places.whole("full"), file, NOW, quiet)
    assert (await full.trail_ends()).last == 1_504
    await restore(places.whole("full"), file, NOW, quiet, replace=True)
    assert [stored.event.what for stored in await full.events(after=1_503)] == [What.VAULT_RESTORED]


async def test_a_restore_that_is_interrupted_leaves_the_vault_as_it_was(full, places, tmp_path):
    file = await back_up(places.whole("full"), tmp_path / "b", MADE, quiet)
    target = places.whole("target")
    before = await target.read(content)

    def fails(table, rows):
        if table == "event":
            raise OSError(28, "No space left on device", "x")

    with pytest.raises(OSError, match="No space"):
        await restore(target, file, NOW, fails)
    assert await target.read(content) == before


def test_a_backup_of_the_issuer_is_not_taken_for_one_of_a_vault(tmp_path):
    (tmp_path / "b").write_bytes(b"evergrant backup 1\n")
    with pytest.raises(BadBackup, match=r"not .* made by evergrant keeper backup; it was made by evergrant backup"):
        checked(tmp_path / "b", VAULT)
