"""Migrations: applied once, by one at a time, and refused where an old release would write what it does not know."""

import threading

import pytest

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.migrate import ISSUER, Room, is_there, migrate, pending, step, steps

pytestmark = pytest.mark.needs("postgres")
NOTES = Room("evergrant.store.postgres", "evergrant_notes")


def _step(number, kind="expand", works_with=None, sql="SELECT 1"):
    text = f"-- kind: {kind}\n-- works with: {number - 1 if works_with is None else works_with:04}\n{sql}"
    return step(f"{number:04}_step.sql", text)


def test_an_empty_database_gets_every_step_once(database):
    place = address(database)
    names = [one.name for one in steps()]
    assert not is_there(place)
    assert pending(place) == names
    assert migrate(place) == names
    assert pending(place) == migrate(place) == []
    assert is_there(place)


def test_many_that_migrate_at_once_apply_each_step_once(database):
    place, told = address(database), []
    threads = [threading.Thread(target=lambda: told.append(migrate(place))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, told)) == [0] * 7 + [len(steps())]


def test_a_step_that_fails_leaves_nothing_of_its_run(database):
    place = address(database)
    bad = [_step(1, sql="CREATE TABLE evergrant_notes.one (n int)"), _step(2, sql="CREATE TABLE nowhere.two (n int)")]
    with pytest.raises(StoreUnusable, match="tables are not there"):
        migrate(place, NOTES, bad)
    assert not is_there(place, NOTES)
    assert migrate(place, NOTES, bad[:1]) == ["0001_step.sql"]


def test_two_rooms_live_in_one_database(database):
    place = address(database)
    migrate(place)
    assert not is_there(place, NOTES)
    assert migrate(place, NOTES, [_step(1)]) == ["0001_step.sql"]
    assert is_there(place, NOTES)
    assert pending(place, ISSUER) == []


def test_a_changed_past_is_noticed(database):
    place = address(database)
    migrate(place, NOTES, [_step(1)])
    with pytest.raises(StoreUnusable, match="not the one that was applied"):
        migrate(place, NOTES, [_step(1, sql="SELECT 2")])


def test_a_release_goes_on_beside_an_expansion_and_stops_at_a_contraction(database):
    place = address(database)
    old, expanded = [_step(1)], [_step(1), _step(2)]
    contracted = [*expanded, _step(3, "contract", works_with=3)]
    migrate(place, NOTES, expanded)
    assert pending(place, NOTES, old) == migrate(place, NOTES, old) == []
    migrate(place, NOTES, contracted)
    for known in (old, expanded):
        for verb in (pending, migrate):
            with pytest.raises(StoreUnusable, match="made by a newer release"):
                verb(place, NOTES, known)
    assert pending(place, NOTES, contracted) == []


def test_every_step_says_its_kind_and_what_it_works_with():
    for one in steps():
        assert one.works_with in {one.number - 1, one.number}
    with pytest.raises(ValueError, match="its kind"):
        step("0009_mute.sql", "SELECT 1")


def test_the_tables_stay_apart_from_whatever_else_is_in_the_database(database):
    place = address(database)
    migrate(place)
    with connect(place) as connection:
        made = connection.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
    assert made == [("evergrant",)]
