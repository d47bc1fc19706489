"""How fast one may guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.throttle import Bucket, Pace, failed, wait

PACE = Pace(free=3, base=2, most=60, window=900)
NOW = 1_800_000_000


def fail(times: int, pace: Pace = PACE, now: int = NOW, step: int = 0) -> Bucket:
    bucket = None
    for n in range(times):
        bucket = failed("k", bucket, pace, now + n * step)
    assert bucket is not None
    return bucket


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0), (3, 0), (4, 2), (5, 4), (6, 8), (7, 16), (8, 32), (9, 60), (10, 60), (500, 60)]
)
def test_s_08_the_wait_doubles_after_the_free_failures_up_to_the_most(failures, seconds):
    bucket = fail(failures)
    assert wait(bucket, NOW) == seconds
    assert bucket.failures == failures
    assert wait(bucket, NOW + seconds) == 0
    assert seconds == 0 or wait(bucket, NOW + seconds - 1) == 1


def test_nobody_waits_before_a_failure():
    assert wait(None, NOW) == 0


def test_a_quiet_window_forgets_everything():
    bucket = fail(9)
    assert wait(bucket, bucket.ends_at) == 0
    assert failed("k", bucket, PACE, bucket.ends_at) == Bucket(
        "k", 1, bucket.ends_at, bucket.ends_at, bucket.ends_at + 900
    )
    assert failed("k", bucket, PACE, bucket.ends_at - 1).failures == 10


def test_every_failure_begins_the_window_again_and_remembers_the_first():
    bucket = fail(5, step=800)
    assert (bucket.failures, bucket.since) == (5, NOW)
    assert bucket.ends_at == NOW + 4 * 800 + 900


def test_a_wait_longer_than_the_window_is_not_forgotten_before_it_is_over():
    bucket = fail(20, Pace(0, 60, 86_400, 600))
    assert bucket.ends_at == bucket.open_at == NOW + 86_400
    assert wait(bucket, NOW + 86_399) == 1


@given(
    st.builds(Pace, st.integers(0, 20), st.integers(0, 100), st.integers(0, 10**6), st.integers(0, 10**6)),
    st.lists(st.integers(-100, 10_000), min_size=1, max_size=60),
)
def test_a_wait_is_never_negative_nor_more_than_the_most(pace, steps):
    bucket, now = None, NOW
    for step in steps:
        now += step
        bucket = failed("k", bucket, pace, now)
        assert 0 <= wait(bucket, now) <= pace.most
        assert now <= bucket.open_at <= bucket.ends_at
        assert bucket.failures >= 1


def test_counting_for_years_overflows_nothing():
    bucket = Bucket("k", 2**62, NOW, NOW, NOW + 900)
    assert wait(failed("k", bucket, PACE, NOW), NOW) == 60
