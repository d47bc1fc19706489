"""/account/password: change it, and sign everything else out (attack S-13)."""

from typing import Literal

from evergrant.domain.throttle import Pace, failed, refunded, wait
from evergrant.domain.token import SECRET_LENGTH, SESSION, write_opaque
from evergrant.entropy import Entropy
from evergrant.issuer.pages.desk import Desk, Visit
from evergrant.issuer.pages.view import PasswordPage
from evergrant.issuer.passwords import Passwords, PasswordTooWeak
from evergrant.issuer.service.accounts import Accounts
from evergrant.issuer.service.sessions import Found, Renewal
from evergrant.protocol.error import Refused
from evergrant.store.port import Tx
from evergrant.web.answer import Answer, retry_after
from evergrant.web.ask import Ask
from evergrant.web.look.wording import wait as in_words

Field = Literal["current_password", "new_password"]


class PasswordHandler:
    """Shows and takes the form."""

    def __init__(self, desk: Desk, accounts: Accounts, passwords: Passwords, entropy: Entropy) -> None:
        self._desk, self._accounts, self._passwords, self._entropy = desk, accounts, passwords, entropy

    async def get(self, ask: Ask) -> Answer:
        visit = await self._desk.visit(ask)
        if visit.found is None:
            return self._desk.go("/account", visit)
        return self._page(visit, visit.found)

    async def post(self, ask: Ask) -> Answer:
        visit, form = await self._desk.posted_in_session(ask)
        if visit.found is None:
            return self._desk.go("/account", visit)
        account, now = visit.found.account, self._desk.clock.now()
        key, pace = f"password {account.id}", self._desk.settings.pace
        if seconds := await self._desk.store.write(lambda tx: _charge(tx, key, pace, now)):
            told = f"There were too many tries. Wait {in_words(seconds)}, then try again."
            answer = self._page(visit, visit.found, told, "current_password", 429)
            return answer._replace(headers=(*answer.headers, retry_after(seconds)))
        try:
            right = await self._passwords.verify(account.password_hash, form.get("current_password") or "")
        except Refused:
            await self._desk.store.write(lambda tx: _refund(tx, key, now))
            raise
        if not right:
            return self._page(visit, visit.found, "The current password is not right.", "current_password", 401)
        # Before the change, not after it: a change that has happened cannot be tried again with the old password.
        await self._desk.store.write(lambda tx: tx.buckets.delete(key))
        kept = Renewal(visit.found.session.id, write_opaque(SESSION, self._entropy.draw(SECRET_LENGTH)))
        try:
            await self._accounts.set_password(account.id, form.get("new_password") or "", kept)
        except PasswordTooWeak as error:
            return self._page(visit, visit.found, str(error), "new_password", 400)
        return self._desk.go("/account?done=password", visit, self._desk.session_cookie(kept.cookie))

    def _page(
        self, visit: Visit, found: Found, error: str | None = None, field: Field | None = None, status: int = 200
    ) -> Answer:
        page = PasswordPage(
            csrf=visit.session_csrf,
            account_label=found.account.username,
            min_length=self._desk.settings.min_password,
            error=error,
            field=field,
        )
        return self._desk.show(page, visit, (), status)


def _refund(tx: Tx, key: str, now: int) -> None:
    """Take back what a try was charged that nobody had the time to judge."""
    if (bucket := tx.buckets.get(key)) is not None:
        tx.buckets.put(refunded(bucket, now))


def _charge(tx: Tx, key: str, pace: Pace, now: int) -> int:
    """Charge one try; the seconds to wait when it is not taken."""
    bucket = tx.buckets.get(key)
    seconds = wait(bucket, now)
    if not seconds:
        tx.buckets.put(failed(key, bucket, pace, now))
    return seconds
