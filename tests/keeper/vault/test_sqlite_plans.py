"""No question of a vault goes over every row: what it costs does not grow with what is kept."""

import re

import apsw
import pytest

from evergrant.keeper.vault.port import Wanted
from evergrant.keeper.vault.sqlite import SqliteVault, reading
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    claimed,
    closed,
    connected,
    event,
    intent,
    letter,
    pending,
    record,
    step,
)

WHOLE = {
    "SCAN CONSTANT ROW",  # the clock
    "SCAN trail",  # its only row
    "SCAN event",  # in order of number, with a limit
    "SCAN i USING INDEX intent_open",  # only what is open
    "SCAN connection USING COVERING INDEX connection_health",  # counting is counting
    "SCAN api_key USING INDEX sqlite_autoindex_api_key_1",  # a handful
    "SCAN kept",  # two or three
}


@pytest.fixture
async def asked(tmp_path, monkeypatch):
    """Every statement that the verbs of the port have run, with its values."""
    path, seen = tmp_path / "keeper.db", {}

    def trace(_cursor, sql, values):
        seen.setdefault(sql, values or ())
        return True

    def traced(*given, **more):
        made = connect(*given, **more)
        made.exec_trace = trace
        return made

    connect = reading.connect
    monkeypatch.setattr(reading, "connect", traced)
    vault = SqliteVault.open(path)
    vault._writer._connection.exec_trace = trace
    await every_verb(vault)
    await vault.close()
    raw = apsw.Connection(str(path))
    yield {
        sql: [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        for sql, values in seen.items()
        if re.match("SELECT|UPDATE|DELETE|INSERT", sql)
    }
    raw.close()


async def every_verb(vault) -> None:
    one = await connected(vault)
    claim = await claimed(vault, one)
    note = intent(claim)
    await vault.intend(claim, note, 1)
    await vault.journal(note.id, b"reply", NOW)
    await vault.renew(claim, 60)
    change = step(
        one, records=[record(one, 2)], claim=claim, intent=closed(note), release=True, events=[event()],
        letters=[letter()],
    )  # fmt: skip
    await vault.change(change)
    await vault.load(ACME, one.id)
    await vault.look_up(ACME, one.client, one.account)
    await vault.search(Wanted(ACME, health="active", tags={"team": "blue"}))
    await vault.due(NOW, limit=9)
    await vault.holders("x")
    await vault.revoking(NOW)
    await vault.open_intents()
    await vault.counts()
    for narrowed in ({"tenant": ACME}, {"connection_id": one.id}, {}):
        await vault.events(**narrowed)
    await vault.letters(NOW)
    await vault.post(["x"], [letter()])
    await vault.api_keys(ACME)
    await vault.touch(one.id, "main", NOW)
    await vault.await_callback(pending())
    await vault.take_callback(pending().state_digest, NOW)
    for after in ("", "connections after:", "pendings after:"):
        await vault.rewrap(lambda sealed: sealed, after=after, limit=9)
    await vault.sweep(NOW, keep_events=1)
    await vault.remove(ACME, one.id)


async def test_every_question_finds_its_rows_by_an_index(asked):
    assert len(asked) > 35
    whole = {sql: step for sql, plan in asked.items() for step in plan if step.startswith("SCAN")}
    assert {sql: step for sql, step in whole.items() if step not in WHOLE} == {}


async def test_what_falls_due_is_found_without_looking_at_what_does_not(asked):
    (plan,) = [plan for sql, plan in asked.items() if "due_at < ?" in sql]
    assert plan[0].startswith("SEARCH record USING COVERING INDEX record_due")
    assert not any("TEMP B-TREE" in step for step in plan)
