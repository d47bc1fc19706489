"""`evergrant family`: who is signed in with what, for how long, what happened to it, and an end to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli import whose
from evergrant.cli.event import record as event_record
from evergrant.cli.output import (
    Column,
    Exit,
    Failure,
    emit_line,
    emit_list,
    emit_one,
    emit_text,
    instant,
    json_option,
    listed,
    note,
    yes_or_no,
)
from evergrant.cli.place import Place, change, placed, read, read_at
from evergrant.cli.verbs import Parts

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.domain.family import Family
    from evergrant.store.port import Tx

# The trail of a family that refreshes every minute is long; its picture needs the end of it, and says so.
MOST_EVENTS: Final = 10_000
LONGEST_REASON: Final = 200


@click.group("family", cls=Parts)
def family_() -> None:
    """See the chains of refresh tokens, one per sign-in and device, and end them.

    A family is named by its id (fam_…).
    """


@family_.command("list")
@click.option("--user", metavar="USER", help="Only those of one user, by email address or id.")
@click.option("--client", metavar="CLIENT", help="Only those of one client, by name or id.")
@click.option("--all", "every", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many at most.")
@placed
@json_option
def list_(user: str | None, client: str | None, every: bool, limit: int, place: Place, as_json: bool) -> None:
    """List the families that are alive, the one used last at the end."""
    from evergrant.store.port import Which

    def work(tx: Tx) -> list[dict[str, Any]]:
        which = Which(account_id=whose.account_id(tx, user), client_id=whose.client_id(tx, client), live=not every)
        names: dict[str, str] = {}
        return [record(tx, family, names) for family in tx.families.find(which, limit + 1)]

    found = read(place, work)
    shown = sorted(found[:limit], key=lambda family: int(family["used_at"]))
    emit_list(shown, LIST_COLUMNS, as_json=as_json, none="no families" if every else "no live families")
    if len(found) > limit:
        note(f"there are more than {limit}; narrow the list with --user or --client, or raise --limit")


@family_.command("show")
@click.argument("family")
@placed
@json_option
def show(family: str, place: Place, as_json: bool) -> None:
    """Show one family: what it may do, until when, and how it came to be what it is.

    The picture has a line for every generation, made from the audit trail: what was rotated, repeated or presented
    again, when, from where, and why it ended.
    """
    from evergrant.cli.picture import picture
    from evergrant.store.port import EventQuery

    def work(tx: Tx, now: int) -> dict[str, Any]:
        found = record(tx, whose.family(tx, family), {})
        told = tx.events.find(EventQuery(family_id=family, newest=True, limit=MOST_EVENTS))
        return {**found, "state": _state(found, now), "events": [event_record(*row) for row in reversed(told)]}

    shown = read_at(place, work)
    emit_one(shown, COLUMNS, as_json=as_json)
    if not as_json:
        emit_text("\n" + picture(shown["events"], cut=len(shown["events"]) == MOST_EVENTS))


@family_.command("end")
@click.argument("family")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever reads the audit trail later.")
@placed
@json_option
def end(family: str, reason: str, place: Place, as_json: bool) -> None:
    """End a family: its refresh token and every access token made from it are worthless at once."""
    from evergrant.domain.reason import Reason
    from evergrant.issuer.service.ends import end_family

    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Failure(f"a reason is a sentence of 1 to {LONGEST_REASON} printable characters")

    def work(tx: Tx, now: int) -> Family:
        found = whose.family(tx, family)
        if not end_family(tx, found, Reason.OPERATOR, now, detail=reason) and found.ended is not None:
            raise Failure(
                f"the family {family} ended already, at {instant(found.ended.at)}: {found.ended.reason}",
                hint=f"see how with: evergrant family show {family}",
                code=Exit.CONFLICT,
            )
        return found

    async def ended(house: House) -> Family:
        now = house.clock.now()
        return await house.store.write(lambda tx: work(tx, now))

    was = change(place, ended)
    if as_json:
        emit_line({"id": family, "generation": was.head.generation, "reason": Reason.OPERATOR, "detail": reason})
    note(f"ended the family {family} in its generation {was.head.generation}")


def _state(family: dict[str, Any], now: int) -> str:
    if family["reason"]:
        return str(family["reason"])
    if now >= family["absolute_end"]:
        return "absolute end passed"
    return "idle end passed" if now >= family["idle_end"] else "alive"


def record(tx: Tx, family: Family, names: dict[str, str]) -> dict[str, Any]:
    """A family as `--json` prints it, with the names of its client and user; *names* remembers them for the next one.

    Nothing in it helps to make a token: digests and the sealed successor stay where they are.
    """
    from evergrant.domain import id as ids
    from evergrant.domain.scope import split

    if family.client_id not in names:
        client = tx.clients.get(family.client_id)
        names[family.client_id] = client.name if client else ""
    if family.account_id not in names:
        account = tx.accounts.get(family.account_id)
        names[family.account_id] = account.username if account else ""
    head = family.head
    return {
        "id": ids.text(ids.Kind.FAMILY, family.id),
        "client_id": family.client_id,
        "client": names[family.client_id] or None,
        "account_id": family.account_id,
        "user": names[family.account_id] or None,
        "session_id": family.session_id or None,
        "online": family.online,
        "bound_to": family.binding or None,
        "label": family.label,
        "scopes": list(split(family.scope)),
        "resources": list(split(family.resources)),
        "generation": head.generation,
        "repeats": head.repeats,
        "started_at": family.started_at,
        "auth_time": family.auth_time,
        "used_at": head.used_at,
        "spent_at": head.spent_at or None,
        "overlap_end": head.overlap_end or None,
        "idle_end": head.idle_end,
        "absolute_end": family.absolute_end,
        "network": head.network,
        "agent": head.agent,
        "ended_at": family.ended.at if family.ended else None,
        "reason": family.ended.reason if family.ended else None,
    }


LIST_COLUMNS: Final = (
    Column("id", "family"), Column("user"), Column("client"), Column("label", "device"),
    Column("generation", right=True), Column("used_at", "last used", instant), Column("idle_end", "idle end", instant),
    Column("ended_at", "ended", instant), Column("reason"),
)  # fmt: skip
COLUMNS: Final = (
    Column("id", "family"), Column("state"), Column("user"), Column("client"), Column("label", "device"),
    Column("online", "ends with the browser session", yes_or_no), Column("bound_to", "bound to"),
    Column("scopes", show=listed),
    Column("resources", show=listed), Column("generation"), Column("started_at", "began", instant),
    Column("used_at", "last used", instant), Column("network", "last network"), Column("agent", "last agent"),
    Column("idle_end", "idle end", instant), Column("absolute_end", "absolute end", instant),
    Column("ended_at", "ended", instant),
)  # fmt: skip
