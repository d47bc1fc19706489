"""A keeper's key and its vault belong together: made together, refused apart, and simulated time reaches both."""

import threading

import pytest

from evergrant.clock import FixedClock
from evergrant.entropy import SystemEntropy
from evergrant.keeper.keyring import from_file
from evergrant.keeper.opening import KEY_FILE, plan
from evergrant.keeper.vault.port import VaultUnusable
from evergrant.keys.port import KeyUnusable
from evergrant.testing.vault_contract.fixtures import claimed, connected


async def opened(path, **more):
    rooms = await plan(str(path), **more).open()
    await rooms.ground.vault.close()
    return rooms


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.db"


async def test_the_first_start_makes_a_key_beside_the_vault_and_the_next_one_uses_it(path):
    first, second = await opened(path), await opened(path)
    assert first.ground.sealer.fingerprint("x") == second.ground.sealer.fingerprint("x")
    assert path.with_name(path.name + KEY_FILE).exists()


async def test_a_vault_whose_key_is_lost_is_refused_and_given_no_other(path):
    await opened(path)
    key = path.with_name(path.name + KEY_FILE)
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(KeyUnusable, match="No such file or directory"):
        await opened(path)
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)
    await opened(path)


async def test_k_21_a_vault_opened_with_another_key_is_refused_and_left_closed(path, tmp_path):
    await opened(path)
    other = tmp_path / "other.key"
    from_file(other, SystemEntropy(), make=True)
    with pytest.raises(VaultUnusable, match="the keyring does not open this vault"):
        await opened(path, key=other)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "evergrant-writer"]
    await opened(path)


async def test_a_simulated_clock_is_the_vaults_clock_too(path):
    rooms = await plan(str(path), clock=FixedClock(1_000)).open()
    vault = rooms.ground.vault
    one = await connected(vault)
    assert (await claimed(vault, one, "a", 30)).until == 1_030
    await vault.close()
