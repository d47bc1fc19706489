"""Opening one PostgreSQL connection the one way that is safe here, and naming what goes wrong in the port's words.

What is opened: the primary, never a replica (attack O-04), of a release that is supported. Timeouts and keepalives are
set, so that a server that has gone is noticed in seconds. No sentence from here ever shows a password.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg import conninfo, errors

from evergrant.store.port import OutcomeUnknown, StoreUnavailable, StoreUnusable

T = TypeVar("T")
OLDEST: Final = 14
SCHEMES: Final = ("postgresql://", "postgres://")
CONNECT_SECONDS: Final = 5
PREPARE_AFTER: Final = 5
_DEFAULTS: Final[dict[str, str]] = {
    "client_encoding": "UTF8",
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives a server up which says nothing for *silence* seconds, though its machine may answer."""

    silence: float | None = None

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server. Raises `psycopg.OperationalError`, the connection closed, when it is given up."""
        try:
            return super().wait(gen, interval, self.silence if timeout is None else timeout)
        except psycopg.OperationalError as error:
            answered = error.sqlstate is not None or self.pgconn.status != psycopg.pq.ConnStatus.OK
            if self.silence is None or answered:
                raise
            self.close()
            raise psycopg.OperationalError("timed out: the server does not answer") from error


class Address(NamedTuple):
    """Where a database is. *parameters* are libpq's, with the password if the URL has one; *shown* is for people."""

    parameters: dict[str, str]
    shown: str

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Address({self.shown!r})"


def is_address(text: str) -> bool:
    """Whether *text* names a PostgreSQL database rather than a file."""
    return text.startswith(SCHEMES)


def address(url: str, name: str = "evergrant") -> Address:
    """Read a `postgresql://` URL. *name* is what the server is told who we are, with what the URL says after a colon.

    Raises `StoreUnusable`, never quoting what might hold a password.
    """
    if not is_address(url):
        raise StoreUnusable("a PostgreSQL database is named by a URL: postgresql://USER@HOST:PORT/DATABASE")
    given = _read(url)
    if given is None or _spills(url, given):
        raise StoreUnusable(
            "the database's URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with characters such as @ : / # in a password written as %40 %3A %2F %23"
        )
    named = f"{name}:{given['application_name']}" if given.get("application_name") else name
    parameters = {**_DEFAULTS, **given, "application_name": named}
    if "," in given.get("host", "") + given.get("hostaddr", ""):
        # Several servers are named: after a failover the one that takes writes is found (attack O-04).
        parameters.setdefault("target_session_attrs", "read-write")
    return Address(parameters, _shown(given))


def _spills(url: str, given: dict[str, str]) -> bool:
    """Whether signs of a password were taken for what divides a URL, so that its rest is now host, port or database."""
    named = "user" in given or "password" in given
    return url.count("@") > named or bool(re.search(r"[^0-9,]", given.get("port", "")))


def _read(url: str) -> dict[str, str] | None:
    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    except psycopg.Error:  # its message quotes the URL, password and all: it goes no further
        return None


def _shown(given: dict[str, str]) -> str:
    hosts = given.get("host") or given.get("hostaddr") or ""
    ports = given.get("port", "").split(",")
    named = [f"[{host}]" if ":" in host else host for host in hosts.split(",")]
    places = [
        f"{host}:{port}" if port else host
        for host, port in zip(named, ports * len(named) if len(ports) == 1 else ports, strict=False)
    ]
    user = f"{given['user']}@" if "user" in given else ""
    return f"postgresql://{user}{','.join(places)}/{given.get('dbname', '')}"


class Facts(NamedTuple):
    """What a new connection was found to be. *pooled*: something between us and the server hands out its sessions."""

    version: int
    pooled: bool


