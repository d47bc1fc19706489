"""Whether somebody else has a database open, whatever their URLs call them."""

import psycopg
import pytest

from evergrant.store.postgres.alone import in_use
from evergrant.store.postgres.connection import address, connect
from tests.faults.place import wait_for

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


def test_a_server_is_seen_whatever_its_url_calls_it_and_nobody_else_is(database):
    ours, theirs = address(database), address(f"{database}?application_name=node-1")
    with psycopg.connect(f"{database}?application_name=psql"), connect(address(database, "evergrant keeper")):
        assert not in_use(ours)
    for looking, running in ((ours, theirs), (theirs, ours), (theirs, theirs)):
        with connect(running) as connection:
            assert connection.execute("SHOW application_name").fetchone() == (running.parameters["application_name"],)
            assert in_use(looking)
        assert wait_for(lambda looking=looking: not in_use(looking), 5), "a session ends a moment after its connection"
