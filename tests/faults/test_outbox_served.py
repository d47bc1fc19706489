"""The outbox of a real server: one sender among its workers, ends of other processes, and nothing lost when it dies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import jwt

from tests.faults.client import CONFIDENTIAL, Holder, Wanted, furnish, get
from tests.faults.place import PLAIN, Place, placed, said_by, wait_for
from tests.receiving import Receiver, checked, receiving


@contextmanager
def running(folder, families: int) -> Iterator[tuple[Place, list[Holder], Receiver]]:
    """Two workers, people with a session each at one client, and that client's back channel."""
    with placed(folder, 2, module=PLAIN) as place, receiving() as receiver:
        holders = furnish(place.data, Wanted((CONFIDENTIAL,), each=families, people=families))
        name = CONFIDENTIAL.name
        said_by(place.command("client", "update", name, "--backchannel-logout-uri", receiver.address, "--json"))
        place.start()
        yield place, holders, receiver


def disable(place: Place, holder: Holder) -> None:
    """As an operator does, beside the server."""
    said_by(place.command("user", "disable", holder.person, "--json"))


def names(receiver: Receiver) -> list[str]:
    """The `jti` of each token that came, in the order they came."""
    return [jwt.decode(token, options={"verify_signature": False})["jti"] for token in receiver.tokens()]


def test_bcl_2_4_a_sessions_ended_beside_the_server_are_told_once_each_by_one_of_its_workers(tmp_path):
    with running(tmp_path, 3) as (place, holders, receiver):
        for holder in holders:
            disable(place, holder)
        assert wait_for(lambda: len(receiver.got) >= 3, 30)
        keys, issuer = json.loads(get(place, "/jwks").body), f"http://127.0.0.1:{place.port}"
        for token in receiver.tokens():
            assert checked(token, keys, holders[0].client_id, issuer, "logout+jwt")["sid"].startswith("ses_")
        assert place.terminate() == 0
        assert len(set(names(receiver))) == len(names(receiver)) == 3


def test_a_sender_that_dies_before_the_answer_sends_again_when_it_is_back(tmp_path):
    with running(tmp_path, 1) as (place, holders, receiver):
        receiver.slow = 30
        disable(place, holders[0])
        assert wait_for(lambda: len(receiver.got) == 1, 30)
        place.kill()
        receiver.slow = 0
        receiver.released.set()
        place.start()
        # The lease of the dead one has first to end.
        assert wait_for(lambda: len(receiver.got) == 2, 60)
        assert len(set(names(receiver))) == 1
