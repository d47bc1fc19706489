"""An asynchronous standby is promoted and lacks the last commits: detected from the tokens, named, no theft (O-03)."""

import time

import pytest

from evergrant.domain.reason import Reason, Refusal
from tests.faults.client import CONFIDENTIAL, PUBLIC, Reply, Wanted, furnish, generation_of, get, refresh, taken_apart
from tests.faults.judging import Look
from tests.faults.linear import Kind, Operation, Outcome, Rules, Token, explained
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import Scene
from tests.postgres.nodes import noded, started, told

pytestmark = pytest.mark.needs("postgres")
TOLD = 1.0
"""Seconds within which every node has heard of a loss that was declared."""


@pytest.fixture
def scene(tmp_path, pair):
    with pair(synchronous=False) as servers, noded(tmp_path, servers.url, 2) as nodes:
        holders = furnish(nodes[0].data, Wanted((PUBLIC, CONFIDENTIAL), each=3), servers.url)
        started(nodes)
        yield servers, Scene(nodes, holders, servers.primary.url())


def turns(scene: Scene, holder, count: int) -> None:
    for _ in range(count):
        reply = refresh(scene.node, holder)
        assert reply.status == 200, reply.body
        holder.token = reply.token


def lose(servers, scene: Scene, holders, count: int = 2) -> list[str]:
    """Rotations that are told and lost; the tokens from before them. Everybody then holds a token of the future."""
    for holder in scene.holders:
        turns(scene, holder, 1)
    assert wait_for(lambda: Look(servers.standby.url(), scene.holders[-1].family).generation == 1)
    servers.hold_back()
    before = [holder.token for holder in holders]
    for holder in holders:
        turns(scene, holder, count)
    servers.fail_over()
    scene.url = servers.primary.url()
    assert wait_for(lambda: all(get(node, "/readyz").status == 200 for node in scene.nodes))
    return before


def refused(reply: Reply) -> None:
    assert (reply.status, reply.error) == (400, "invalid_grant"), reply


def test_o_03_tokens_of_the_future_are_an_operators_event_and_their_families_unharmed(scene):
    servers, clients = scene
    lose(servers, clients, clients.holders)
    for holder in clients.holders:
        before = Look(clients.url, holder.family)
        refused(refresh(clients.node, holder))
        refused(refresh(clients.nodes[1], holder))
        after = Look(clients.url, holder.family)
        assert after.row == before.row, "a family was harmed by a loss that was ours"
        assert [what for what, _ in after.events[len(before.events) :]] == ["family.ahead"] * 2
        assert not after.told("family.reused")
    counted = get(clients.node, "/metrics").body.decode()
    ahead = next(
        line for line in counted.splitlines() if line.startswith("evergrant_refusals_total") and Refusal.AHEAD in line
    )
    assert float(ahead.rpartition(" ")[2]) == len(clients.holders)
    said = told(clients.node, "event", "list", "--family", Look(clients.url, holder.family).name, "--json")
    assert said.count("family.ahead") == 2


def test_o_03_an_older_copy_goes_on_and_one_history_with_one_loss_explains_it(scene):
    """Whoever kept the token from before the loss is given a new successor; the lost one is then a forged one."""
    servers, clients = scene
    holder = clients.holders[0]
    told_ = []

    def present(token: str) -> Reply:
        began = time.monotonic()
        reply = refresh(clients.node, holder, token)
        got = reply.token if reply.status == 200 else ""
        outcome = Outcome.GIVEN if got else Outcome.REFUSED
        told_.append(Operation(began, time.monotonic(), Kind.PRESENT, outcome, _token(token), _token(got)))
        return reply

    first = holder.token
    kept = present(first).token
    assert wait_for(lambda: Look(servers.standby.url(), holder.family).generation == 1)
    servers.hold_back()
    lost = present(kept).token
    began = time.monotonic()
    servers.fail_over()
    told_.append(Operation(began, time.monotonic(), Kind.LOSS, Outcome.DONE))
    clients.url = servers.primary.url()
    assert wait_for(lambda: get(clients.node, "/readyz").status == 200)
    refused(present(lost))
    again = present(kept)
    assert again.status == 200
    assert again.token != lost
    refused(present(lost))
    assert present(again.token).status == 200
    look = Look(clients.url, holder.family)
    assert look.row["ended_at"] is None
    assert not look.told("family.reused")
    found = explained([op for op in told_ if op], _token(first), Rules(overlap=86_400))
    assert found.wrong == ""
    without = [op for op in told_ if op.kind is not Kind.LOSS]
    assert explained(without, _token(first), Rules(overlap=86_400)).wrong, "the loss is needed to explain it"


def _token(text: str) -> Token | None:
    return Token(*taken_apart(text)[1:]) if text else None


def test_o_03_once_the_loss_is_declared_clients_that_prove_themselves_go_on_and_nobody_is_a_thief(scene):
    servers, clients = scene
    losers = [holder for holder in clients.holders if holder is not clients.holders[0]]
    lose(servers, clients, losers)
    told(clients.node, "restore", "--declare", "--failover", "--yes")
    time.sleep(TOLD)
    spared = clients.holders[0]
    assert refresh(clients.nodes[1], spared).status == 200, "whoever lost nothing notices nothing"
    for holder in losers:
        reply = refresh(clients.nodes[1], holder)
        look = Look(clients.url, holder.family)
        if holder.kind is CONFIDENTIAL:
            assert reply.status == 200, reply.body
            assert generation_of(reply.token) == generation_of(holder.token) + 1
            assert look.told("family.adopted")
            holder.token = reply.token
            turns(clients, holder, 2)
        else:
            refused(reply)
            assert look.row["reason"] == Reason.RESTORED
        assert not look.told("family.reused")
    assert servers.primary.ask("SELECT count(*) FROM evergrant.notice") == [(0,)]


def test_o_13_a_database_that_was_put_back_by_other_means_is_declared_and_no_client_is_a_thief(scene):
    """A point in time recovery: everybody's spent tokens look unspent, until an operator says what happened."""
    servers, clients = scene
    lose(servers, clients, clients.holders)
    told(clients.node, "restore", "--declare", "--yes")
    time.sleep(TOLD)
    for holder in clients.holders:
        reply = refresh(clients.node, holder)
        assert (reply.status == 200) == (holder.kind is CONFIDENTIAL), reply.body
        assert not Look(clients.url, holder.family).told("family.reused")
