"""Where randomness comes from, and that a fork never repeats it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from evergrant.entropy import SeededEntropy, SystemEntropy


@pytest.mark.parametrize("entropy", [SystemEntropy(), SeededEntropy(1)])
@pytest.mark.parametrize("count", [0, 1, 16, 32, 33, 1000])
def test_a_draw_has_the_length_that_was_asked_for(entropy, count):
    assert len(entropy.draw(count)) == count


def test_two_draws_are_never_the_same():
    entropy = SystemEntropy()
    drawn = {entropy.draw(16) for _ in range(10_000)}

    assert len(drawn) == 10_000


def test_o_14_a_forked_child_does_not_repeat_what_its_parent_draws():
    entropy = SystemEntropy()
    entropy.draw(1)  # whatever would be prepared by a first draw is prepared before the fork
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(entropy.draw(32) for _ in range(8)))
        os._exit(0)
    ours = {entropy.draw(32) for _ in range(8)}
    theirs = os.read(reading, 256)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)

    assert len(theirs) == 256
    assert ours.isdisjoint({theirs[at : at + 32] for at in range(0, 256, 32)})


def test_the_same_seed_gives_the_same_stream():
    one, other = SeededEntropy("story"), SeededEntropy(b"story")

    assert [one.draw(n) for n in (16, 48, 5)] == [other.draw(n) for n in (16, 48, 5)]
    assert SeededEntropy(1).draw(32) != SeededEntropy(2).draw(32)


def test_seeded_draws_of_many_threads_share_no_bytes():
    entropy = SeededEntropy(7)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: entropy.draw(32), range(2000)))

    assert len(set(drawn)) == 2000
