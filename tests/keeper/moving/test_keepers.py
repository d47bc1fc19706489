"""Keepers on a vault that moves: what their callers are told, and that the background ends instead of waiting."""

from dataclasses import replace

import pytest

from evergrant.clock import SystemClock
from evergrant.keeper.connection import MAIN, Health
from evergrant.keeper.errors import NeedsReauth, VaultTrouble
from evergrant.keeper.moving import Moving, back_up, copy, restore
from evergrant.keeper.provider.model import Rotates
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.vault.sqlite.whole import WholeFile
from evergrant.store.moving.backup import Made
from evergrant.testing.chaos import PLAIN
from tests.keeper.living import kept, living
from tests.keeper.moving.conftest import quiet

GONE = "the vault was moved to another place; this keeper has to be started there"


async def test_while_a_vault_is_about_to_be_left_good_tokens_are_handed_out_and_none_is_spent(tmp_path):
    async with living() as life:
        vault = SqliteVault.open(tmp_path / "a.db")
        keeper, whole = life.another(vault=vault), WholeFile(vault)
        for account, left in (("fresh", 3_000), ("over", 1)):
            await kept(keeper, life.chaos.grant(account), account, life.clock.now(), expires_in=left)
        await whole.write(lambda tx: tx.leaving.announce(60))
        assert (await keeper.lease("here", "fresh")).version == 1
        with pytest.raises(VaultTrouble, match="nothing was spent"):
            await keeper.lease("here", "over")
        assert not life.chaos.ledger.refreshes
        await whole.write(lambda tx: tx.leaving.announce(0))
        assert (await keeper.lease("here", "over")).version == 2
        await keeper.close()


@pytest.mark.parametrize(("rule", "ends"), [("strict_one_shot", "vault_restored"), ("replay_window:seconds=600", "")])
async def test_a_connection_out_of_a_backup_older_than_a_rotation_goes_on_where_it_can_and_says_why_where_not(
    tmp_path, rule, ends
):
    facts = replace(PLAIN, rotates=Rotates.ALWAYS)
    async with living(facts, rule) as life:
        vault = SqliteVault.open(tmp_path / "a.db")
        keeper, whole = life.another(vault=vault), WholeFile(vault)
        await kept(keeper, life.chaos.grant("user-42"), "user-42", life.clock.now(), expires_in=1)
        file = await back_up(whole, tmp_path / "backup", Made(life.clock.now(), "1", "a"), quiet)
        assert (await keeper.lease("here", "user-42")).version == 2
        await keeper.close()
        restored = SqliteVault.open(tmp_path / "b.db")
        assert await restore(WholeFile(restored), file, life.clock.now(), quiet) == 1
        later = life.another(vault=restored)
        if ends:
            with pytest.raises(NeedsReauth) as told:
                await later.lease("here", "user-42")
            assert told.value.reason == ends
            assert (await later.show("here", "user-42")).connection.health is Health.NEEDS_REAUTH
        else:
            assert (await later.lease("here", "user-42")).version == 2
            assert (await later.show("here", "user-42")).records[MAIN].restored_from == 0
        await later.close()


async def test_callers_of_a_vault_that_was_left_hear_that_waiting_is_in_vain_and_the_background_ends(tmp_path):
    async with living() as life:
        vault = SqliteVault.open(tmp_path / "a.db")
        keeper, target = life.another(vault=vault), WholeFile.open(tmp_path / "b.db")
        given = life.chaos.grant("user-42")
        await kept(keeper, given, "user-42", life.clock.now(), expires_in=1)
        await copy(WholeFile(vault), target, str(tmp_path / "b.db"), Moving(SystemClock()), quiet)
        for asked in (keeper.lease("here", "user-42"), keeper.show("here", "user-42"), keeper.run()):
            with pytest.raises(VaultTrouble, match=GONE):
                await asked
        await keeper.close()
        assert not life.chaos.ledger.refreshes
        there = life.another(vault=SqliteVault.open(tmp_path / "b.db"))
        assert (await there.lease("here", "user-42")).version == 2
        assert life.chaos.ledger.second_spends == []
        await there.close()
        await target.close()
