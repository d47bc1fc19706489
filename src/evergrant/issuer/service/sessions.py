"""Browser sessions: begun at sign-in, found by cookie, turned now and then, ended with a reason.

The cookie's secret is never stored, only its digest; it changes at every sign-in (attack S-03) and hourly in use.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from evergrant.domain.account import Account
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended
from evergrant.domain.reason import Reason
from evergrant.domain.secret import digest
from evergrant.domain.session import Session, device_label
from evergrant.domain.token import SESSION
from evergrant.issuer.service.ends import end_families, end_session
from evergrant.issuer.settings import Settings
from evergrant.store.applying import end_session as close_session
from evergrant.store.port import Tx, Which

COOKIE_DIGEST: Final = "session cookie"
TURN_SECONDS: Final = 3_600
# Requests that a page sent before its cookie was turned still carry the old one.
TURN_OVERLAP: Final = 60
SEEN_SECONDS: Final = 60


class Found(NamedTuple):
    """A live session and its account. *turned* is true when the browser must be given the new cookie."""

    session: Session
    account: Account
    turned: bool = False


def find(tx: Tx, cookie: str, now: int) -> Found | None:
    """The live session behind a cookie, or None. Reads only."""
    if not cookie.startswith(SESSION):
        return None
    key = digest(COOKIE_DIGEST, cookie)
    held = tx.sessions.find(1, digest=key)
    if not held:
        held = [item for item in tx.sessions.find(1, previous=key) if now - item.turned_at <= TURN_OVERLAP]
    if not held or held[0].ended is not None or now >= held[0].absolute_end:
        return None
    session = held[0]
    if now >= session.idle_end and not _used_since(tx, session, now):
        return None
    account = tx.accounts.get(session.account_id)
    return None if account is None or account.disabled else Found(session, account)


def touch(tx: Tx, cookie: str, fresh: str, settings: Settings, network: str, agent: str, now: int) -> Found | None:
    """Find a session and note its use: slide the idle end, and turn the cookie to *fresh* when it is an hour old."""
    found = find(tx, cookie, now)
    if found is None:
        return None
    session = found.session
    turn = now - session.turned_at >= TURN_SECONDS and session.digest == digest(COOKIE_DIGEST, cookie)
    if not turn and now - session.seen_at < SEEN_SECONDS:
        return found
    session = replace(
        session, seen_at=now, network=network, agent=agent,
        idle_end=min(now + settings.session_idle, session.absolute_end),
    )  # fmt: skip
    if turn:
        session = replace(session, digest=digest(COOKIE_DIGEST, fresh), previous=session.digest, turned_at=now)
    tx.sessions.put(session)
    return Found(session, found.account, turn)


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
            before, digest=secret, previous=None, turned_at=now, auth_time=now, seen_at=now, network=begin.network,
            agent=begin.agent, label=device_label(begin.agent),
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


def expire(tx: Tx, session: Session, now: int) -> bool:
    """Housekeeping: end a session whose time is over, with its online families; whether it was ended."""
    if session.ended is not None or (now < session.absolute_end and now < session.idle_end):
        return False
    if now < session.absolute_end and _used_since(tx, session, now):
        return False
    close_session(tx, session.id, Ended(now, Reason.SESSION_EXPIRED))
    end_families(tx, Which(session_id=session.id, online=True), Reason.SESSION_EXPIRED, now)
    return True


def _used_since(tx: Tx, session: Session, now: int) -> bool:
    """Whether an online family kept the session in use: a browser application refreshes without its cookie."""
    length = session.idle_end - session.seen_at
    families = tx.families.find(Which(session_id=session.id, online=True), limit=100)
    return any(family.head.used_at + length > now for family in families)
