"""What must hold while a database is of no use, and once it is again: for tests of every kind of trouble.

What lives here: one node and its clients over a wire, and the assertions that all troubles share. What must not: a
trouble (the tests).
"""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.faults.client import KINDS, Holder, Reply, Wanted, furnish, get, refresh
from tests.faults.judging import Look
from tests.faults.place import Place, wait_for
from tests.postgres.nodes import noded, started
from tests.postgres.postmaster import Postmaster
from tests.postgres.proxy import Proxy

PATIENCE = 40


@dataclass
class Scene:
    """Nodes, their clients, and where the database can be looked at past the wire."""

    nodes: list[Place]
    holders: list[Holder]
    url: str

    @property
    def node(self) -> Place:
        return self.nodes[0]


@contextlib.contextmanager
def staged(
    folder: Path, postmaster: Postmaster, wire: Proxy, database: str, count: int = 1, kinds=KINDS, **more
) -> Iterator[Scene]:
    """Running nodes that reach *database* over *wire*, and a client of each kind."""
    url = postmaster.url(database=database)
    with played(folder, postmaster.url(wire.port, database), url, count, kinds, **more) as scene:
        yield scene


@contextlib.contextmanager
def played(folder: Path, way: str, url: str, count: int = 1, kinds=KINDS, **more) -> Iterator[Scene]:
    """Running nodes that reach a database by *way*, a URL, and a client of each kind; *url*: where it is looked at."""
    with noded(folder, way, count, **more) as nodes:
        holders = furnish(nodes[0].data, Wanted(kinds), url)
        started(nodes)
        yield Scene(nodes, holders, url)


def unavailable(reply: Reply) -> bool:
    """Whether an answer is the one for a store in trouble, exactly; anything else that is no 200 is a failure."""
    if reply.status == 200:
        return False
    assert (reply.status, reply.error) == (503, "temporarily_unavailable"), reply
    assert int(reply.retry_after) >= 1
    return True


def in_trouble(scene: Scene, *, looks: bool = True) -> None:
    """Everything that must hold while the database is of no use to the node; *looks*: it can be looked at."""
    node, holder = scene.node, scene.holders[0]
    before = Look(scene.url, holder.family) if looks else None
    with ThreadPoolExecutor(len(scene.holders)) as pool:  # each is waited for as long as the node waits
        replies = list(pool.map(lambda each: refresh(node, each, patience=PATIENCE), scene.holders))
    assert all(map(unavailable, replies)), "answered although nothing can be written"
    assert get(node, "/healthz").status == 200, "a supervisor must not restart a node for its database"
    assert wait_for(lambda: get(node, "/readyz").status == 503, 10)
    assert get(node, "/metrics").status == 200
    if before is not None:
        after = Look(scene.url, holder.family)
        assert (after.row, after.events, after.others) == (before.row, before.events, before.others)


def over(scene: Scene) -> None:
    """Without a restart: the same token is answered by one successor, however often, and every client goes on."""
    assert wait_for(lambda: all(get(node, "/readyz").status == 200 for node in scene.nodes), 30)
    for holder in scene.holders:
        goes_on(scene, holder)
    for node in scene.nodes:
        assert "Traceback" not in node.log.read_text()


def goes_on(scene: Scene, holder: Holder, spent: int = 0) -> None:
    """A client presents what it holds, twice, and then what it got. *spent*: it was rotated already, unanswered."""
    before = Look(scene.url, holder.family)
    first, second = refresh(scene.node, holder), refresh(scene.nodes[-1], holder)
    assert (first.status, second.status) == (200, 200), (first.body, second.body)
    assert first.token == second.token
    after = Look(scene.url, holder.family)
    after.agrees_with_itself()
    assert after.generation == before.generation + (holder.kind.rotates and not spent)
    assert after.holds(first.token)
    holder.token = first.token
    further = refresh(scene.node, holder)
    assert further.status == 200
    holder.token = further.token
