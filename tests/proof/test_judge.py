"""A proof judged whole: order, age, nonces, and that it is taken once."""

import pytest

from evergrant.proof.judge import Proofs
from evergrant.proof.nonce import WINDOW, Nonces
from evergrant.proof.replay import SPAN, Replays
from evergrant.protocol.dpop import BadProof, Fault, Wanted, parse
from evergrant.protocol.error import Code
from tests.proving import Prover

NOW = 1_800_000_000
URL = "https://id.example/token"
WANTED = Wanted("POST", URL)
NONCES = Nonces(lambda _: (b"k" * 32,))
CLIENT = Prover()


def refused(proofs: Proofs, header: str, now: int = NOW, purpose: bytes = b"") -> BadProof:
    with pytest.raises(BadProof) as error:
        proofs.judge(header, WANTED, now, purpose)
    return error.value


def told(error: BadProof) -> str:
    assert error.code is Code.USE_DPOP_NONCE
    ((name, nonce),) = error.headers
    assert name == "dpop-nonce"
    return nonce


def test_a_right_proof_names_its_key():
    assert Proofs().judge(CLIENT.proof("POST", URL, NOW), WANTED, NOW).jkt == CLIENT.jkt


def test_p_01_and_r9449_11_1_a_a_proof_is_taken_once():
    proofs, text = Proofs(), CLIENT.proof("POST", URL, NOW)
    proofs.judge(text, WANTED, NOW)
    assert refused(proofs, text, NOW + 1).fault is Fault.REPLAYED
    assert refused(proofs, text, NOW + SPAN).fault is Fault.TIME
    proofs.judge(Prover().proof("POST", URL, NOW, jti=parse(text).jti), WANTED, NOW)


def test_p_01_a_repetition_of_the_whole_request_is_no_replay_and_the_proof_with_another_one_is():
    proofs, text = Proofs(), CLIENT.proof("POST", URL, NOW)
    proofs.judge(text, WANTED, NOW, b"token one")
    proofs.judge(text, WANTED, NOW + 1, b"token one")
    assert refused(proofs, text, NOW + 1, b"token two").fault is Fault.REPLAYED
    assert refused(proofs, text, NOW + 1).fault is Fault.REPLAYED


def test_a_proof_that_is_refused_is_not_remembered():
    proofs, text = Proofs(), CLIENT.proof("POST", URL, NOW)
    broken = text[:-8] + "AAAAAAAA"
    assert refused(proofs, broken).fault is Fault.SIGNATURE
    proofs.judge(text, WANTED, NOW)


def test_p_07_the_memory_of_proofs_is_bounded_and_forgets_the_oldest_first():
    replays = Replays(most=10)
    texts = [parse(CLIENT.proof("POST", URL, NOW)) for _ in range(100)]
    assert all(replays.first(proof, b"", NOW) for proof in texts)
    assert len(replays) <= 20
    assert not replays.first(texts[-1], b"", NOW)


@pytest.mark.parametrize("start", range(0, SPAN, 13))
def test_a_proof_is_remembered_for_as_long_as_it_could_pass(start):
    replays, proof = Replays(), parse(CLIENT.proof("POST", URL, NOW))
    replays.first(parse(CLIENT.proof("POST", URL, NOW)), b"", NOW)
    assert replays.first(proof, b"", NOW + start)
    for later in range(start, start + SPAN, 7):
        replays.first(parse(CLIENT.proof("POST", URL, NOW)), b"", NOW + later)
        assert not replays.first(proof, b"", NOW + later)
    for later in (3 * SPAN, 5 * SPAN):
        replays.first(parse(CLIENT.proof("POST", URL, NOW)), b"", NOW + start + later)
    assert len(replays) == 2
    assert replays.first(proof, b"", NOW + start + 5 * SPAN)


def test_p_01_a_clock_that_steps_ahead_and_back_makes_no_used_proof_good_again():
    replays, proof = Replays(), parse(CLIENT.proof("POST", URL, NOW))
    assert replays.first(proof, b"", NOW)
    for now in (NOW + 3_600, NOW + 1, NOW - 30, NOW + 2):
        replays.first(parse(CLIENT.proof("POST", URL, NOW)), b"", now)
        assert not replays.first(proof, b"", now)


def test_r9449_8_a_a_demanded_nonce_is_told_and_taken():
    proofs = Proofs(NONCES, demand_nonce=True)
    nonce = told(refused(proofs, CLIENT.proof("POST", URL, NOW)))
    proofs.judge(CLIENT.proof("POST", URL, NOW, nonce=nonce), WANTED, NOW)
    assert told(refused(proofs, CLIENT.proof("POST", URL, NOW, nonce="another"))) == nonce


def test_p_02_and_p_03_a_nonce_is_taken_in_its_window_and_the_next_by_whoever_has_the_key():
    proofs = Proofs(NONCES, demand_nonce=True)
    nonce, start = NONCES.current(NOW), NOW - NOW % WINDOW
    for elapsed, good in ((0, True), (WINDOW, True), (2 * WINDOW - 1, True), (2 * WINDOW, False), (-WINDOW, False)):
        text = CLIENT.proof("POST", URL, NOW, nonce=nonce)
        if good:
            proof = Proofs(NONCES, demand_nonce=True).judge(text, WANTED, start + elapsed)
            assert bool(proofs.renewal(proof, start + elapsed)) is (elapsed >= WINDOW)
        else:
            told(refused(proofs, text, start + elapsed))
    assert Nonces(lambda _: (b"n" * 32, b"k" * 32)).fits(nonce, NOW)
    assert not Nonces(lambda _: (b"n" * 32,)).fits(nonce, NOW)
    assert not NONCES.fits("\ud800", NOW)


def test_a_client_whose_clock_is_wrong_is_helped_by_a_nonce():
    proofs = Proofs(NONCES)
    nonce = told(refused(proofs, CLIENT.proof("POST", URL, NOW - 86_400)))
    proofs.judge(CLIENT.proof("POST", URL, NOW - 86_400, nonce=nonce), WANTED, NOW)
    assert refused(Proofs(), CLIENT.proof("POST", URL, NOW - 86_400)).code is Code.INVALID_DPOP_PROOF


def test_a_nonce_of_another_server_is_answered_with_ours():
    told(refused(Proofs(NONCES), CLIENT.proof("POST", URL, NOW, nonce="theirs")))
    Proofs().judge(CLIENT.proof("POST", URL, NOW, nonce="theirs"), WANTED, NOW)
