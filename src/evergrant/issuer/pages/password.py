"""/account/password: change it, and sign everything else out (attack S-13)."""

from typing import Literal

from evergrant.domain.throttle import Pace, failed, wait
from evergrant.issuer.http.answer import Answer
from evergrant.issuer.http.ask import Ask
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.view import PasswordPage
from evergrant.issuer.passwords import Passwords, PasswordTooWeak
from evergrant.issuer.service.accounts import Accounts
from evergrant.issuer.service.sessions import Found
from evergrant.store.port import Tx

Field = Literal["current_password", "new_password"]


class PasswordHandler:
    """Shows and takes the form."""

    def __init__(self, desk: Desk, accounts: Accounts, passwords: Passwords) -> None:
        self._desk, self._accounts, self._passwords = desk, accounts, passwords

    async def get(self, ask: Ask) -> Answer:
        visit = await self._desk.visit(ask)
        if visit.found is None:
            return self._desk.go("/account", visit)
        return self._page(visit, visit.found)

    async def post(self, ask: Ask) -> Answer:
        visit, form = await self._desk.posted(ask)
        if visit.found is None:
            return self._desk.go("/account", visit)
        account, now = visit.found.account, self._desk.clock.now()
        key, pace = f"password {account.id}", self._desk.settings.pace
        if await self._desk.store.write(lambda tx: _charge(tx, key, pace, now)):
            return self._page(visit, visit.found, "There were too many tries. Wait a little.", "current_password", 429)
        if not await self._passwords.verify(account.password_hash, form.get("current_password") or ""):
            return self._page(visit, visit.found, "The current password is not right.", "current_password", 401)
        try:
            await self._accounts.set_password(account.id, form.get("new_password") or "", visit.found.session.id)
        except PasswordTooWeak as error:
            return self._page(visit, visit.found, str(error), "new_password", 400)
        await self._desk.store.write(lambda tx: tx.buckets.delete(key))
        return self._desk.go("/account?done=password", visit)

    def _page(
        self, visit: Visit, found: Found, error: str | None = None, field: Field | None = None, status: int = 200
    ) -> Answer:
        page = PasswordPage(
            csrf=visit.csrf,
            account_label=found.account.username,
            min_length=self._desk.settings.min_password,
            error=error,
            field=field,
        )
        return self._desk.show(page, visit, (), status)


def _charge(tx: Tx, key: str, pace: Pace, now: int) -> int:
    """Charge one try; the seconds to wait when it is not taken."""
    bucket = tx.buckets.get(key)
    seconds = wait(bucket, now)
    if not seconds:
        tx.buckets.put(failed(key, bucket, pace, now))
    return seconds
