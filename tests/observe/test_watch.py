"""What the operator is told about requests."""

import logging
from dataclasses import dataclass

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.reason import Refusal
from evergrant.entropy import SeededEntropy
from evergrant.observe.metrics import Metrics
from evergrant.observe.watch import Watch
from evergrant.protocol.error import Code, Refused, refused


@dataclass
class Asked:
    method: str = "POST"
    network: str = "192.0.2.1"
    agent: str = "curl"


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def watch(clock, caplog):
    caplog.set_level(logging.INFO, "evergrant.requests")
    return Watch(Metrics(endpoints=("token",)), clock, SeededEntropy(1), sample=100)


def counted(watch, line):
    return line in watch.metrics.render().decode().splitlines()


def test_each_answer_is_counted_and_one_in_a_hundred_told(watch, caplog):
    for _ in range(200):
        watch.answered("token", 200, 0.003)

    assert counted(watch, 'evergrant_request_seconds_count{endpoint="token"} 200')
    assert counted(watch, 'evergrant_answers_total{status="2xx"} 200')
    assert [record.message for record in caplog.records] == ["request answered"] * 2


def test_a_refusal_is_counted_told_with_its_detail_and_named(watch, caplog):
    identity = watch.refused("token", Refused(Code.INVALID_GRANT, "for the client", "family ended: idle"), Asked())

    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.evergrant_fields["error_id"] == identity
    assert record.evergrant_fields["detail"] == "family ended: idle"
    assert record.evergrant_fields["network"] == "192.0.2.1"
    assert counted(watch, 'evergrant_refusals_total{reason="invalid_grant"} 1')


@pytest.mark.parametrize("alarm", [Refusal.AHEAD, Refusal.FORGED])
def test_o_03_what_only_an_operator_can_mend_is_a_warning_and_drowns_in_no_flood(watch, caplog, alarm):
    for _ in range(1_000):
        watch.refused("token", refused(Refusal.MALFORMED), Asked())
    identity = watch.refused("token", refused(alarm), Asked())

    record = caplog.records[-1]
    assert record.levelno == logging.WARNING
    assert record.evergrant_fields["reason"] == alarm
    assert record.evergrant_fields["error_id"] == identity


def test_trouble_of_ours_is_a_warning_and_a_fault_an_error_with_its_traceback(watch, caplog):
    watch.refused("token", Refused(Code.TEMPORARILY_UNAVAILABLE, "again", "disk full"), Asked())
    identity = watch.failed("token", ZeroDivisionError("never"))

    refused, failed = caplog.records
    assert refused.levelno == logging.WARNING
    assert failed.levelno == logging.ERROR
    assert failed.evergrant_fields == {"error_id": identity, "endpoint": "token"}
    assert failed.exc_info is not None
    assert counted(watch, 'evergrant_refusals_total{reason="server_error"} 1')


def test_a_11_a_flood_is_counted_whole_and_told_in_part(watch, caplog):
    for _ in range(500):
        watch.refused("token", Refused(Code.INVALID_CLIENT, "no"), Asked())
    watch.look_round()

    assert counted(watch, 'evergrant_refusals_total{reason="invalid_client"} 500')
    assert len(caplog.records) == 21
    assert caplog.records[-1].evergrant_fields["suppressed"] == 480


def test_o_09_a_step_of_the_clock_rings_once(watch, clock, caplog):
    clock.set(clock.now() - 3600)
    watch.look_round()
    watch.look_round()

    (alarm,) = caplog.records
    assert alarm.levelno == logging.ERROR
    assert alarm.evergrant_fields == {"seconds": -3600, "steps": 1}
