"""`evergrant event`: the audit trail, as it was written in the same transaction as what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli import whose
from evergrant.cli.output import emit_line, emit_list, emit_text, instant, json_option
from evergrant.cli.place import Place, finished, placed, read, reading
from evergrant.cli.verbs import Parts
from evergrant.domain.session import device_label

if TYPE_CHECKING:
    from evergrant.domain.event import Event
    from evergrant.store.port import EventQuery, Tx

LOOK_SECONDS: Final = 0.5
PAGE: Final = 1_000


@click.group("event", cls=Parts)
def event_() -> None:
    """Read the audit trail: what happened, to whom, from where, and why."""


@event_.command("list")
@click.option("--family", metavar="FAMILY", help="Only what tells of one family, by its id.")
@click.option("--user", metavar="USER", help="Only what tells of one user, by email address or id.")
@click.option("--client", metavar="CLIENT", help="Only what tells of one client, by name or id.")
@click.option("--limit", type=click.IntRange(0), default=100, show_default=True, help="How many of the newest.")
@click.option(
    "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C; with --json one document per line."
)
@placed
@json_option
def list_(
    family: str | None, user: str | None, client: str | None, limit: int, follow: bool, place: Place, as_json: bool
) -> None:
    """List the newest events, the last one at the end.

    What each kind of event means is in the documentation, under docs/reference/events.md.
    """

    def narrowed(tx: Tx) -> EventQuery:
        from evergrant.store.port import EventQuery

        if family:
            whose.family_id(family)
        return EventQuery(
            family_id=family or "", account_id=whose.account_id(tx, user), client_id=whose.client_id(tx, client),
            newest=True, limit=limit,
        )  # fmt: skip

    def newest(tx: Tx) -> list[tuple[int, Event]]:
        return list(reversed(tx.events.find(narrowed(tx))))

    if not follow:
        found = [record(*row) for row in read(place, newest)]
        if as_json or not found:
            emit_list(found, (), as_json=as_json, none="no events")
        for told in [] if as_json else found:
            emit_text(line(told))
        return
    tell = emit_line if as_json else lambda told: emit_text(line(told))
    finished(lambda: _follow(place, narrowed, newest, tell))


async def _follow(
    place: Place,
    narrowed: Callable[[Tx], EventQuery],
    newest: Callable[[Tx], list[tuple[int, Event]]],
    tell: Callable[[dict[str, Any]], None],
) -> None:
    async with reading(place) as room:

        def begin(tx: Tx) -> tuple[EventQuery, list[tuple[int, Event]], int]:
            last = tx.events.find(narrowed(tx)._replace(family_id="", account_id="", client_id="", limit=1))
            return narrowed(tx), newest(tx), last[0][0] if last else 0

        query, found, after = await room.store.read(begin)
        query = query._replace(newest=False, limit=PAGE)
        while True:
            for number, event in found:
                tell(record(number, event))
                after = max(after, number)
            if len(found) < PAGE:
                await asyncio.sleep(LOOK_SECONDS)
            found = await room.store.read(_later(query._replace(after=after)))


def _later(query: EventQuery) -> Callable[[Tx], list[tuple[int, Event]]]:
    return lambda tx: tx.events.find(query)


def record(number: int, event: Event) -> dict[str, Any]:
    """An event as `--json` prints it; what does not apply is null."""
    told = {name: value if value != "" else None for name, value in event._asdict().items()}
    return {"number": number, **told, "generation": event.generation if event.generation >= 0 else None}


def line(told: dict[str, Any]) -> str:
    """One event as one line: a table would be wide with columns that apply to few."""
    said = [f"generation {told['generation']}"] if told["generation"] is not None else []
    said += [str(told[name]) for name in ("reason", "detail") if told[name]]
    said += [told[name] for name in ("family_id", "client_id", "account_id", "session_id") if told[name]]
    return "  ".join([instant(told["at"]), f"{told['what']:<22}", *said, *whence(told)]).rstrip()


def whence(told: Mapping[str, Any]) -> list[str]:
    """The network an event came from, and the device as a person would name it."""
    found = [told["network"]] if told["network"] else []
    return [*found, device_label(told["agent"])] if told["agent"] else found
