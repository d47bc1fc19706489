"""Sealed values open at their own place, under a key of the ring, and nowhere else."""

import re
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.entropy import SeededEntropy
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.sealing import KEPT_NAME, Envelope, Place, Sealer, Unreadable, key_id_of, unlock
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import VaultUnusable
from evergrant.keys.local import LocalKek
from evergrant.keys.port import KeyUnusable

OLD, NEW, OTHER = LocalKek(b"o" * 32), LocalKek(b"n" * 32), LocalKek(b"x" * 32)
PLACE = Place("acme", "con_1", "main.refresh_token", 7)
CLEAR = b"1//refresh-token-of-somebody"


def sealer(*keys: LocalKek, seed: str = "sealing") -> Sealer:
    return Sealer(Keyring(keys or (OLD,)), SeededEntropy(seed))


@pytest.fixture
def sealed() -> bytes:
    return sealer().seal(CLEAR, PLACE)


@pytest.mark.parametrize("clear", [b"", b"x", CLEAR, bytes(range(256)) * 300])
def test_what_was_sealed_opens_at_its_place(clear):
    assert sealer().unseal(sealer().seal(clear, PLACE), PLACE) == clear


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"tenant": "acme2"}, {"tenant": ""}, {"connection_id": "con_2"}, {"field": "main.access_token"},
        {"field": "user.refresh_token"}, {"version": 8}, {"version": 6}, {"tenant": "acm", "connection_id": "econ_1"},
    ],
)  # fmt: skip
def test_k_21_a_value_moved_to_another_tenant_row_field_or_version_does_not_open(sealed, elsewhere):
    place = replace(PLACE, **elsewhere)
    with pytest.raises(Unreadable, match=f"^{re.escape(str(place))}: the value was changed, or belongs elsewhere"):
        sealer().unseal(sealed, place)


def test_k_21_a_changed_or_missing_byte_anywhere_does_not_open(sealed):
    for place in range(len(sealed)):
        for changed in (sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :], sealed[:place]):
            with pytest.raises(Unreadable):
                sealer().unseal(changed, PLACE)
    with pytest.raises(Unreadable):
        sealer().unseal(sealed + b"\0", PLACE)


def test_k_21_a_wrapped_key_of_one_row_does_not_open_another(sealed):
    other = Envelope.read(sealer(seed="another").seal(b"other", PLACE))
    swapped = Envelope.read(sealed)._replace(wrapped=other.wrapped).write()
    with pytest.raises(Unreadable):
        sealer().unseal(swapped, PLACE)


def test_k_21_an_unknown_key_is_named_in_one_sentence(sealed):
    with pytest.raises(Unreadable) as trouble:
        sealer(NEW).unseal(sealed, PLACE)
    assert str(trouble.value) == (
        f"main.refresh_token of con_1 of tenant acme, version 7: sealed under key {OLD.id},"
        f" which is not in the keyring ({NEW.id})"
    )


def test_k_21_an_older_key_of_the_ring_still_opens(sealed):
    both = sealer(NEW, OLD)
    assert both.unseal(sealed, PLACE) == CLEAR
    assert key_id_of(both.seal(CLEAR, PLACE)) == NEW.id


def test_k_21_a_rewrap_turns_the_wrapped_key_and_leaves_the_value(sealed):
    turned = sealer(NEW, OLD).rewrap(sealed)
    before, after = Envelope.read(sealed), Envelope.read(turned)
    assert (after.key_id, after.ciphertext, after.nonce) == (NEW.id, before.ciphertext, before.nonce)
    assert after.wrapped != before.wrapped
    assert sealer(NEW).unseal(turned, PLACE) == CLEAR
    with pytest.raises(Unreadable):
        sealer(OLD).unseal(turned, PLACE)


def test_a_rewrap_of_what_is_under_the_current_key_changes_nothing(sealed):
    assert sealer(OLD).rewrap(sealed) is sealed


