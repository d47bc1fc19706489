"""The invariants of a token family, in a world moved at random (see `tests.property.machine`)."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machine import World

WORLDS = 1.0  # for each example of the profile


def test_inv_1_inv_2_inv_3_inv_4_inv_5_inv_6_inv_7_inv_8_inv_9_inv_10_inv_11_inv_12_inv_13_inv_15_hold_in_every_world():
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=int(settings().max_examples * WORLDS),
            stateful_step_count=80,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