def connect(place: Address, *, read_only: bool = False, silence: float | None = None, **options: Any) -> Connection:
    """A checked connection in autocommit mode. Raises `StoreUnusable` with one sentence.

    *read_only* tolerates a server that takes no writes; nothing else does. *silence*: see `Connection`.
    """
    try:
        connection = Connection.connect(**place.parameters, autocommit=True, **options)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    connection.silence = CONNECT_SECONDS
    try:
        check(place, connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    connection.silence = silence
    return connection


# The server too must notice soon that we are gone: what we have locked stays locked until then.
_WATCHFUL: Final = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET tcp_user_timeout = '20s'"
)
_CHECK: Final = (
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', pg_backend_pid(),"
    " current_setting('server_encoding')"
)


def check(place: Address, connection: Connection, *, read_only: bool = False) -> Facts:
    """Refuse what decisions must not be asked of: another release, a replica, a read-only server. `StoreUnusable`."""
    version = connection.info.server_version
    if version < OLDEST * 10_000:
        raise StoreUnusable(f"{place.shown}: this is PostgreSQL {version // 10_000}; {OLDEST} is the oldest supported")
    connection.prepare_threshold = None  # behind a transaction pooler nothing may be kept prepared
    try:
        row = connection.execute(_CHECK).fetchone()
        pooled = row is not None and row[2] != connection.info.backend_pid
        if not pooled:
            connection.execute(_WATCHFUL)
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    if row is None:
        raise StoreUnusable(f"{place.shown}: the server answered nothing")
    replica, takes_none, _, encoding = row
    if encoding != "UTF8":
        raise StoreUnusable(f"{place.shown}: the database is encoded as {encoding}; make one with ENCODING 'UTF8'")
    if replica and not read_only:
        raise StoreUnusable(f"{place.shown}: this server is a replica; name the primary, or all servers in one URL")
    if takes_none and not read_only:
        raise StoreUnusable(f"{place.shown}: the database is read-only")
    connection.prepare_threshold = None if pooled else PREPARE_AFTER
    return Facts(version, pooled)


# What libpq and the server say while connecting, where no code tells it; the first that matches wins.
_REFUSED: Final = "it refused this user and password"
_GONE: Final = "the server cannot be reached"
_NO_DATABASE: Final = "there is no such database; make it with: createdb"
_NO_TLS: Final = "no TLS connection as the URL demands it"
_FULL: Final = "it is out of connections"
_BETWEEN: Final = "it is starting or stopping"
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("certificate verify failed|does not match host name|root certificate file", "its certificate does not verify"),
    ("does not support SSL|SSL was required|no encryption|SSL error", _NO_TLS),
    ('database "[^"]*" does not exist|no such database', _NO_DATABASE),
    ("too many connections|too many clients|connection slots|no more connections", _FULL),
    ('authentication|no password supplied|pg_hba.conf|role "[^"]*" does not exist|permission denied for', _REFUSED),
    ("starting up|shutting down|recovery|not yet accepting", _BETWEEN),
    ("hot standby|session is read-only|not in hot|is in standby", "no server there takes writes"),
    ("could not translate host name|not known|nodename nor servname|name resolution", "no server has that name"),
    ("refused|timeout expired|timed out|unreachable|No such file|server closed|reset by peer|terminating", _GONE),
    ("connection is closed|couldn't get a connection|Broken pipe|SSL SYSCALL|lost", _GONE),
)

_CODES: Final[tuple[tuple[str, str], ...]] = (
    ("25006", "the database is read-only"),
    ("28", "it refused this user and password"),
    ("3D000", "there is no such database; make it with: createdb"),
    ("42501", "this user may not do that there"),
    ("53100", "the server's disk is full"),
    ("53300", "it is out of connections"),
    ("53", "the server is out of resources"),
    ("55P03", "a row stayed locked for too long"),
    ("57014", "a statement took too long"),
    ("57P0", "it is starting or stopping"),
    ("40", "too many transactions at once wanted the same"),
    ("42P01", "its tables are not there; make them with: evergrant migrate"),
    ("3F000", "its tables are not there; make them with: evergrant migrate"),
    ("XX001", "the database is damaged; restore it from a backup"),
    ("XX002", "the database is damaged; restore it from a backup"),
)


