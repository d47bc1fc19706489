"""What doctor says of a database: by hand for what nobody sets up for a test, and against real servers."""

from typing import Final

import pytest

from evergrant.cli.checks import database as about
from evergrant.cli.checks.finding import Verdict
from evergrant.clock import SystemClock
from evergrant.config import Config
from evergrant.config.sections import KeeperConfig
from evergrant.store.postgres import PostgresStore
from evergrant.store.postgres.distributing import Route
from evergrant.store.postgres.examine import Examined, examine

GOOD: Final = Examined(
    shown="postgresql://u@db.example/e", verified=True, version=150_004, pooled=False, commit="on",
    names="ANY 1 (a, b)", fsync=True, pages=True, autovacuum=True, room=97, held=12, superuser=False, encrypted=True,
    near=False, time=1_800_000_000.0, left=1_900_000_000, watching=2, confirming=2, seen=True, live=1_000_000,
    dead=40_000, unswept=False, ahead=True, astray=False,
)  # fmt: skip
NOW: Final = 1_800_000_000


def judged(**changes):
    """Every finding about a database that differs so much from a good one, by its name."""
    return of(Config(), **changes)


def of(config, **changes):
    """The same with another configuration."""
    found = GOOD._replace(**changes)
    findings = [
        about.durability(found), about.wire(found), about.budget(config, found), *about.kept(found),
        about.offset(found, NOW),
    ]  # fmt: skip
    return {finding.check: finding for finding in findings}


def test_an_issuer_that_lends_from_a_shared_vault_is_counted_with_the_vaults_connections():
    lends = Config(keeper=KeeperConfig(lend=True, vault_url="postgresql://db.example/vault"))
    assert of(lends, room=40)["connections"].verdict is Verdict.OK
    tight = of(lends, room=30)["connections"]
    assert tight.verdict is Verdict.WARN
    assert "10 connections each, and 9 to the vault that they lend from" in tight.said
    assert of(Config(keeper=KeeperConfig(lend=True)), room=20)["connections"].verdict is Verdict.OK


def test_a_good_database_is_called_good():
    assert {finding.verdict for finding in judged().values()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fsync": False}, "fsync is off"),
        ({"pages": False}, "full_page_writes is off"),
        ({"commit": "off"}, "synchronous_commit is off"),
        ({"names": ""}, "no commit waits for one (synchronous_standby_names is empty)"),
        ({"commit": "local"}, "no commit waits for one (synchronous_commit is local)"),
        ({"commit": "local", "watching": 0, "confirming": 0}, "no commit waits for one (synchronous_commit is local)"),
        ({"commit": "local", "watching": 0, "seen": False}, "no commit waits for one (synchronous_commit is local)"),
        ({"confirming": 0, "watching": 0}, "is connected"),
    ],
)
def test_o_03_whatever_would_lose_an_acknowledged_rotation_is_a_failure(changes, said):
    finding = judged(**changes)["durability"]
    assert finding.verdict is Verdict.FAIL
    assert said in finding.said
    assert finding.why
    assert finding.todo


def test_o_03_a_single_server_is_a_warning_that_names_what_a_loss_costs_and_what_to_run_then():
    finding = judged(names="", watching=0, confirming=0)["durability"]
    assert finding.verdict is Verdict.WARN
    assert "evergrant restore --declare --failover" in finding.todo
    assert judged(seen=False, confirming=0)["durability"].verdict is Verdict.OK, "who may not look says nothing"


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({"encrypted": False}, "wire", Verdict.FAIL),
        ({"verified": False}, "wire", Verdict.WARN),
        ({"encrypted": False, "verified": False, "near": True}, "wire", Verdict.OK),
        ({"room": 19}, "connections", Verdict.WARN),
        ({"room": 9}, "connections", Verdict.FAIL),
        ({"autovacuum": False}, "vacuum", Verdict.FAIL),
        ({"unswept": True}, "vacuum", Verdict.FAIL),
        ({"dead": 600_000}, "vacuum", Verdict.WARN),
        ({"left": 40_000_000}, "transactions", Verdict.FAIL),
        ({"live": 10, "dead": 9_000}, "vacuum", Verdict.OK),
        ({"ahead": False}, "trail", Verdict.WARN),
        ({"astray": True}, "trail", Verdict.WARN),
        ({"time": NOW - 31.0}, "time", Verdict.WARN),
        ({"time": NOW + 31.0}, "time", Verdict.WARN),
        ({"time": NOW + 4.0}, "time", Verdict.OK),
    ],
)
def test_each_trouble_has_its_finding(changes, check, verdict):
    finding = judged(**changes)[check]
    assert finding.verdict is verdict
    assert verdict is Verdict.OK or (finding.why and finding.todo)


@pytest.mark.needs("postgres")
async def test_a_real_server_is_looked_at_and_nothing_in_it_is_changed(database):
    now = SystemClock().now()
    before = examine(database, now)
    assert (before.live, before.ahead, before.astray, before.near) == (0, False, False, True)
    store = PostgresStore.open(database)
    await store.write(lambda tx: tx.events.arrange(now, 0))
    await store.close()
    found = examine(database, now)
    assert (found.ahead, found.pooled, found.autovacuum, found.unswept, found.seen) == (True, False, True, False, True)
    assert abs(found.time - now) < 30
    assert 2_000_000_000 < found.left < 1 << 31
    assert "is off" in found.losing, "the tests' own server is careless on purpose"


@pytest.mark.needs("postgres")
def test_a_limit_of_the_database_or_of_its_user_counts_as_the_servers_own(postgres):
    url = postgres.database()
    assert examine(url, NOW).room > 9
    postgres.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" CONNECTION LIMIT 9')
    assert examine(url, NOW).room == 9
    postgres.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 8")
    assert examine(url.replace("//evergrant@", "//few@"), NOW).room == 8
    postgres.drop(url)
    postgres.execute("DROP ROLE few")


def test_where_families_are_spread_it_is_told_whether_a_refresh_is_asked_of_one_shard():
    one = [Route("lock", 1), Route("update", 1)]
    assert [(each.check, each.verdict) for each in about.routing(one)] == [("routing", Verdict.OK)]
    (astray,) = about.routing([*one, Route("known", 32), Route("insert", 0)])
    assert astray.verdict is Verdict.FAIL
    assert "known of 32, insert of 0" in astray.said
    assert list(about.routing([Route("lock", 0), Route("update", 0)])) == []
    assert list(about.routing([])) == []