def test_k_21_a_rewrap_without_the_old_key_fails_and_names_it(sealed):
    with pytest.raises(Unreadable, match=f"sealed under key {OLD.id}"):
        sealer(NEW).rewrap(sealed)


@pytest.mark.parametrize(
    "raw", [b"", b"\x01", b"\x01\x01\x10", b"\x01\x01\xff" + b"a" * 40, b"\x01\x01\x04\xff\xfe\xfd\xfc" * 9]
)
def test_what_is_no_envelope_is_one_sentence(raw):
    for trial in (lambda: sealer().unseal(raw, PLACE), lambda: sealer().rewrap(raw), lambda: key_id_of(raw)):
        with pytest.raises(Unreadable) as trouble:
            trial()
        assert "\n" not in str(trouble.value)


@pytest.mark.parametrize("head", [b"\x02\x01", b"\x01\x02"])
def test_an_envelope_from_the_future_says_so(sealed, head):
    with pytest.raises(Unreadable, match=r"sealed by a newer release .*; upgrade Evergrant"):
        sealer().unseal(head + sealed[2:], PLACE)


def test_k_22_equal_values_look_different_at_rest():
    one = sealer()
    assert one.seal(CLEAR, PLACE) != one.seal(CLEAR, PLACE)
    assert CLEAR not in one.seal(CLEAR, PLACE)


def test_k_23_keep_inv_7_no_error_repr_or_cause_shows_the_value_or_a_key(sealed):
    shown = [repr(sealer()), repr(Keyring((OLD, NEW))), str(PLACE), repr(PLACE)]
    for trial in (
        lambda: sealer(NEW).unseal(sealed, PLACE),
        lambda: sealer().unseal(sealed, replace(PLACE, version=8)),
    ):
        with pytest.raises(Unreadable) as trouble:
            trial()
        error = trouble.value
        while error is not None:
            shown += [str(error), repr(error)]
            error = error.__cause__
    for text in shown:
        assert CLEAR.decode()[3:12] not in text
        assert "ooooooo" not in text


def test_fingerprints_tell_secrets_apart_and_need_the_key():
    one, other = sealer(seed="1"), sealer(seed="2")
    assert one.fingerprint("token") == one.fingerprint("token") != one.fingerprint("token2")
    assert one.fingerprint("token") != other.fingerprint("token")
    assert re.fullmatch("[0-9a-f]{32}", one.fingerprint("token"))


async def test_k_21_fingerprints_survive_a_turn_of_the_key():
    vault = MemoryVault(FixedClock())
    first = await unlock(vault, Keyring((OLD,)), SeededEntropy("first"))
    both = await unlock(vault, Keyring((NEW, OLD)), SeededEntropy("second"))
    position, changed = await vault.rewrap(both.rewrap, after="", limit=10)
    assert (bool(position), changed) == (True, 1)
    last = await unlock(vault, Keyring((NEW,)), SeededEntropy("third"))
    assert first.fingerprint("token") == both.fingerprint("token") == last.fingerprint("token")


async def test_k_21_a_vault_opened_with_a_wrong_key_is_one_sentence_and_nothing_is_written():
    vault = MemoryVault(FixedClock())
    await unlock(vault, Keyring((OLD,)), SeededEntropy("first"))
    kept = await vault.keep_once(KEPT_NAME, b"")
    with pytest.raises(VaultUnusable) as trouble:
        await unlock(vault, Keyring((OTHER,)), SeededEntropy("second"))
    assert str(trouble.value) == (
        f"the keyring does not open this vault: fingerprint key of the vault: sealed under key {OLD.id},"
        f" which is not in the keyring ({OTHER.id})"
    )
    assert await vault.keep_once(KEPT_NAME, b"") == kept


def test_a_keyring_needs_a_key():
    with pytest.raises(KeyUnusable, match="there is no key in the keyring"):
        Keyring(())
