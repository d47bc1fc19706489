"""Keepers on a vault that moves: what their callers are told, and that the background ends instead of waiting."""

import pytest

from evergrant.clock import SystemClock
from evergrant.keeper.errors import VaultTrouble
from evergrant.keeper.moving import Moving, copy
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.vault.sqlite.whole import WholeFile
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
