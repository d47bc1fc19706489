"""`evergrant user`: the people who sign in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.output import Column, Failure, emit_one, emit_secret, instant, json_option, shown_once, yes_or_no
from evergrant.cli.place import Place, change, placed

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.domain.account import Account
    from evergrant.entropy import Entropy

PASSWORD: Final = "password"
# Letters and digits that cannot be mistaken for one another, 32 of them: five bits each.
ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
GROUPS: Final = 4
LONGEST: Final = 65_536


@click.group("user")
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
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    return entered


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


COLUMNS: Final = (
    Column("id", "user"), Column("username", "signs in as"), Column("email"),
    Column("email_verified", "email verified", yes_or_no), Column("name"), Column("created_at", "since", instant),
    Column("password_changed_at", "password from", instant), Column("disabled_at", "disabled", instant),
)  # fmt: skip
