"""`evergrant key`: what tokens are signed with, and who takes over from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli.kinds import Word
from evergrant.cli.output import Column, Failure, confirm, emit_list, instant, json_option, note
from evergrant.cli.place import Place, change, placed, read_at
from evergrant.cli.registration import ALGORITHMS
from evergrant.cli.verbs import Parts
from evergrant.domain.key import SealedKey, Use

if TYPE_CHECKING:
    from evergrant.assembly import House


@click.group("key", cls=Parts)
def key_() -> None:
    """See the signing keys and the token keys, and let new ones take over.

    With signing keys (sign) clients and APIs verify tokens. Token keys (mac) are the server's own: they tell an
    authentic refresh token from garbage before anything is looked up.
    """


@key_.command("list")
@placed
@json_option
def list_(place: Place, as_json: bool) -> None:
    """List the keys and what each is doing: next, in use, or still verifying."""
    emit_list(
        read_at(place, lambda tx, now: records(tx.keys.find(), now)), COLUMNS, as_json=as_json, none="no keys yet"
    )


@key_.command("rotate")
@click.option("--use", type=Word(Use), default="sign", help="Which kind of key.  [default: sign]")
@click.option("--alg", type=click.Choice(ALGORITHMS), metavar="ALG",
              help=f"Only the key of one algorithm: {', '.join(ALGORITHMS)}.  [default: all in use]")  # fmt: skip
@click.option("--now", "at_once", is_flag=True, help="After a compromise: take over at once, and disown the old keys.")
@click.option("--yes", is_flag=True, help="Do not ask, with --now.")
@placed
@json_option
def rotate(use: Use, alg: str | None, at_once: bool, yes: bool, place: Place, as_json: bool) -> None:
    """Publish new keys. A running server does this by itself, as often as keys.rotate_every says.

    A new signing key is published first and signs only after keys.publish_before, when everybody who verifies has had
    time to fetch it; the old one stays published for keys.retire_after, until nothing it signed is alive. With --now
    the new one signs at once and the old ones leave the key set at once: every access token and ID token they signed
    stops working, and clients refresh. Refresh tokens are not signed and go on working.
    """
    if use is Use.MAC and alg:
        raise Failure("a token key has no choice of algorithm", hint="leave out --alg, or ask for --use sign")
    if use is Use.SIGN and at_once:
        confirm("every access token and ID token signed until now stops working; go on?", yes=yes)

    async def work(house: House) -> list[SealedKey]:
        keys = house.keys
        if use is Use.MAC:
            return [await keys.rotate_mac(at_once=at_once)]
        algs = (alg,) if alg else await keys.algorithms()
        return await (keys.replace_at_once(algs) if at_once else keys.rotate(algs))

    made = {key.id for key in change(place, work)}
    shown = [each for each in read_at(place, lambda tx, now: records(tx.keys.find(), now)) if each["id"] in made]
    emit_list(shown, COLUMNS, as_json=as_json)
    if use is Use.MAC and at_once:
        note("older token keys still verify, because families outlive them; a forged token never matches its family")


def records(keys: list[SealedKey], now: int) -> list[dict[str, Any]]:
    """Every key as `--json` prints it, by use and algorithm, the oldest first. The sealed part stays where it is."""
    order = sorted(keys, key=lambda key: (key.use, key.alg, key.active_at, key.version, key.id))
    working: dict[tuple[Use, str], str] = {}
    for key in order:
        if key.active_at <= now and key.published(now):
            working[key.use, key.alg] = key.id
    return [_record(key, working.get((key.use, key.alg)) == key.id, now) for key in order]


def _record(key: SealedKey, working: bool, now: int) -> dict[str, Any]:
    state = "in use" if working else "next" if key.active_at > now else "verifying" if key.published(now) else "over"
    return {
        "id": key.id, "use": key.use, "alg": key.alg, "version": key.version or None, "state": state,
        "created_at": key.created_at, "active_at": key.active_at, "retires_at": key.retires_at or None,
    }  # fmt: skip


COLUMNS: Final = (
    Column("id", "key"), Column("use"), Column("alg"), Column("version", right=True), Column("state"),
    Column("active_at", "works from", instant), Column("retires_at", "leaves at", instant),
)  # fmt: skip
