"""Signing in with a password: every try is charged before it is checked, so parallel guesses cost what serial ones do.

The same answer, the same work and the same delays for names that exist and names that do not (attack S-09). The delay
is told, never slept. A browser that signed in to the account before has a bucket of its own, so strangers cannot lock
a person out of it (attack S-08).
"""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.account import Account, normal_name
from evergrant.domain.event import Event, What
from evergrant.domain.secret import digest
from evergrant.domain.session import Session
from evergrant.domain.throttle import Bucket, Pace, failed, refunded, wait
from evergrant.domain.token import SECRET_LENGTH, SESSION, write_opaque
from evergrant.entropy import Entropy
from evergrant.issuer.passwords import Passwords
from evergrant.issuer.service import flows, sessions
from evergrant.issuer.service.people import account_named
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Refused
from evergrant.store.port import Store, Tx

# A whole account is slowed only after this many times the failures one network may make.
ACCOUNT_FACTOR: Final = 10


class SignInAsk(NamedTuple):
    """One try, for a *flow*. *cookie* is the session cookie the browser held, *known* a digest naming the browser."""

    username: str
    password: str
    cookie: str
    known: bytes
    flow: str
    network: str
    agent: str


class SignedIn(NamedTuple):
    """A session began; *cookie* is the text to set."""

    session: Session
    cookie: str


class Denied(NamedTuple):
    """Refused; *wait* seconds until the next try is taken."""

    wait: int


class SignIn:
    """Signs people in against one store."""

    def __init__(self, store: Store, passwords: Passwords, settings: Settings, clock: Clock, entropy: Entropy) -> None:
        self._store, self._passwords, self._settings = store, passwords, settings
        self._clock, self._entropy = clock, entropy

    async def sign_in(self, ask: SignInAsk) -> SignedIn | Denied:
        """Check one try. Raises `Refused` (temporarily_unavailable) when the password queue is full."""
        now = self._clock.now()
        try:
            name = normal_name(ask.username)
        except ValueError:
            name = ""
        charged = await self._store.write(_charge(name, ask, self._settings, now))
        if charged.wait:
            return Denied(charged.wait)
        try:
            return await self._judged(charged.account, charged.keys, ask, now)
        except Refused:
            await self._store.write(_refund(charged.keys, now))
            raise

    async def _judged(
        self, account: Account | None, keys: tuple[str, ...], ask: SignInAsk, now: int
    ) -> SignedIn | Denied:
        # Twice at most: the hash may have been replaced by a better one while the password was checked against it.
        for _ in range(2):
            usable = account if account is not None and not account.disabled else None
            right = await self._passwords.verify(usable.password_hash if usable else None, ask.password)
            if not right or usable is None:
                break
            better = await self._passwords.hash(ask.password) if self._passwords.outdated(usable.password_hash) else ""
            begin = sessions.Begin(
                ids.text(ids.Kind.SESSION, self._entropy.draw(ids.RAW_LENGTH)),
                write_opaque(SESSION, self._entropy.draw(SECRET_LENGTH)), ask.network, ask.agent,
            )  # fmt: skip
            work = _admit(usable, keys, begin, ask, self._settings, better, now)
            session = await self._store.write(work)
            if session is not None:
                return SignedIn(session, begin.cookie)
            account = await self._store.read(_account(usable.id))
        return Denied(await self._store.write(_refuse(account, keys, ask, now)))


def _account(account_id: str) -> Callable[[Tx], Account | None]:
    return lambda tx: tx.accounts.get(account_id)


def _refund(keys: tuple[str, ...], now: int) -> Callable[[Tx], None]:
    """Take back what a try was charged that nobody had the time to judge (attack S-17)."""

    def work(tx: Tx) -> None:
        for key in keys:
            if (bucket := tx.buckets.get(key)) is not None:
                tx.buckets.put(refunded(bucket, now))

    return work


class _Charged(NamedTuple):
    wait: int
    account: Account | None
    keys: tuple[str, ...]


def _charge(name: str, ask: SignInAsk, settings: Settings, now: int) -> Callable[[Tx], _Charged]:
    def work(tx: Tx) -> _Charged:
        account = account_named(tx, name) if name else None
        paces = _buckets(tx, name, account, ask, settings)
        longest = max((wait(tx.buckets.get(key), now) for key in paces), default=0)
        if longest:
            return _Charged(longest, account, ())
        for key, pace in paces.items():
            tx.buckets.put(failed(key, tx.buckets.get(key), pace, now))
        return _Charged(0, account, tuple(paces))

    return work


def _buckets(tx: Tx, name: str, account: Account | None, ask: SignInAsk, settings: Settings) -> dict[str, Pace]:
    """The buckets one try is charged to, and their paces."""
    who, network = digest("bucket", name).hex()[:32], network_prefix(ask.network)
    pace = settings.pace
    wide = pace._replace(free=settings.network_limit)
    if account is not None and _known_browser(tx, account, ask.known):
        return {f"browser {who} {ask.known.hex()[:32]}": pace}
    return {
        f"pair {who} {network}": pace,
        f"network {network}": wide,
        f"account {who}": pace._replace(free=(pace.free + 1) * ACCOUNT_FACTOR),
    }


def _known_browser(tx: Tx, account: Account, known: bytes) -> bool:
    return bool(known) and tx.buckets.get(known_key(account.id, known)) is not None


def known_key(account_id: str, browser: bytes) -> str:
    """The name under which it is remembered that this browser once signed in to this account."""
    return f"known {account_id} {browser.hex()[:32]}"


def _refuse(account: Account | None, keys: tuple[str, ...], ask: SignInAsk, now: int) -> Callable[[Tx], int]:
    def work(tx: Tx) -> int:
        account_id = "" if account is None else account.id
        tx.events.add([Event(now, What.SIGN_IN_FAILED, account_id=account_id, network=ask.network, agent=ask.agent)])
        return max((wait(tx.buckets.get(key), now) for key in keys), default=0)

    return work


KNOWN_SECONDS: Final = 365 * 86_400


def _admit(
    account: Account, keys: tuple[str, ...], begin: sessions.Begin, ask: SignInAsk, settings: Settings, rehash: str,
    now: int,
) -> Callable[[Tx], Session | None]:  # fmt: skip
    def work(tx: Tx) -> Session | None:
        held = tx.accounts.get(account.id)
        if held is None or held.disabled or held.password_hash != account.password_hash:
            return None
        for key in keys:
            if not key.startswith("network "):
                tx.buckets.delete(key)
            elif (bucket := tx.buckets.get(key)) is not None:
                tx.buckets.put(refunded(bucket, now))
        if rehash:
            tx.accounts.put(replace(held, password_hash=rehash))
        if ask.known:
            tx.buckets.put(Bucket(known_key(held.id, ask.known), 0, now, 0, now + KNOWN_SECONDS))
        found = sessions.find(tx, ask.cookie, now)
        before = found.session if found else flows.signed_in_before(tx, ask.flow, ask.known, held.id, now)
        session = sessions.begin(tx, held, begin, before, settings, now)
        flows.signed_in(tx, ask.flow, ask.known, session)
        return session

    return work


def network_prefix(network: str) -> str:
    """What counts as one network: an IPv4 address, an IPv6 /64."""
    try:
        address = ipaddress.ip_address(network)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
