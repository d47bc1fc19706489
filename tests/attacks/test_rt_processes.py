"""One token, many presenters, several server processes on one file: one successor, and nobody is turned away."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest

from evergrant.domain.event import What
from tests.attacks.processes import families_of, server, signed_in, storm

pytestmark = pytest.mark.long
PRESENTERS = 64


@pytest.mark.parametrize(("servers", "workers"), [(1, 2), (3, 1)])
def test_rt_06_rt_07_and_inv_1_presenters_in_several_processes_get_one_successor(
    tmp_path: Path, servers: int, workers: int
) -> None:
    held = asyncio.run(signed_in(tmp_path, 1))
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(server(tmp_path, workers)) for _ in range(servers)]
        replies = asyncio.run(storm(ports, held * PRESENTERS))
    assert Counter(reply.status for reply in replies) == {200: PRESENTERS}
    assert len({reply.members["refresh_token"] for reply in replies}) == 1
    (family,), trail = asyncio.run(families_of(tmp_path, held))
    assert family.head.generation == 1
    assert family.ended is None
    assert trail[What.FAMILY_ROTATED] == 1
    assert trail[What.FAMILY_REPEATED] == PRESENTERS - 1


def test_rt_06_sixteen_families_presented_four_times_each_over_two_servers(tmp_path: Path) -> None:
    everyone = asyncio.run(signed_in(tmp_path, 16))
    with server(tmp_path, 1) as one, server(tmp_path, 1) as other:
        replies = asyncio.run(storm([one, other], [held for held in everyone for _ in range(4)]))
    assert Counter(reply.status for reply in replies) == {200: 64}
    successors = [{reply.members["refresh_token"] for reply in replies[at : at + 4]} for at in range(0, 64, 4)]
    assert [len(each) for each in successors] == [1] * 16
    families, trail = asyncio.run(families_of(tmp_path, everyone))
    assert {family.head.generation for family in families} == {1}
    assert (trail[What.FAMILY_ROTATED], trail[What.FAMILY_REPEATED]) == (16, 48)
