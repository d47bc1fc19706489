"""`evergrant user`: the people who sign in."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.output import (
    Column,
    Failure,
    ask_secret,
    confirm,
    emit_list,
    emit_one,
    emit_secret,
    instant,
    json_option,
    note,
    plural,
    shown_once,
    yes_or_no,
)
from evergrant.cli.place import Place, change, placed, read, read_at
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.domain.account import Account
    from evergrant.entropy import Entropy
    from evergrant.store.port import Tx

PASSWORD: Final = "password"
# Letters and digits that cannot be mistaken for one another, 32 of them: five bits each.
ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
GROUPS: Final = 4
LONGEST: Final = 65_536
COUNTED: Final = 10_000


@click.group("user", cls=Parts)
def user_() -> None:
    """Add people, disable them, set their passwords.

    A user is named by the email address they sign in with, or by their id (usr_…).
    """


def password_options(command: Any) -> Any:
    """Give a command the two ways to say a password where nobody can be asked."""
    for option in (
        click.option("--generate", is_flag=True, help="Make a password, and print it once."),
        click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from standard input."),
    ):
        command = option(command)
    return command


@user_.command("add")
@click.argument("email")
@click.option("--name", help="Their full name, told to applications that may know it.")
@click.option("--email-verified", is_flag=True, help="Say that the address is known to be theirs.")
@password_options
@placed
@json_option
def add(
    email: str, name: str | None, email_verified: bool, from_stdin: bool, generate: bool, place: Place, as_json: bool
) -> None:
    """Add somebody who can sign in.

    The password is asked for twice on a terminal; elsewhere say --password-stdin or --generate.
    """
    given = None if generate else _password(from_stdin=from_stdin)
    claims: dict[str, object] = {"name": name} if name else {}

    async def work(house: House) -> tuple[Account, str]:
        chosen = given or _generated(house.entropy, house.config.password.min_length)
        account = await house.accounts.add(email, chosen, claims=claims, email_verified=email_verified)
        return account, chosen

    account, chosen = change(place, work, make=True)
    shown = record(account)
    if as_json:
        emit_one({**shown, "password": chosen if generate else None}, COLUMNS, as_json=True)
        if generate:
            shown_once(PASSWORD)
        return
    emit_one(shown, COLUMNS, as_json=False)
    if generate:
        emit_secret(chosen, PASSWORD)


@user_.command("list")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many at most.")
@click.option("--after", default="", metavar="EMAIL", help="Begin behind this address, the last one of another list.")
@placed
@json_option
def list_(limit: int, after: str, place: Place, as_json: bool) -> None:
    """List the people who can sign in, and those who were disabled.

    In the order of the addresses they sign in with. Where there are more than --limit, the list ends with the last that
    fits, and --after goes on from there.
    """
    from evergrant.domain.account import normal_name
    from evergrant.issuer.service.accounts import by_name

    behind = normal_name(after) if after else ""
    found = read(place, lambda tx: by_name(tx, limit + 1, behind))
    shown = [record(account) for account in found[:limit]]
    none = f"no users behind {after}" if after else "no users yet; add one with: evergrant user add"
    emit_list(shown, LIST_COLUMNS, as_json=as_json, none=none)
    if len(found) > limit:
        note(f"there are more; go on with: evergrant user list --after {shlex.quote(shown[-1]['username'])}")


@user_.command("show")
@click.argument("user")
@placed
@json_option
def show(user: str, place: Place, as_json: bool) -> None:
    """Show one person, how many browsers are signed in as them and how many families they have."""
    from evergrant.issuer.service.accounts import wanted
    from evergrant.store.port import Which

    def work(tx: Tx, now: int) -> dict[str, Any]:
        account = wanted(tx, user)
        live = [session for session in tx.sessions.find(COUNTED, account_id=account.id) if session.live(now)]
        families = tx.families.find(Which(account_id=account.id), COUNTED)
        unseen = [notice for notice in tx.notices.find(COUNTED, account_id=account.id) if not notice.acknowledged_at]
        return {**record(account), "sessions": len(live), "families": len(families), "unseen_notices": len(unseen)}

    emit_one(read_at(place, work), COLUMNS_WITH_COUNTS, as_json=as_json)


@user_.command("password")
@click.argument("user")
@password_options
@placed
@json_option
def password(user: str, from_stdin: bool, generate: bool, place: Place, as_json: bool) -> None:
    """Set somebody's password. Everything they hold ends at once: every session, and every family.

    The password is asked for twice on a terminal; elsewhere say --password-stdin or --generate.
    """
    given = None if generate else _password(from_stdin=from_stdin)

    async def work(house: House) -> tuple[tuple[Account, int, int], str]:
        chosen = given or _generated(house.entropy, house.config.password.min_length)
        return await house.accounts.set_password(user, chosen), chosen

    ended, chosen = change(place, work)
    _ended("set the password of", ended, as_json=as_json, password=chosen if generate else None)
    if generate and not as_json:
        emit_secret(chosen, PASSWORD)
    elif generate:
        shown_once(PASSWORD)


@user_.command("disable")
@click.argument("user")
@placed
@json_option
def disable(user: str, place: Place, as_json: bool) -> None:
    """Keep somebody out until they are enabled again. Every session and every family of theirs ends at once."""
    _ended("disabled", change(place, lambda house: house.accounts.disable(user)), as_json=as_json)


@user_.command("enable")
@click.argument("user")
@placed
@json_option
def enable(user: str, place: Place, as_json: bool) -> None:
    """Let somebody in again who was disabled. What ended stays ended: they sign in anew."""
    account = change(place, lambda house: house.accounts.enable(user))
    if as_json:
        emit_one(record(account), COLUMNS, as_json=True)
    note(f"enabled {account.username} ({account.id})")


@user_.command("delete")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def delete(user: str, yes: bool, place: Place, as_json: bool) -> None:
    """Delete somebody, with their sessions, families, consents and notices. The audit trail keeps their id."""
    from evergrant.issuer.service.accounts import wanted

    held = read(place, lambda tx: wanted(tx, user))
    confirm(f"delete {held.username} and end everything they hold?", yes=yes)
    _ended("deleted", change(place, lambda house: house.accounts.delete(held.id)), as_json=as_json)


def _ended(done: str, what: tuple[Account, int, int], *, as_json: bool, **more: Any) -> None:
    account, sessions, families = what
    if as_json:
        ended = {"sessions_ended": sessions, "families_ended": families}
        emit_one({**record(account), **ended, **more}, COLUMNS, as_json=True)
    counts = f"{plural(sessions, 'session', 'sessions')} and {plural(families, 'family', 'families')} ended"
    note(f"{done} {account.username} ({account.id}); {counts}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        raw = sys.stdin.buffer.read(LONGEST + 1)
        try:
            given = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Failure("the password on standard input is not UTF-8 text") from error
        given = given.removesuffix("\n").removesuffix("\r")
        if not given:
            raise Failure("there is no password on standard input")
        return given
    if not sys.stdin.isatty():
        raise Failure("there is nobody to ask for a password", hint="say --password-stdin or --generate")
    return ask_secret(PASSWORD)


def _generated(entropy: Entropy, least: int) -> str:
    """A password of 100 random bits, or more where more is asked for, in groups that can be read aloud."""
    groups = max(GROUPS, -(-least // 6))
    letters = [ALPHABET[byte & 31] for byte in entropy.draw(5 * groups)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, len(letters), 5))


def record(account: Account) -> dict[str, Any]:
    """An account as `--json` prints it."""
    return {
        "id": account.id,
        "username": account.username,
        "email": account.email,
        "email_verified": account.email_verified,
        "name": account.claims.get("name"),
        "created_at": account.created_at,
        "password_changed_at": account.password_changed_at,
        "disabled_at": account.disabled_at or None,
    }


LIST_COLUMNS: Final = (
    Column("id", "user"), Column("username", "signs in as"), Column("name"), Column("created_at", "since", instant),
    Column("disabled_at", "disabled", instant),
)  # fmt: skip
COLUMNS: Final = (
    Column("id", "user"), Column("username", "signs in as"), Column("email"),
    Column("email_verified", "email verified", yes_or_no), Column("name"), Column("created_at", "since", instant),
    Column("password_changed_at", "password from", instant), Column("disabled_at", "disabled", instant),
)  # fmt: skip
COLUMNS_WITH_COUNTS: Final = (
    *COLUMNS, Column("sessions", "signed-in browsers"), Column("families", "live families"),
    Column("unseen_notices", "unseen theft notices"),
)  # fmt: skip