def sentence(place: Address, error: BaseException) -> str:
    """What went wrong with *place*, for a person; never with a password."""
    code = getattr(error, "sqlstate", None) or ""
    for start, words in _CODES:
        if code.startswith(start):
            return f"{place.shown}: {words}{_detail(place, error)}"
    text = str(error)
    for pattern, words in _WORDS:
        if re.search(pattern, text, re.IGNORECASE):
            return f"{place.shown}: {words}{_detail(place, error)}"
    return f"{place.shown}: {_first_line(place, text)}"


def _detail(place: Address, error: BaseException) -> str:
    told = _first_line(place, str(error))
    return f" ({told})" if told else ""


def _first_line(place: Address, text: str) -> str:
    line = next((line.strip() for line in reversed(text.splitlines()) if "FATAL" in line), "")
    line = line or next((line.strip() for line in text.splitlines() if line.strip()), "")
    password = place.parameters.get("password", "")
    return line.replace(password, "(secret)") if password else line


# The outcome is a clean nothing, and the same again may succeed: serialization, deadlock, a unique row that another
# transaction has just written, a lock that somebody else's schema change holds.
AGAIN: Final = (
    errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation, errors.ExclusionViolation,
)  # fmt: skip
# This session may not be used again: the server is going, or is not the primary any more.
SPENT: Final = ("08", "57P", "25006", "0A000", "25P0", "58", "XX")


def is_spent(connection: Connection, error: BaseException) -> bool:
    """Whether a connection that met *error* must be thrown away."""
    code = getattr(error, "sqlstate", None) or ""
    return connection.closed or connection.broken or code.startswith(SPENT)


# Where the server's source warns that the numbers of transactions are running out: with each one of the last forty
# million, all of which are committed.
_NUMBERS: Final = frozenset({"varsup.c", "multixact.c"})


def warning(diagnostic: errors.Diagnostic) -> str:
    """What a server's notice warns of; empty when it is less than a warning, or says nothing of a commit.

    A commit that is told with a warning is not one to tell of: the wait for a synchronous standby was broken off (by a
    timeout, by an operator), and a failover now would lose it (attack O-03).
    """
    if diagnostic.severity_nonlocalized != "WARNING" or diagnostic.source_file in _NUMBERS:
        return ""
    return diagnostic.message_primary or "a warning"


@contextmanager
def warned(connection: Connection) -> Iterator[list[str]]:
    """What the server warns of while the block runs; complete when it is left."""
    heard: list[str] = []

    def hear(diagnostic: errors.Diagnostic) -> None:
        heard.extend(filter(None, [warning(diagnostic)]))

    connection.add_notice_handler(hear)
    try:
        yield heard
    finally:
        connection.remove_notice_handler(hear)


@contextmanager
def committing(place: Address, connection: Connection) -> Iterator[None]:
    """The block commits. Raises `OutcomeUnknown` when the connection dies meanwhile, or the server warns.

    Then nobody may do the work again. The driver's other errors pass through.
    """
    try:
        with warned(connection) as warnings:
            yield
    except psycopg.Error as error:
        if is_spent(connection, error):
            raise OutcomeUnknown(sentence(place, error)) from error
        raise
    if warnings:
        raise OutcomeUnknown(f"{place.shown}: {warnings[0]}")


@contextmanager
def translated(place: Address) -> Iterator[None]:
    """Turn a driver's error into `StoreUnavailable`; nothing of the driver leaves this room."""
    try:
        yield
    except psycopg.Error as error:
        raise StoreUnavailable(sentence(place, error)) from error
    except StoreUnusable as error:
        raise StoreUnavailable(str(error)) from error


def closed(connection: Connection) -> None:
    """Close a connection whatever state it is in."""
    with suppress(psycopg.Error):
        connection.close()
