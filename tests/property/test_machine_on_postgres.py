"""The invariants of a token family at two nodes over PostgreSQL, in a world moved at random."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from evergrant.store.postgres.connection import address
from evergrant.store.postgres.migrate import migrate
from tests.property.machine import World
from tests.property.postgres_side import PostgresNodes, emptied
from tests.property.sides import Kept

WORLDS = 0.15  # for each example of the profile: every commit is a trip to a server


@pytest.mark.needs("postgres")
def test_inv_1_to_inv_15_hold_at_two_nodes_over_postgresql(postgres):
    url = postgres.database()
    migrate(address(url))
    made = []

    class OnPostgres(World):
        def kept(self) -> Kept:
            made.append(emptied(url))
            return PostgresNodes(url)

    run_state_machine_as_test(
        OnPostgres,
        settings=settings(
            max_examples=int(settings().max_examples * WORLDS),
            stateful_step_count=60,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    assert made
