"""The ring of keys in use, and how keys come and go without a token left alone."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.event import What
from evergrant.domain.key import Use
from evergrant.domain.token import RefreshToken
from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.keys import lifecycle
from evergrant.keys.lifecycle import Schedule
from evergrant.keys.local import LocalKek
from evergrant.keys.port import KeyUnusable
from evergrant.keys.ring import Ring
from evergrant.keys.sealed import NONCE_LENGTH, bound_anew, opened
from evergrant.keys.signing import ALGORITHMS, from_der, to_der
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery

NOW = 1_800_000_000
ENTROPY = SeededEntropy("ring")
KEK = LocalKek(ENTROPY.draw(32))
SCHEDULE = Schedule(publish_before=3_600, retire_after=86_400)


class Keys:
    """The keys of one store, moved through time."""

    def __init__(self):
        self.store = MemoryStore()
        self.now = NOW

    def do(self, work):
        return asyncio.run(self.store.write(work))

    def ensure(self, *algs):
        return self.do(lambda tx: lifecycle.ensure(tx, algs, KEK, ENTROPY, self.now))

    def rotate(self, alg="ES256"):
        return self.do(lambda tx: lifecycle.rotate(tx, alg, KEK, ENTROPY, self.now, SCHEDULE))

    def rotate_mac(self):
        return self.do(lambda tx: lifecycle.rotate_mac(tx, KEK, ENTROPY, self.now, SCHEDULE))

    def sweep(self):
        return self.do(lambda tx: lifecycle.sweep(tx, self.now))

    def ring(self):
        return Ring(self.do(lambda tx: tx.keys.find()), KEK)

    def algorithms(self):
        return sorted(key["alg"] for key in self.ring().public_set(self.now))

    def told(self):
        return [event.what for _, event in self.do(lambda tx: tx.events.find(EventQuery()))]


@pytest.fixture
def keys():
    made = Keys()
    made.ensure("ES256")
    return made


def token(version=1, generation=3):
    return RefreshToken(version, ENTROPY.draw(16), generation, ENTROPY.draw(32))


def test_a_first_start_makes_one_key_of_each_kind_and_the_second_makes_none():
    keys = Keys()
    assert keys.ensure("ES256", "Ed25519") is True
    assert keys.ensure("ES256", "Ed25519") is False
    assert keys.algorithms() == ["ES256", "Ed25519"]
    assert [key.use for key in keys.ring().sealed].count(Use.MAC) == 1
    assert keys.told() == [What.KEY_ADDED] * 3
    assert keys.ensure("RS256") is True
    assert keys.algorithms() == ["ES256", "Ed25519", "RS256"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_ring_signs_and_verifies_what_it_signed(alg):
    keys = Keys()
    keys.ensure(alg)
    ring = keys.ring()
    signed = ring.signer(alg, NOW).sign("at+jwt", b'{"sub":"ada"}')
    assert ring.verify(signed, "at+jwt") == {"sub": "ada"}
    assert keys.ring().verify(signed, "at+jwt") == {"sub": "ada"}
    other = Keys()
    other.ensure(alg)
    assert other.ring().verify(signed, "at+jwt") is None


def test_j_14_a_new_key_is_published_before_it_signs(keys):
    old = keys.ring().signer("ES256", NOW).kid
    new = keys.rotate().id
    ring = keys.ring()
    assert {jwk["kid"] for jwk in ring.public_set(NOW)} == {old, new}
    assert ring.signer("ES256", NOW).kid == old
    assert ring.signer("ES256", NOW + 3_599).kid == old
    assert ring.signer("ES256", NOW + 3_600).kid == new


def test_j_14_o_11_the_old_key_stays_until_nothing_it_signed_is_alive(keys):
    signed = keys.ring().signer("ES256", NOW).sign("at+jwt", b"{}")
    old = keys.ring().signer("ES256", NOW).kid
    new = keys.rotate().id
    last = NOW + 3_600 + 86_400 - 1
    ring = keys.ring()
    assert {jwk["kid"] for jwk in ring.public_set(last)} == {old, new}
    assert {jwk["kid"] for jwk in ring.public_set(last + 1)} == {new}
    keys.now = last
    assert keys.sweep() == 0
    assert keys.ring().verify(signed, "at+jwt") == {}
    keys.now = last + 1
    assert keys.sweep() == 1
    assert keys.ring().verify(signed, "at+jwt") is None
    assert keys.ring().signer("ES256", last + 1).kid == new


def test_rotating_again_and_again_leaves_a_signer_at_every_moment(keys):
    for _ in range(5):
        keys.rotate()
        keys.now += 600
    ring = keys.ring()
    for moment in range(NOW, NOW + 200_000, 500):
        signer = ring.signer("ES256", moment)
        assert signer.kid in {jwk["kid"] for jwk in ring.public_set(moment)}
    keys.now = NOW + 200_000
    assert keys.sweep() == 5
    assert len(keys.ring().public_set(keys.now)) == 1


def test_rotating_one_algorithm_leaves_the_others_alone():
    keys = Keys()
    keys.ensure("ES256", "Ed25519")
    before = keys.ring().signer("Ed25519", NOW).kid
    keys.rotate("ES256")
    assert keys.ring().signer("Ed25519", NOW + 10**6).kid == before


def test_an_algorithm_without_a_key_is_one_sentence_with_the_remedy(keys):
    with pytest.raises(KeyUnusable, match="no active RS256 signing key; run: evergrant key rotate --alg RS256"):
        keys.ring().signer("RS256", NOW)
    with pytest.raises(KeyUnusable, match="no active token key"):
        Ring((), KEK).mac_version(NOW)


def test_turning_keys_turns_the_revision(keys):
    before = keys.store.seen_revision
    keys.rotate()
    keys.rotate_mac()
    assert keys.store.seen_revision == before + 2
    keys.now += 10**6
    keys.sweep()
    assert keys.store.seen_revision == before + 3
    keys.sweep()
    assert keys.store.seen_revision == before + 3


# ---- MAC keys


def test_o_11_refresh_tokens_of_every_mac_key_stay_readable(keys):
    texts = []
    for version in range(1, 6):
        assert keys.ring().mac_version(keys.now) == version
        texts.append((version, keys.ring().write(token(version))))
        assert keys.rotate_mac().version == version + 1
        keys.now += 3_600
        keys.sweep()
    ring = keys.ring()
    for version, text in texts:
        assert ring.read(text).version == version
        assert ring.write(ring.read(text)) == text
    assert Keys().ring().read(texts[0][1]) is None


def test_a_new_mac_key_is_known_to_every_process_before_the_first_token_under_it(keys):
    keys.rotate_mac()
    assert keys.ring().mac_version(NOW + 3_599) == 1
    assert keys.ring().mac_version(NOW + 3_600) == 2


def test_the_last_version_is_the_last():
    with pytest.raises(KeyUnusable, match="all 255 token key versions are used"):
        lifecycle.make_mac_key(256, KEK, ENTROPY, NOW, NOW)
    assert lifecycle.make_mac_key(255, KEK, ENTROPY, NOW, NOW).version == 255


def test_purposes_and_versions_have_keys_of_their_own(keys):
    keys.rotate_mac()
    ring = keys.ring()
    derived = {ring.derive(version, purpose) for version in (1, 2) for purpose in (b"a", b"b")}
    assert len(derived) == 4
    assert not derived & set(ring.mac_keys.values())


# ---- opaque access tokens


@given(st.binary(max_size=300))
def test_an_opaque_body_opens_only_as_it_was_sealed(clear):
    ring = RING
    body = ring.seal_opaque(clear, ENTROPY.draw(NONCE_LENGTH), 1)
    assert ring.open_opaque(body) == clear
    assert clear not in body or len(clear) < 4
    for place in range(0, len(body), 3):
        assert ring.open_opaque(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]) is None
    for length in range(0, len(body), 5):
        assert ring.open_opaque(body[:length]) is None
    assert ring.open_opaque(body + b"\0") is None


@given(st.binary(max_size=200))
def test_inv_14_no_opaque_body_whatever_raises(garbage):
    assert RING.open_opaque(garbage) is None
    assert RING.open_opaque(b"\x01" + garbage) is None


# ---- at rest


def test_k_21_j_17_a_swapped_changed_or_foreign_row_does_not_open(keys):
    keys.rotate()
    rows = keys.do(lambda tx: tx.keys.find())
    signing = [row for row in rows if row.use is Use.SIGN]
    swapped = [replace(signing[0], sealed=signing[1].sealed), replace(signing[1], sealed=signing[0].sealed)]
    changed = [replace(rows[0], sealed=rows[0].sealed[:-1] + bytes([rows[0].sealed[-1] ^ 1]))]
    renamed = [replace(rows[0], id="another")]
    for wrong in (swapped, changed, renamed):
        with pytest.raises(KeyUnusable, match="does not open"):
            Ring(wrong, KEK)
    with pytest.raises(KeyUnusable, match="does not open"):
        Ring(rows, LocalKek(bytes(32)))
    assert Ring(rows, KEK).sealed


@pytest.mark.parametrize("change", [{"alg": "PS256"}, {"alg": "HS256"}, {"use": Use.MAC}, {"version": 2}, {"id": "x"}])
def test_k_21_j_17_no_row_is_made_to_say_another_thing_of_its_key(keys, change):
    keys.ensure("ES256", "RS256")
    for row in keys.do(lambda tx: tx.keys.find()):
        told = replace(row, **change)
        if told != row:
            with pytest.raises(KeyUnusable, match="does not open"):
                Ring([told], KEK)


def as_first_sealed(row):
    """The row as the first databases had it: only its id was bound."""
    return replace(row, sealed=KEK.seal(opened(row, KEK), b"evergrant key " + row.id.encode(), ENTROPY.draw(12)))


def test_seals_of_the_first_databases_open_and_are_replaced_at_the_next_start(keys):
    rows = keys.do(lambda tx: tx.keys.find())
    first = [as_first_sealed(row) for row in rows]
    text = keys.ring().write(token())
    keys.do(lambda tx: [tx.keys.put(row) for row in first])
    assert keys.ring().read(text) == Ring(rows, KEK).read(text) is not None
    assert Ring([replace(first[0], retires_at=NOW + 1)], KEK), "its own times are not bound: they change"
    told = keys.told()

    assert keys.ensure("ES256") is False

    again = keys.do(lambda tx: tx.keys.find())
    assert keys.told() == told
    assert [opened(row, KEK) for row in again] == [opened(row, KEK) for row in first]
    for row, old in zip(again, first, strict=True):
        assert row.sealed != old.sealed
        assert bound_anew(row, KEK, ENTROPY) is row
        with pytest.raises(KeyUnusable):
            KEK.unseal(row.sealed, b"evergrant key " + row.id.encode())
    keys.ensure("ES256")
    assert keys.do(lambda tx: tx.keys.find()) == again, "and only once"


def test_a_start_with_a_row_that_does_not_open_says_so_and_changes_nothing(keys):
    rows = keys.do(lambda tx: tx.keys.find())
    keys.do(lambda tx: tx.keys.put(as_first_sealed(rows[0])))
    keys.do(lambda tx: tx.keys.put(replace(rows[1], sealed=rows[1].sealed[:-1] + b"x")))
    before = keys.do(lambda tx: tx.keys.find())
    with pytest.raises(KeyUnusable, match="does not open evergrant key"):
        keys.ensure("ES256")
    assert keys.do(lambda tx: tx.keys.find()) == before


def test_inv_13_what_is_at_rest_holds_no_key_in_clear(keys):
    for row in keys.do(lambda tx: tx.keys.find()):
        clear = opened(row, KEK)
        assert clear not in row.sealed
        assert clear.hex() not in repr(row)
        if row.use is Use.SIGN:
            assert to_der(from_der(clear)) == clear
            assert clear[-32:] not in row.sealed


def test_the_public_set_holds_nothing_private():
    keys = Keys()
    keys.ensure(*ALGORITHMS)
    shown = json.dumps(keys.ring().public_set(NOW))
    for member in ('"d"', '"p"', '"q"', '"dp"', '"dq"', '"qi"', '"k"'):
        assert member not in shown
    assert len(json.loads(shown)) == len(ALGORITHMS)


def test_a_process_that_forked_signs_and_draws_what_its_parent_does_not():
    """In an interpreter of its own, with one thread: a fork under a test runner's threads would prove nothing."""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS], capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()
    assert len(told) == 2 * 4
    assert len(set(told)) == len(told), "two processes drew the same"


FORKS = """
import os
from evergrant.entropy import SystemEntropy
from evergrant.keys.signing import Signer, make
from evergrant.keys.verifying import public_key, verify
signer = Signer(make("ES256"), "ES256")
signer.sign("JWT", b"{}")
entropy = SystemEntropy()
entropy.draw(32)
for _ in range(4):
    inlet, outlet = os.pipe()
    child = os.fork()
    if not child:
        token = signer.sign("JWT", b"{}")
        assert verify(token, "JWT", {signer.kid: ("ES256", public_key(signer.public))}) == {}
        os.write(outlet, (token.rsplit(".", 1)[1] + " " + entropy.draw(32).hex()).encode())
        os._exit(0)
    os.close(outlet)
    print(os.read(inlet, 4096).decode())
    assert os.waitpid(child, 0)[1] == 0
"""

_ring_keys = Keys()
_ring_keys.ensure("ES256")
RING = _ring_keys.ring()


def test_o_14_entropy_is_the_operating_systems_and_never_repeats():
    entropy = SystemEntropy()
    assert len({entropy.draw(32) for _ in range(2_000)}) == 2_000
    assert os.urandom(0) == b""
    assert entropy.draw(0) == b""
