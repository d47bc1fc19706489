"""Browser sessions: begun at sign-in, found by cookie, turned now and then, ended with a reason.

The cookie's secret is never stored, only its digest; it changes at every sign-in (attack S-03) and hourly in use.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from evergrant.domain.account import Account
from evergrant.domain.event import Event, What
from evergrant.domain.reason import Reason
from evergrant.domain.secret import digest
from evergrant.domain.session import Session, device_label
from evergrant.domain.token import SESSION
from evergrant.issuer.service.ends import end_session
from evergrant.issuer.settings import Settings
from evergrant.store.port import Tx, Which

COOKIE_DIGEST: Final = "session cookie"
TURN_SECONDS: Final = 3_600
# Requests that a page sent before its cookie was turned still carry the old one.
TURN_OVERLAP: Final = 60
SEEN_SECONDS: Final = 60


class Found(NamedTuple):
    """A live session and its account. *late*: the cookie is the one before the last turn.

    *turned* is true when the browser must be given the new cookie.
    """

    session: Session
    account: Account
    late: bool = False
    turned: bool = False

    def due(self, now: int) -> bool:
        """Whether there is something to write down about this use of the session."""
        return self.turns(now) or (not self.late and not self.session.arrived) or (
            now - self.session.seen_at >= SEEN_SECONDS
        )  # fmt: skip

    def turns(self, now: int) -> bool:
        """Whether the cookie is old enough to be replaced, or its replacement was lost on the way."""
        return now - self.session.turned_at >= (TURN_OVERLAP + 1 if self.late else TURN_SECONDS)


def find(tx: Tx, cookie: str, now: int) -> Found | None:
    """The live session behind a cookie, or None. Reads only."""
    if not cookie.startswith(SESSION):
        return None
    key = digest(COOKIE_DIGEST, cookie)
    held, late = tx.sessions.find(1, digest=key), False
    if not held:
        late = True
        held = [s for s in tx.sessions.find(1, previous=key) if not s.arrived or now - s.turned_at <= TURN_OVERLAP]
    if not held:
        return None
    session = held[0]
    if not alive(tx, session, now):
        return None
    account = tx.accounts.get(session.account_id)
    return None if account is None or account.disabled else Found(session, account, late)


def alive(tx: Tx, session: Session, now: int) -> bool:
    """Whether a session goes on: not ended, not too old, and used in time, if only by an online family."""
    if session.ended is not None or now >= session.absolute_end:
        return False
    return now < session.idle_end or _used_since(tx, session, now)


def touch(tx: Tx, cookie: str, fresh: str, settings: Settings, network: str, agent: str, now: int) -> Found | None:
    """Find a session and note its use: slide the idle end, and turn the cookie to *fresh* when it is an hour old."""
    found = find(tx, cookie, now)
    if found is None or not found.due(now):
        return found
    session, turn = found.session, found.turns(now)
    session = replace(
        session, seen_at=now, network=network, agent=agent, arrived=session.arrived or not found.late,
        idle_end=min(now + settings.session_idle, session.absolute_end),
    )  # fmt: skip
    if turn:
        session = replace(
            session, digest=digest(COOKIE_DIGEST, fresh), previous=digest(COOKIE_DIGEST, cookie), turned_at=now,
            arrived=False,
        )  # fmt: skip
    tx.sessions.put(session)
    return Found(session, found.account, found.late, turn)


class Begin(NamedTuple):
    """What a new session is made of: its id, the cookie's text, and where it comes from."""

    id: str
    cookie: str
    network: str
    agent: str


def begin(tx: Tx, account: Account, begin: Begin, before: Session | None, settings: Settings, now: int) -> Session:
    """Start a session after a password was right. The same person in the same browser keeps the session's id."""
    secret = digest(COOKIE_DIGEST, begin.cookie)
    if before is not None and before.account_id == account.id and before.ended is None:
        session = replace(
            before, digest=secret, previous=None, turned_at=now, arrived=True, auth_time=now, seen_at=now,
            network=begin.network, agent=begin.agent, label=device_label(begin.agent),
            idle_end=min(now + settings.session_idle, before.absolute_end),
        )  # fmt: skip
    else:
        if before is not None:
            end_session(tx, before.id, Reason.REPLACED, now, begin.network, begin.agent)
        end = now + settings.session_absolute
        session = Session(
            begin.id, account.id, secret, None, now, now, now, "pwd", min(now + settings.session_idle, end), end,
            now, begin.network, begin.agent, device_label(begin.agent),
        )  # fmt: skip
    tx.sessions.put(session)
    tx.events.add([
        Event(now, What.SIGNED_IN, "", account.id, "", session.id, "", -1, begin.network, begin.agent)
    ])  # fmt: skip
    return session


class Renewal(NamedTuple):
    """A session that is to get another cookie."""

    session_id: str
    cookie: str


def renew(tx: Tx, renewal: Renewal, now: int) -> None:
    """Give a live session another cookie at once; every copy of the old one is worthless (attack S-03)."""
    session = tx.sessions.get(renewal.session_id)
    if session is not None and session.ended is None:
        secret = digest(COOKIE_DIGEST, renewal.cookie)
        tx.sessions.put(replace(session, digest=secret, previous=None, turned_at=now, arrived=True))


def expire(tx: Tx, session: Session, now: int) -> bool:
    """Housekeeping: end a session whose time is over, with its online families; whether it was ended."""
    if session.ended is not None or alive(tx, session, now):
        return False
    return end_session(tx, session.id, Reason.SESSION_EXPIRED, now)


def _used_since(tx: Tx, session: Session, now: int) -> bool:
    """Whether an online family kept the session in use: a browser application refreshes without its cookie."""
    length = session.idle_end - session.seen_at
    families = tx.families.find(Which(session_id=session.id, online=True), limit=100)
    return any(family.head.used_at + length > now for family in families)
