"""What has ended: a million of them in little memory, found at once, forgotten in time, and exactly as it was meant."""

import sys
import time
import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.ending import Ending
from evergrant.resource.access import Access
from evergrant.resource.ended import ALIVE, Ended, Marks

NOW = 1_800_000_000
MILLION = 1_000_000


def access(**claims: Any) -> Access:
    return Access(
        issuer="i", subject=claims.get("sub", ""), client_id=claims.get("client_id", ""), scopes=frozenset(),
        audience=("a",), expires_at=NOW + 600, issued_at=claims.get("iat"), claims=claims,
        id=claims.get("jti", ""), family=claims.get("fam", ""),
    )  # fmt: skip


NAMES = st.sampled_from(["", "a", "b"])
ENDINGS = st.builds(
    Ending,
    at=st.integers(NOW - 2, NOW + 2),
    until=st.just(NOW + 900),
    families=st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(tuple),
    jti=NAMES,
    account_id=NAMES,
    client_id=NAMES,
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "fam": st.sampled_from(["a", "b", "c"]), "jti": st.sampled_from("ab"), "sub": st.sampled_from("ab"),
        "client_id": st.sampled_from("ab"), "fam_client": st.sampled_from("ab"),
        "iat": st.integers(NOW - 3, NOW + 3), "jti_from": st.lists(st.sampled_from(["a", "b", "c", 7]), max_size=2),
    },
)  # fmt: skip


@given(st.lists(ENDINGS, max_size=4), CLAIMS)
def test_the_memory_of_endings_agrees_with_what_each_of_them_means(endings: list[Ending], claims: Any) -> None:
    ended = Ended()
    for each in endings:
        ended.add(each, NOW)
    assert bool(ended.covers(access(**claims))) is any(each.takes(claims) for each in endings)


def test_names_are_found_with_their_latest_instant_and_forgotten_in_time() -> None:
    marks = Marks()
    marks.add("a", 10, 100, 0)
    marks.add("b", 20, 50, 0)
    marks.add("a", 5, 120, 0)
    assert (marks.at("a"), marks.at("b"), marks.at("c"), len(marks)) == (10, 20, ALIVE, 2)
    marks.sweep(50)
    assert (marks.at("a"), marks.at("b"), len(marks)) == (10, ALIVE, 1)
    marks.add("late", 1, 40, 50)
    assert marks.at("late") == ALIVE
    marks.sweep(120)
    assert len(marks) == 0


def test_the_past_goes_by_itself_while_new_ends_come() -> None:
    marks = Marks()
    for place in range(1_000):
        marks.add(f"old-{place}", 0, 10, 0)
    for place in range(1_000):
        marks.add(f"new-{place}", 20, 2_000, 20 + place)
    assert len(marks) == 1_000


def test_revisions_move_with_every_ending() -> None:
    ended = Ended()
    for count in range(3):
        assert ended.revision == count
        ended.add(Ending(NOW, NOW + 9, jti=str(count)), NOW)
    assert len(ended) == 3


@pytest.mark.long
def test_a_million_ended_families_take_little_memory_and_a_lookup_little_time() -> None:
    names = [f"fam_{place:022d}" for place in range(1_000)]
    ended, begun = Ended(), time.monotonic()
    for place in range(0, MILLION, 100):
        ended.add(Ending(NOW, NOW + 900, tuple(f"fam_{each:022d}" for each in range(place, place + 100))), NOW)
    spent = time.monotonic() - begun
    marks = ended._marks["fam",]
    used = sys.getsizeof(marks._buckets) + sum(map(sys.getsizeof, marks._buckets))
    assert len(ended) == MILLION
    assert used <= 64 << 20
    assert all(marks.at(name) != ALIVE for name in names)
    fresh = [f"ses_{place:022d}" for place in range(1_000)]
    assert all(marks.at(name) == ALIVE for name in fresh)
    hit, miss = (
        min(timeit.repeat(lambda given=given: [marks.at(name) for name in given], number=10, repeat=5)) / 10_000
        for given in (names, fresh)
    )
    print(f"{spent:.1f} s to add, {used / (1 << 20):.1f} MiB, {hit * 1e9:.0f} ns found, {miss * 1e9:.0f} ns not found")
