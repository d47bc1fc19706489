"""Accounts: adding, finding, disabling, deleting, and changing passwords. Ends are in the same transaction."""

from collections.abc import Iterator
from dataclasses import replace
from heapq import nsmallest
from typing import Final

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.account import Account, normal_name
from evergrant.domain.event import Event, What
from evergrant.domain.reason import Reason
from evergrant.entropy import Entropy
from evergrant.issuer.passwords import Passwords
from evergrant.issuer.service.ends import clear, end_account
from evergrant.issuer.service.people import account_named
from evergrant.issuer.service.sessions import Renewal, renew
from evergrant.store.port import Store, Tx


class NoSuchAccount(LookupError):
    """No account has that name or id."""


class NameTaken(ValueError):
    """Another account has that name."""


PAGE: Final = 500


class Accounts:
    """The accounts of one store."""

    def __init__(self, store: Store, passwords: Passwords, clock: Clock, entropy: Entropy) -> None:
        self._store, self._passwords, self._clock, self._entropy = store, passwords, clock, entropy

    async def add(
        self, username: str, password: str, email: str = "", claims: dict[str, object] | None = None,
        *, email_verified: bool = False,
    ) -> Account:  # fmt: skip
        """Make an account. Raises `BadName`, `PasswordTooWeak`, `NameTaken`."""
        name = normal_name(username)
        self._passwords.accept(password, name)
        now = self._clock.now()
        account = Account(
            ids.text(ids.Kind.ACCOUNT, self._entropy.draw(ids.RAW_LENGTH)), name,
            email or (name if "@" in name else ""), await self._passwords.hash(password), now,
            email_verified=email_verified, password_changed_at=now, claims=claims or {},
        )  # fmt: skip

        def work(tx: Tx) -> None:
            if account_named(tx, name) is not None:
                msg = f"there is already an account named {name}"
                raise NameTaken(msg)
            tx.accounts.put(account)
            tx.events.add([Event(now, What.ACCOUNT_ADDED, account_id=account.id)])

        await self._store.write(work)
        return account

    async def find(self, name_or_id: str) -> Account:
        """One account by name or id. Raises `NoSuchAccount`."""
        return await self._store.read(lambda tx: wanted(tx, name_or_id))

    async def page(self, after: str | None = None, limit: int = PAGE) -> list[Account]:
        """Accounts in the order of their ids."""
        return await self._store.read(lambda tx: tx.accounts.find(limit, after))

    async def disable(self, name_or_id: str) -> tuple[Account, int, int]:
        """Disable an account and end all it holds; sessions and families that ended. Raises `NoSuchAccount`."""
        now = self._clock.now()

        def work(tx: Tx) -> tuple[Account, int, int]:
            account = replace(wanted(tx, name_or_id), disabled_at=now)
            tx.accounts.put(account)
            tx.events.add([Event(now, What.ACCOUNT_DISABLED, account_id=account.id)])
            return account, *end_account(tx, account.id, Reason.ACCOUNT_DISABLED, now)

        return await self._store.write(work)

    async def enable(self, name_or_id: str) -> Account:
        """Let a disabled account sign in again; what ended stays ended. Raises `NoSuchAccount`."""
        now = self._clock.now()

        def work(tx: Tx) -> Account:
            account = replace(wanted(tx, name_or_id), disabled_at=0)
            tx.accounts.put(account)
            tx.events.add([Event(now, What.ACCOUNT_ENABLED, account_id=account.id)])
            return account

        return await self._store.write(work)

    async def delete(self, name_or_id: str) -> tuple[Account, int, int]:
        """Delete an account, its consents and notices; end all it holds. Raises `NoSuchAccount`."""
        now = self._clock.now()

        def work(tx: Tx) -> tuple[Account, int, int]:
            account = wanted(tx, name_or_id)
            ended = end_account(tx, account.id, Reason.ACCOUNT_DELETED, now)
            clear(tx.grants, account_id=account.id)
            clear(tx.notices, account_id=account.id)
            tx.accounts.delete(account.id)
            tx.events.add([Event(now, What.ACCOUNT_DELETED, account_id=account.id)])
            return account, *ended

        return await self._store.write(work)

    async def set_password(
        self, name_or_id: str, password: str, keep: Renewal | None = None
    ) -> tuple[Account, int, int]:
        """Set a password and end everything but one session, which gets a new cookie: a thief may hold a copy of it.

        Raises `NoSuchAccount`, `PasswordTooWeak`, `Refused` (temporarily_unavailable).
        """
        known = await self.find(name_or_id)
        self._passwords.accept(password, known.username)
        hashed, now = await self._passwords.hash(password), self._clock.now()

        def work(tx: Tx) -> tuple[Account, int, int]:
            account = replace(wanted(tx, known.id), password_hash=hashed, password_changed_at=now)
            tx.accounts.put(account)
            tx.events.add([Event(now, What.PASSWORD_CHANGED, account_id=account.id)])
            if keep is not None:
                renew(tx, keep, now)
            return account, *end_account(tx, account.id, Reason.PASSWORD_CHANGED, now, keep.session_id if keep else "")

        return await self._store.write(work)


def wanted(tx: Tx, name_or_id: str) -> Account:
    """One account by id or name. Raises `NoSuchAccount`."""
    account = tx.accounts.get(name_or_id)
    if account is None:
        try:
            account = account_named(tx, normal_name(name_or_id))
        except ValueError:
            account = None
    if account is None:
        msg = f"there is no account named {name_or_id}"
        raise NoSuchAccount(msg)
    return account


def by_name(tx: Tx, limit: int, after: str = "") -> list[Account]:
    """The first *limit* accounts in the order of their names, of those behind the name *after*. Reads every account."""
    return nsmallest(limit, (account for account in _every(tx) if account.username > after), key=_username)


def _username(account: Account) -> str:
    return account.username


def _every(tx: Tx) -> Iterator[Account]:
    place: str | None = None
    while page := tx.accounts.find(PAGE, place):
        yield from page
        place = page[-1].id
