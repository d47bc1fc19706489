"""The log cannot be flooded, and nothing that is left out is left untold."""

import logging

import pytest

from evergrant.clock import FixedClock
from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.observe.sampling import MOST_REASONS, RefusalLog, Sampler, error_id

LOG = logging.getLogger("evergrant.test.sampling")


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, LOG.name)
    return lambda: [
        (record.message, dict(record.evergrant_fields)) for record in caplog.records if record.name == LOG.name
    ]


def test_a_11_a_flood_of_refusals_is_a_few_lines_and_a_number(told):
    clock = FixedClock()
    refusals = RefusalLog(LOG, clock, burst=3, window=10)
    written = [refusals.tell("invalid_grant", network="192.0.2.1") for _ in range(1000)]

    assert sum(written) == 3
    assert len(told()) == 3

    clock.advance(10)
    assert refusals.tell("invalid_grant")

    (_, *_, (sentence, said), _) = told()
    assert sentence == "more requests were refused than are logged one by one"
    assert said == {"reason": "invalid_grant", "suppressed": 997, "seconds": 10}


def test_a_11_one_reason_does_not_hide_another(told):
    refusals = RefusalLog(LOG, FixedClock(), burst=1, window=10)
    for _ in range(100):
        refusals.tell("invalid_grant")

    assert refusals.tell("store_went_backwards")


def test_a_11_what_was_left_out_is_told_at_the_end(told):
    refusals = RefusalLog(LOG, FixedClock(), burst=1, window=10)
    for _ in range(5):
        refusals.tell("invalid_grant")
    refusals.flush()
    refusals.flush()

    assert [said["suppressed"] for _, said in told() if "suppressed" in said] == [4]


def test_a_11_a_quiet_window_begins_again(told):
    clock = FixedClock()
    refusals = RefusalLog(LOG, clock, burst=2, window=10)
    for _ in range(5):
        assert refusals.tell("invalid_grant")
        clock.advance(10)

    assert len(told()) == 5


def test_a_11_invented_reasons_do_not_fill_the_memory(told):
    refusals = RefusalLog(LOG, FixedClock(), burst=1, window=10)
    for number in range(10_000):
        refusals.tell(f"invented-{number}")
    refusals.flush()

    assert len(told()) <= MOST_REASONS + 2


@pytest.mark.parametrize(("one_in", "expected"), [(0, 0), (1, 1000), (100, 10), (3, 334)])
def test_ordinary_requests_are_told_one_in_so_many(one_in, expected):
    sampler = Sampler(one_in)

    assert sum(sampler.due() for _ in range(1000)) == expected


def test_an_error_id_can_be_read_out_and_is_not_repeated():
    ids = {error_id(SystemEntropy()) for _ in range(10_000)}

    assert len(ids) == 10_000
    assert all(len(each) == 10 and each.isalnum() and each == each.lower() for each in ids)
    assert error_id(SeededEntropy(1)) == error_id(SeededEntropy(1))
