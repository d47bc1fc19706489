"""`evergrant stream`: the streams of security events (SSF) that receivers have set up for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from evergrant.cli import whose
from evergrant.cli.output import (
    Column,
    Exit,
    Failure,
    confirm,
    emit_line,
    emit_list,
    emit_one,
    instant,
    json_option,
    listed,
    note,
)
from evergrant.cli.place import Place, change, placed, read
from evergrant.cli.verbs import Parts
from evergrant.domain.receiver import Method, Status, Stream

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.store.port import Tx

_METHODS: Final = {Method.PUSH: "push", Method.POLL: "poll"}


@click.group("stream", cls=Parts)
def stream_() -> None:
    """See the streams of security events, and pause, try or end them.

    Receivers set up their streams themselves, as clients of type service. A stream is named by its id, or by the name
    or id of its client when that has one stream.
    """


@stream_.command("list")
@click.option("--client", metavar="CLIENT", help="Only the streams of one client, by name or id.")
@placed
@json_option
def list_(client: str | None, place: Place, as_json: bool) -> None:
    """List the streams, with what waits in each."""

    def found(tx: Tx) -> list[dict[str, Any]]:
        from evergrant.issuer.service.streams import every, owned

        wanted = owned(tx, whose.client_id(tx, client)) if client else every(tx)
        return [record(tx, stream) for stream in wanted]

    none = "no streams; a receiver sets up its own at /events/stream"
    emit_list(read(place, found), LIST_COLUMNS, as_json=as_json, none=none)


@stream_.command("show")
@click.argument("stream")
@placed
@json_option
def show(stream: str, place: Place, as_json: bool) -> None:
    """Show one stream. The header that its pushes carry is sealed and cannot be shown."""
    emit_one(read(place, lambda tx: record(tx, named(tx, stream))), COLUMNS, as_json=as_json)


@stream_.command("pause")
@click.argument("stream")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the receiver to read.")
@placed
@json_option
def pause(stream: str, reason: str, place: Place, as_json: bool) -> None:
    """Hold the events of a stream until it is resumed; they are kept for a day. Its receiver is told."""
    _operate(place, stream, Status.PAUSED, reason, as_json=as_json)


@stream_.command("resume")
@click.argument("stream")
@placed
@json_option
def resume(stream: str, place: Place, as_json: bool) -> None:
    """Let the events of a stream go out again, also of one that its receiver has paused or disabled."""
    _operate(place, stream, Status.ENABLED, "", as_json=as_json)


@stream_.command("verify")
@click.argument("stream")
@placed
@json_option
def verify(stream: str, place: Place, as_json: bool) -> None:
    """Send a verification event through a stream, to see that it arrives.

    A running server sends it within a second; what waits is in `evergrant stream show`, and what does not arrive is in
    the audit trail in the end.
    """

    async def work(house: House) -> dict[str, Any]:
        from evergrant.issuer.service import streams

        now = house.clock.now()

        def once(tx: Tx) -> dict[str, Any] | None:
            held = named(tx, stream)
            return record(tx, held) if streams.verify(tx, held, None, now) else None

        told = await house.store.write(once)
        if told is None:
            raise Failure("one verification a minute, and this minute has had its own", code=Exit.CONFLICT)
        return told

    told = change(place, work)
    emit_one(told, COLUMNS, as_json=as_json)
    note(f"a verification event is on its way through {told['id']}")


@stream_.command("delete")
@click.argument("stream")
@click.option("--yes", is_flag=True, help="Do not ask.")
@placed
@json_option
def delete(stream: str, yes: bool, place: Place, as_json: bool) -> None:
    """End a stream, and drop what waits in it. Its receiver may set up another one."""
    found = read(place, lambda tx: record(tx, named(tx, stream)))
    confirm(f"end the stream {found['id']} of {found['client']} and drop {found['waiting']} waiting?", yes=yes)

    async def work(house: House) -> None:
        from evergrant.issuer.service import streams

        now = house.clock.now()
        await house.store.write(lambda tx: streams.end(tx, found["id"], now))

    change(place, work)
    if as_json:
        emit_line({"id": found["id"], "client_id": found["client_id"], "dropped": found["waiting"]})
    note(f"ended the stream {found['id']} of {found['client']}")


def _operate(place: Place, stream: str, status: Status, reason: str, *, as_json: bool) -> None:
    async def work(house: House) -> dict[str, Any]:
        from evergrant.issuer.service import streams

        now = house.clock.now()
        return await house.store.write(
            lambda tx: record(tx, streams.operate(tx, named(tx, stream).id, status, reason, now))
        )

    emit_one(change(place, work), COLUMNS, as_json=as_json)


def named(tx: Tx, given: str) -> Stream:
    """The stream of that id, or the only one of that client. Raises `NoSuchStream`, `NoSuchClient`."""
    from evergrant.issuer.service.streams import own

    return tx.streams.get(given) or own(tx, whose.client_id(tx, given.partition(".")[0]), given if "." in given else "")


def record(tx: Tx, stream: Stream) -> dict[str, Any]:
    """A stream as `--json` prints it; what does not apply is null."""
    from evergrant.issuer.service.streams import waiting

    client = tx.clients.get(stream.client_id)
    return {
        "id": stream.id, "client_id": stream.client_id, "client": client.name if client else None,
        "method": _METHODS[stream.method], "endpoint": stream.endpoint or None, "events": list(stream.events),
        "status": stream.status, "reason": stream.status_reason or None, "description": stream.description or None,
        "without": list(stream.without), "waiting": len(waiting(tx, stream)), "created_at": stream.created_at,
    }  # fmt: skip


def _short(events: list[str]) -> str:
    return listed(name.rpartition("/")[2] for name in events)


def _count(accounts: list[str]) -> str:
    return str(len(accounts))


LIST_COLUMNS: Final = (
    Column("id", "stream"), Column("client"), Column("method"), Column("status"), Column("events", show=_short),
    Column("waiting", right=True), Column("created_at", "since", instant),
)  # fmt: skip
COLUMNS: Final = (
    Column("id", "stream"), Column("client"), Column("description"), Column("method"), Column("endpoint"),
    Column("events", show=_short), Column("status"), Column("reason"), Column("without", "people left out", _count),
    Column("waiting"), Column("created_at", "since", instant),
)  # fmt: skip
