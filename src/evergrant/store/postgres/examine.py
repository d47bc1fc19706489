"""Looking at a database without changing it: what it promises, how much room it has, how it is kept. For `doctor`."""

from typing import Any, Final, NamedTuple

import psycopg

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import Address, Connection, address, check, connect, sentence
from evergrant.store.postgres.partitions import day

_SERVER: Final = (
    "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),"
    " current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',"
    " current_setting('autovacuum') = 'on',"
    " least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int,"
    " (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),"
    " (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)),"
    " (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'),"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
    " coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), inet_client_addr() IS NULL"
    " OR host(inet_client_addr()) IN ('127.0.0.1', '::1'), extract(epoch FROM clock_timestamp())::float8,"
    " 2147483647 - (SELECT max(age(datfrozenxid)) FROM pg_database)::bigint"
)
_STANDBYS: Final = (
    "SELECT count(*)::int, count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))::int,"
    " pg_has_role(current_user, 'pg_read_all_stats', 'usage') FROM pg_stat_replication"
)
_FAMILIES: Final = (
    "SELECT n_live_tup, n_dead_tup, coalesce(array_to_string(reloptions, ' ') LIKE '%autovacuum_enabled=false%', false)"
    " FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE s.relid = to_regclass('evergrant.family')"
)
_DAYS: Final = "SELECT to_regclass(%s) IS NOT NULL"
_ASTRAY: Final = "SELECT count(*) FROM (SELECT FROM evergrant.event_other WHERE at > %s LIMIT 1) found"
# What a commit may be acknowledged without: the disk of the primary, or that of a standby.
_UNDONE: Final = frozenset({"off", "local"})


class Examined(NamedTuple):
    """What was found. *room* is how many connections this user may hold there, *held* how many anybody does.

    *watching*, *confirming*: standbys that follow, and those of them that commits wait for; *seen* says whether this
    user may know. *dead* of *live* families are old versions of rows. *ahead*: tomorrow has a place in the audit trail;
    *astray*: what was told lately had none. *time* is the server's; *left* how many transactions it can number before
    it must be vacuumed.
    """

    shown: str
    verified: bool
    version: int
    pooled: bool
    commit: str
    names: str
    fsync: bool
    pages: bool
    autovacuum: bool
    room: int
    held: int
    superuser: bool
    encrypted: bool
    near: bool
    time: float
    left: int
    watching: int
    confirming: int
    seen: bool
    live: int
    dead: int
    unswept: bool
    ahead: bool
    astray: bool

    @property
    def losing(self) -> str:
        """What would lose commits that were acknowledged, as a sentence; empty when nothing would."""
        careless = [name for name, held in (("fsync", self.fsync), ("full_page_writes", self.pages)) if not held]
        if self.commit == "off":
            careless.append("synchronous_commit")
        risks = []
        if careless:
            risks.append(f"a crash of the database may lose what it said was committed: {', '.join(careless)} is off")
        if (self.watching or self.names) and (not self.names or self.commit in _UNDONE):
            why = "synchronous_standby_names is empty" if not self.names else f"synchronous_commit is {self.commit}"
            risks.append(f"a failover to a standby may lose what was committed last: no commit waits for one ({why})")
        return "; ".join(risks)


def examine(url: str, now: int) -> Examined:
    """Look at the issuer's database. Raises `StoreUnusable`."""
    place = address(url)
    connection = connect(place, read_only=True)
    try:
        return _examined(place, connection, now)
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def _examined(place: Address, connection: Connection, now: int) -> Examined:
    facts = check(place, connection, read_only=True)
    families = _row(connection, _FAMILIES, default=(0, 0, False))
    ahead = _row(connection, _DAYS, (f"evergrant.{day(now + 86_400).name}",))[0]
    astray = families != (0, 0, False) and _row(connection, _ASTRAY, (now - 3_600,))[0] > 0
    return Examined._make((
        place.shown, place.parameters.get("sslmode") in {"verify-full", "verify-ca"}, facts.version, facts.pooled,
        *_row(connection, _SERVER), *_row(connection, _STANDBYS), *families, ahead, astray,
    ))  # fmt: skip


def _row(
    connection: Connection, statement: str, values: tuple[Any, ...] = (), default: tuple[Any, ...] = ()
) -> tuple[Any, ...]:
    row = connection.execute(statement.encode(), values or None).fetchone()
    return row if row is not None else default
