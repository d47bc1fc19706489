"""Two real nodes over one database: whatever one did, the other knows, and ends hold against refreshes at the other."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from evergrant.domain import id as ids
from tests.faults.client import (
    CONFIDENTIAL,
    PUBLIC,
    Holder,
    Wanted,
    furnish,
    generation_of,
    get,
    post,
    redeem,
    refresh,
    taken_apart,
)
from tests.faults.history import OK, REFUSED, Answer, History, stored_wrongs, wrongs
from tests.faults.judging import ROTATED, Look
from tests.faults.place import Place, wait_for
from tests.postgres.nodes import noded, started, told
from tests.postgres.remote import signed_in

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.xdist_group("two-nodes")]
EFFECTIVE = 1.0
DOOMED = PUBLIC._replace(name="doomed")


@dataclass
class Scene:
    nodes: list[Place]
    holders: list[Holder]
    url: str
    taken: int = field(default=0)

    def take(self, kind=PUBLIC) -> Holder:
        """A holder that no other test has."""
        holder = next(each for each in self.holders if each.kind is kind)
        self.holders.remove(holder)
        return holder


@pytest.fixture(scope="module")
def scene(tmp_path_factory, postmaster) -> Iterator[Scene]:
    postmaster.create("two_nodes")
    url = postmaster.url(database="two_nodes")
    with noded(tmp_path_factory.mktemp("nodes"), url) as nodes:
        holders = furnish(nodes[0].data, Wanted((PUBLIC, CONFIDENTIAL, DOOMED), each=24, people=24), url)
        started(nodes)
        yield Scene(nodes, holders, url)


def test_a_person_signs_in_through_both_nodes_and_refreshes_at_either(scene):
    holder = scene.take()
    code = signed_in(scene.nodes, holder)
    first = redeem(scene.nodes[1], holder, code)
    assert first.status == 200, first.body
    token = first.token
    for at in range(6):
        reply = refresh(scene.nodes[at % 2], holder, token)
        assert reply.status == 200, reply.body
        assert generation_of(reply.token) == at + 1
        token = reply.token
    assert redeem(scene.nodes[0], holder, code).error == "invalid_grant", "a code works once, wherever"


@pytest.mark.parametrize("kind", [PUBLIC, CONFIDENTIAL], ids=lambda kind: kind.name)
@pytest.mark.parametrize("crowd", [2, 16, 64])
def test_rt_06_rt_07_parallel_refreshes_of_one_token_at_two_nodes_are_one_successor_and_as_many_answers(
    scene, kind, crowd
):
    holder = scene.take(kind)
    for turn in range(3):
        together = threading.Barrier(crowd)

        def ask(at: int, together=together, holder=holder):
            together.wait()
            return refresh(scene.nodes[at % 2], holder)

        with ThreadPoolExecutor(crowd) as pool:
            replies = list(pool.map(ask, range(crowd)))
        assert [reply.status for reply in replies] == [200] * crowd
        (successor,) = {reply.token for reply in replies}
        look = Look(scene.url, holder.family)
        look.agrees_with_itself()
        assert look.told(ROTATED) == list(range(1, turn + 2))
        holder.token = successor


# ---- ends, against refreshes at the other node


ENDS: dict[str, Callable[[Scene, Holder], None]] = {
    "revocation": lambda scene, holder: _ok(post(scene.nodes[0], "/revoke", holder, token=holder.token)),
    "end of the family": lambda scene, holder: _told(
        scene, "family", "end", ids.text(ids.Kind.FAMILY, holder.family), "--reason", "a test"
    ),
    "user disabled": lambda scene, holder: _told(scene, "user", "disable", holder.person),
    "user deleted": lambda scene, holder: _told(scene, "user", "delete", holder.person, "--yes"),
    "password changed": lambda scene, holder: _told(scene, "user", "password", holder.person, "--generate"),
    "client deleted": lambda scene, holder: _told(scene, "client", "delete", holder.client_id, "--yes"),
}


def _ok(reply):
    assert reply.status == 200, reply.body


def _told(scene, *words):
    told(scene.nodes[0], *words)


@pytest.mark.parametrize("how", ENDS)
def test_rt_14_rt_15_inv_5_an_end_at_one_node_holds_against_refreshes_at_the_other(scene, how):
    """Clients refresh at both nodes without a pause while it is ended; one linear order must explain what they got."""
    holder = scene.take(DOOMED if how == "client deleted" else PUBLIC)
    history = History(holder.family, rotates=True, first=holder.token)
    over = threading.Event()

    def present(at: int) -> None:
        presented, began = holder.token, time.monotonic()
        reply = refresh(scene.nodes[at % 2], holder, presented)
        got = reply.token if reply.status == OK else ""
        answer = Answer(began, time.monotonic(), presented, reply.status, got)
        (history.answers if reply.status in {OK, REFUSED} else history.unanswered).append(answer)

    def live() -> None:
        """Four tabs wake at the same moment, again and again."""
        with ThreadPoolExecutor(4) as tabs:
            while not over.is_set():
                list(tabs.map(present, range(4)))
                holder.token = max((answer.got or holder.token for answer in history.answers[-4:]), key=generation_of)

    with ThreadPoolExecutor(1) as pool:
        living = pool.submit(live)
        try:
            assert wait_for(lambda: len(history.refreshed) > 20)
            history.ending = time.monotonic()
            ENDS[how](scene, holder)
            history.ended = time.monotonic()
            assert wait_for(lambda: sum(answer.began > history.ended for answer in list(history.answers)) > 8)
        finally:
            over.set()
        living.result(30)
    assert wrongs(history) == []
    assert stored_wrongs(scene.url, [history]) == []
    assert any(answer.status == REFUSED for answer in history.answers)


# ---- what is cached is never old for long


def test_a_client_that_is_registered_or_changed_is_known_at_every_node_within_a_second(scene):
    added = json.loads(told(scene.nodes[0], "client", "add", "Late", "--type", "service", "--json"))
    began = time.monotonic()
    client = Holder(CONFIDENTIAL, added["id"], added["secret"], "", "")
    for node in scene.nodes:
        assert wait_for(lambda node=node: _its_own(node, client) == 200, EFFECTIVE)
    told(scene.nodes[0], "client", "delete", added["id"], "--yes")
    gone = time.monotonic()
    for node in scene.nodes:
        assert wait_for(lambda node=node: _its_own(node, client) == 401, EFFECTIVE)
    assert time.monotonic() - gone < EFFECTIVE
    assert gone > began


def _its_own(node, client):
    return post(node, "/token", client, grant_type="client_credentials").status


def test_o_11_new_signing_keys_are_published_and_used_by_every_node_within_a_second(scene):
    def published(node) -> set[str]:
        return {key["kid"] for key in json.loads(get(node, "/jwks").body)["keys"]}

    before = published(scene.nodes[1])
    told(scene.nodes[0], "key", "rotate")
    assert wait_for(lambda: published(scene.nodes[1]) - before, EFFECTIVE)
    assert published(scene.nodes[0]) == published(scene.nodes[1]) >= before


def test_o_10_tokens_are_authentic_at_every_node_and_taken_apart_alike(scene):
    holder = scene.take()
    family, generation, _ = taken_apart(holder.token)
    for node in scene.nodes:
        reply = refresh(node, holder)
        assert taken_apart(reply.token)[:2] == (family, generation + 1)
