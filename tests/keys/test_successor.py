"""The sealed successor: what the server keeps it cannot read, and whoever repeats brings the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.secret import digest
from evergrant.domain.token import RefreshToken
from evergrant.entropy import SeededEntropy
from evergrant.keys.successor import DRAW_LENGTH, NONCE_LENGTH, draw, unseal

ENTROPY = SeededEntropy("successor")
PRESENTED = RefreshToken(1, ENTROPY.draw(16), 7, ENTROPY.draw(32))

tokens = st.builds(
    RefreshToken,
    st.integers(1, 255),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 2),
    st.binary(min_size=32, max_size=32),
)
DRAWN = draw(PRESENTED, 1, ENTROPY.draw(DRAW_LENGTH))
draws = st.binary(min_size=DRAW_LENGTH, max_size=DRAW_LENGTH)


@given(tokens, st.integers(1, 255), draws)
def test_rt_02_cp_5_whoever_holds_the_presented_token_opens_the_same_successor(presented, version, randomness):
    drawn = draw(presented, version, randomness)
    assert drawn == draw(presented, version, randomness)
    assert unseal(presented, drawn.sealed) == drawn.token
    assert drawn.token == RefreshToken(version, presented.family_id, presented.generation + 1, randomness[:32])


@pytest.mark.parametrize(
    "other",
    [
        PRESENTED._replace(secret=bytes(32)),
        PRESENTED._replace(secret=PRESENTED.secret[:-1] + bytes([PRESENTED.secret[-1] ^ 1])),
        PRESENTED._replace(family_id=bytes(16)),
        PRESENTED._replace(generation=6),
        PRESENTED._replace(generation=8),
        DRAWN.token,
    ],
)
def test_another_secret_family_or_generation_opens_nothing(other):
    assert unseal(other, DRAWN.sealed) is None


def test_the_mac_version_of_the_presented_token_does_not_matter():
    assert unseal(PRESENTED._replace(version=9), DRAWN.sealed) == DRAWN.token


def test_flipping_any_bit_of_what_is_kept_opens_nothing():
    sealed = DRAWN.sealed
    for place in range(len(sealed)):
        for bit in range(8):
            changed = sealed[:place] + bytes([sealed[place] ^ 1 << bit]) + sealed[place + 1 :]
            assert unseal(PRESENTED, changed) is None


def test_truncated_and_extended_rows_open_nothing():
    sealed = DRAWN.sealed
    for length in range(len(sealed)):
        assert unseal(PRESENTED, sealed[:length]) is None
    assert unseal(PRESENTED, sealed + b"\0") is None
    assert unseal(PRESENTED, bytes(1_000)) is None


def test_inv_13_what_the_server_keeps_does_not_hold_the_secret_nor_open_with_what_it_knows():
    drawn = DRAWN
    known = [
        digest("refresh token", drawn.token.secret),
        digest("refresh token", PRESENTED.secret),
        PRESENTED.family_id,
    ]
    assert drawn.token.secret not in drawn.sealed
    for guess in known:
        assert unseal(PRESENTED._replace(secret=(guess * 2)[:32]), drawn.sealed) is None
        assert guess not in drawn.sealed


def test_two_presenters_of_one_token_seal_two_different_successors():
    many = {draw(PRESENTED, 1, ENTROPY.draw(DRAW_LENGTH)).sealed for _ in range(100)}
    assert len(many) == 100
    assert len({sealed[:NONCE_LENGTH] for sealed in many}) == 100


def test_inv_15_what_is_kept_has_one_small_size():
    assert {len(draw(PRESENTED, v, ENTROPY.draw(DRAW_LENGTH)).sealed) for v in (1, 255)} == {12 + 1 + 32 + 16}


def test_the_key_is_hkdf_expand_of_the_secret():
    """The shortcut used on the refresh path is RFC 5869's own expand step."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    place = PRESENTED.family_id + PRESENTED.generation.to_bytes(4, "big")
    key = HKDFExpand(SHA256(), 32, b"evergrant successor 1" + place).derive(PRESENTED.secret)
    sealed = DRAWN.sealed
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], place)[1:] == DRAWN.token.secret
