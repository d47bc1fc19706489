"""No question of a shared vault goes over every row: what it costs does not grow with what is kept."""

import re

import psycopg
import pytest

from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.keeper.vault.postgres.asking import NOW, Asking
from tests.keeper.vault.test_sqlite_plans import every_verb

pytestmark = pytest.mark.needs("postgres")

MANY = """\
INSERT INTO evergrant_keeper.connection SELECT 'con_' || n, 'acme', 'c' || n % 9, 'p', 'a' || n, 'u' || n,
  CASE WHEN n % 500 = 0 THEN 'revoking' WHEN n % 400 = 0 THEN 'pending_consent' ELSE 'active' END,
  CASE WHEN n % 400 = 0 THEN 0 ELSE 5 END, n, '[]', repeat('x', 500) FROM generate_series(1, 20000) n;
INSERT INTO evergrant_keeper.place SELECT tenant, client, account, id FROM evergrant_keeper.connection;
INSERT INTO evergrant_keeper.tag SELECT id, 'n', account FROM evergrant_keeper.connection;
INSERT INTO evergrant_keeper.record SELECT id, 'main', 5, 1800000000 + retry_at, false, 0,
  CASE WHEN retry_at % 300 = 0 THEN retry_at ELSE 0 END, 'f' || id, 'a', 'r', 'p', repeat('x', 500)
  FROM evergrant_keeper.connection;
INSERT INTO evergrant_keeper.claim SELECT id, 'main', '', 7, 0, 30 FROM evergrant_keeper.connection;
INSERT INTO evergrant_keeper.intent SELECT 'int_' || id, id, 'main', 'closed', 1800000000 + retry_at, 7, '', 'x'
  FROM evergrant_keeper.connection;
INSERT INTO evergrant_keeper.intent SELECT 'open_' || id, id, 'main', 'open', 1800000000, 7, '', 'x'
  FROM evergrant_keeper.connection WHERE retry_at % 1000 = 0;
INSERT INTO evergrant_keeper.event SELECT n, n, 'acme', 'con_' || n, 'x', 'x' FROM generate_series(100, 20000) n;
INSERT INTO evergrant_keeper.pending SELECT ('\\x' || lpad(to_hex(n), 8, '0'))::bytea, 'con_x' || n, n, 'x', 'x'
  FROM generate_series(1, 20000) n;
INSERT INTO evergrant_keeper.letter SELECT 'many_' || n, n, 'x' FROM generate_series(1, 20000) n;
"""
# The few rows of these are read as they lie.
SMALL = {"moving", "trail", "kept", "api_key", "told", "wanted"}
COUNTING = "GROUP BY 1"


@pytest.fixture
async def asked(vault_url, monkeypatch):
    """Every statement that the verbs of the port have run, with its values."""
    seen = {}
    send = Asking.send

    def noted(self, sql, values=()):
        seen.setdefault(sql, values)
        return send(self, sql, values)

    monkeypatch.setattr(Asking, "send", noted)
    vault = PostgresVault.open(vault_url)
    await every_verb(vault)
    await vault.close()
    return {sql: values for sql, values in seen.items() if sql != NOW}


def test_no_statement_goes_over_a_whole_table(asked, vault_url):
    assert len(asked) > 40
    with psycopg.connect(vault_url, autocommit=True) as connection:
        connection.execute(MANY)
        connection.execute("SET search_path TO evergrant_keeper")
        connection.execute("ANALYZE")
        whole = {}
        for sql, values in asked.items():
            plan = [row[0] for row in connection.execute(f"EXPLAIN (COSTS OFF) {sql}", values)]
            over = set(re.findall(r"Seq Scan on (\w+)", "\n".join(plan))) - SMALL
            if over and COUNTING not in sql:
                whole[sql] = plan
    assert list(whole) == []
