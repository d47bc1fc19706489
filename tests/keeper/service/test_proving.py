"""Requests with a proof: one key per connection, the newest nonce of each server, one repetition and no more."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy
from evergrant.keeper.connection import Health, Record
from evergrant.keeper.decision.answer import read
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.exchange import Answer, Asked
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.model import Dpop, Provider
from evergrant.keeper.sealing import Sealer, Unreadable
from evergrant.keeper.service import proving, sealed
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.serving.api.answers import lease_of
from evergrant.keeper.wire.proof import Nonces, Prover, asks_for_nonce, new_key
from evergrant.keys.local import LocalKek
from evergrant.proof.judge import Proofs
from evergrant.protocol.dpop import Wanted, parse

NOW = 1_800_000_000
TOKEN_URL = "https://as.example/token"
API_URL = "https://api.example/orders?page=2#top"
ASKED = Asked("POST", TOKEN_URL, {"Accept": "application/json"}, b"grant_type=refresh_token")
CHALLENGE = json.dumps({"error": "use_dpop_nonce"}).encode()
KEY = new_key()


class Server:
    """Gives prepared answers, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []

    async def send(self, asked: Asked, deadline: float) -> Answer:
        self.asked.append(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


def challenge(nonce: str) -> Answer:
    return answer(400, CHALLENGE, dpop_nonce=nonce)


def ground(server: Server) -> SimpleNamespace:
    return SimpleNamespace(transport=server, nonces=Nonces(), clock=FixedClock(NOW), entropy=SeededEntropy())


def nonces_of(server: Server) -> list[str]:
    return [parse(one.headers["DPoP"]).nonce for one in server.asked]


def prover(nonces: Nonces | None = None) -> Prover:
    return Prover(KEY, nonces or Nonces(), FixedClock(NOW), SeededEntropy())


def test_a_proof_of_the_keeper_is_good_for_whoever_judges_it() -> None:
    held = prover()
    headers = held.presented("get", API_URL, Secret("ega_x"))
    assert headers["Authorization"] == "DPoP ega_x"
    proof = Proofs().judge(headers["DPoP"], Wanted("GET", API_URL, "ega_x"), NOW)
    assert proof.jkt == held.jkt
    assert proof.url == "https://api.example/orders"
    assert parse(held.proof("POST", TOKEN_URL)).jti != parse(held.proof("POST", TOKEN_URL)).jti


async def test_without_a_key_nothing_is_proved_and_nothing_repeated() -> None:
    server = Server(challenge("n1"))
    assert (await proving.send(ground(server), ASKED, None, lambda: 1.0)).status == 400
    assert server.asked == [ASKED]


async def test_r9449_8_b_and_p_08_a_server_that_asks_for_a_nonce_is_asked_again_once_with_it() -> None:
    server = Server(challenge("n1"), answer(200))
    there = ground(server)
    assert (await proving.send(there, ASKED, KEY, lambda: 1.0)).status == 200
    assert nonces_of(server) == ["", "n1"]
    assert {one.body for one in server.asked} == {ASKED.body}
    await proving.send(there, ASKED, KEY, lambda: 1.0)
    assert nonces_of(server) == ["", "n1", "n1"], "the newest nonce goes with the next request at once"


async def test_p_08_a_server_that_asks_for_ever_is_asked_twice() -> None:
    for answers in ([challenge("same")], [challenge(f"n{number}") for number in range(9)]):
        server = Server(*answers)
        assert asks_for_nonce(await proving.send(ground(server), ASKED, KEY, lambda: 1.0))
        assert len(server.asked) == 2


async def test_another_refusal_that_brings_a_nonce_is_not_repeated() -> None:
    """It may have spent the refresh token."""
    server = Server(answer(400, b'{"error": "invalid_grant"}', dpop_nonce="n1"))
    await proving.send(ground(server), ASKED, KEY, lambda: 1.0)
    assert len(server.asked) == 1


async def test_a_good_answer_may_bring_the_next_nonce_and_each_server_has_its_own() -> None:
    server = Server(answer(200, dpop_nonce="n1"))
    there = ground(server)
    await proving.send(there, ASKED, KEY, lambda: 1.0)
    await proving.call(there, Asked("GET", API_URL), Secret("ega_x"), KEY, 1.0)
    await proving.send(there, ASKED, KEY, lambda: 1.0)
    assert nonces_of(server) == ["", "", "n1"]


@pytest.mark.parametrize("nonce", ["", "x" * 300, "é", "a\nb"])
def test_a_nonce_that_no_header_could_carry_is_not_kept(nonce: str) -> None:
    nonces = Nonces()
    assert not nonces.heard(TOKEN_URL, {"dpop-nonce": nonce})
    assert nonces.of(TOKEN_URL) == ""


def test_the_memory_of_nonces_is_bounded() -> None:
    nonces = Nonces()
    for number in range(5_000):
        nonces.heard(f"https://as{number}.example/token", {"dpop-nonce": "n"})
    assert len(nonces._newest) <= 1_000


@pytest.mark.parametrize(
    ("dpop", "kind", "good"),
    [
        (Dpop.REQUIRED, "DPoP", True),
        (Dpop.REQUIRED, "dpop", True),
        (Dpop.REQUIRED, "Bearer", False),
        (Dpop.REQUIRED, "", False),
        (Dpop.SUPPORTED, "Bearer", True),
        (Dpop.SUPPORTED, "DPoP", False),
        (None, "DPoP", False),
        (None, "", True),
    ],
)
def test_r9449_5_d_and_k_12_a_token_of_another_type_than_was_asked_for_is_not_handed_out(dpop, kind, good) -> None:
    provider = Provider("p", "P", dpop=dpop)
    body = json.dumps({"access_token": "a", "refresh_token": "r", "token_type": kind}).encode()
    granted = read(provider, Answer(200, {"content-type": "application/json"}, body, NOW), records=["main"], asked=())
    tokens = granted.tokens["main"]
    assert (tokens.unusable == "") is good
    assert tokens.refresh is not None, "the refresh token counts all the same"
    if dpop is Dpop.REQUIRED and good:
        assert tokens.token_type == "DPoP"


def test_a_key_is_sealed_with_each_token_comes_out_with_them_and_is_wrapped_anew_with_them() -> None:
    old, new = (LocalKek(bytes((number,)) * 32) for number in (1, 2))
    entropy = SeededEntropy()
    before, after = Sealer(Keyring([old]), entropy), Sealer(Keyring([new, old]), entropy)
    bare = Record("con_1", version=3)
    record = sealed.with_tokens(before, "t", bare, access=Secret("a"), refresh=Secret("r"), key=KEY)
    assert record.fingerprint == before.fingerprint("r")
    turned = replace(
        record, access_token=after.rewrap(record.access_token), refresh_token=after.rewrap(record.refresh_token)
    )
    for sealer, one in ((before, record), (after, turned), (after, replace(turned, refresh_token=b""))):
        assert sealed.key_of(sealer, "t", one) == KEY
        assert sealed.access_of(sealer, "t", one) == Secret("a")
    assert sealed.refresh_of(after, "t", turned) == Secret("r")
    plain = sealed.with_tokens(before, "t", bare, access=Secret("a"), refresh=None)
    assert sealed.key_of(before, "t", plain) is None


def test_a_key_that_is_none_is_told_before_anything_is_sent() -> None:
    for text in ("x", "AAAA", "é"):
        with pytest.raises(Unreadable):
            proving.prover(ground(Server()), Secret(text))


def leased(bound: bool) -> Lease:
    return Lease(
        Secret("ega_x"), 1, 0, (), "con_1", "", "bank", "ada", "main", Health.ACTIVE, prover=prover() if bound else None
    )


def test_a_lease_that_is_bound_presents_its_token_for_one_request_at_a_time() -> None:
    lease = leased(bound=True)
    with pytest.raises(BadRequest, match="method and address"):
        lease.headers()
    headers = lease.headers("GET", API_URL)
    assert headers["Authorization"] == "DPoP ega_x"
    Proofs().judge(headers["DPoP"], Wanted("GET", API_URL, "ega_x"), NOW)
    assert lease.headers("GET", API_URL)["DPoP"] != headers["DPoP"]
    assert lease.heard(API_URL, {"dpop-nonce": "n1"})
    assert not lease.heard(API_URL, {"dpop-nonce": "n1"}), "asking again makes sense for a new nonce alone"
    assert parse(lease.headers("GET", API_URL)["DPoP"]).nonce == "n1"
    assert "ega_x" not in repr(lease)


def test_over_the_api_a_lease_says_its_type_and_proves_the_request_that_was_named() -> None:
    told = lease_of(leased(bound=True), "GET", API_URL)
    assert (told.token_type, set(told.header)) == ("DPoP", {"Authorization", "DPoP"})
    plain = lease_of(leased(bound=False), "", "")
    assert (plain.token_type, plain.header) == ("Bearer", {"Authorization": "Bearer ega_x"})
    with pytest.raises(BadRequest):
        lease_of(leased(bound=True), "", "")
