"""The feed of endings: how an issuer tells every resource server, at once, which access tokens are dead.

An **ending** says which tokens died: its members are the claims of our access tokens (RFC 9068), and a token is dead
when every member that is given agrees with the token's own claim of that name:

    {"at":1800000000,"until":1800000900,"fam":["fam_…"]}              every token of these families
    {"at":1800000000,"until":1800000900,"jti":"…"}                    this one token
    {"at":1800000000,"until":1800000900,"sub":"usr_…"}                of this account, issued at or before `at`
    {"at":1800000000,"until":1800000900,"client_id":"cli_…"}          of this client, its own ones too, as above
    {"at":1800000000,"until":1800000900,"sub":"…","client_id":"…"}    of this account's grant to this client, as above

A family and a single token never live again, so `fam` and `jti` hold whatever `iat` says. Accounts, clients and grants
go on, so there `iat` counts. An end of few families names them; a mass end (a client with a million) is one ending.
A token that was exchanged (RFC 8693) belongs to its family's client, too: `client_id` agrees with the claim `client_id`
or with the claim `fam_client`, which such tokens have. It dies with each token that it comes from, too: `jti` agrees
with the claim `jti` or with one of the list in the claim `jti_from`.
`until` is when the last token it could mean has expired, with a `MARGIN` for clocks: then it may be forgotten, but not
sooner than `until - at` seconds after it was heard of, for an issuer's clock may have stood in the past.
A session's end arrives as the families that ended with it, for offline ones live on.

**Frames.** The stream (`text/event-stream`) carries three events, each with the cursor as its `id`:

- `ending`: one ending, as above.
- `beat`: `{"now":1800000000,"every":1.0}`: everything up to this cursor has been told, and something will be said again
  within `every` seconds. The first beat after connecting ends the catching up: only then is a follower up to date.
  No beat comes while the issuer cannot read its store.
- `reset`: `{}`: the cursor that was asked for is not known here (too old, or the store was restored). Every ending that
  still matters follows, then a beat. What a follower knows already it keeps: what is dead stays dead.

**Asking.** `GET /revocations`, authenticated (HTTP Basic) as a confidential client of type `service`.
With `Accept: text/event-stream` it is the stream, from `Last-Event-ID` (or `?after=`) on; without a cursor, from the
oldest ending that still matters. With any other Accept it answers once: `Page`, `ETag` is its cursor, and
`If-None-Match` with that cursor gets 304 when nothing has been added. A follower that polls was up to date when it sent
the request that was answered 304, or 200 without `more`.

**Following.** Endings may come twice and in any order; order means nothing. A follower that has heard nothing for
`STALE_BEATS` times `every` seconds, by a clock that never steps, is out of touch and decides by its policy. So it does
when something arrives that it cannot read (`Unreadable`): it must not pass over an ending that it does not understand.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from msgspec import DecodeError, Struct, ValidationError, json

MEDIA_TYPE: Final = "text/event-stream"
PATH: Final = "/revocations"
METADATA: Final = "evergrant_revocations_endpoint"
"""The member of the issuer's metadata (RFC 8414) that holds the feed's address."""
START: Final = "0.0"
"""The cursor before the first ending: asks for everything that still matters."""
STALE_BEATS: Final = 3
MOST_FAMILIES: Final = 100
"""Of one ending; an end of more families names what they have in common, or takes several endings."""
LATEST: Final = 253_402_300_799
"""The end of the year 9999: whatever lies beyond is no time."""
MARGIN: Final = 300
"""Seconds of `until` that are for clocks that differ; no leeway may be longer, or what is dead would live again."""
MOST_CURSOR: Final = 64
MOST_FRAME: Final = 65_536
MOST_PAGE: Final = 1_000


class Unreadable(ValueError):
    """What arrived is not what this module describes; whoever follows is out of touch."""


class Ending(NamedTuple):
    """Which tokens are dead; see above. Times in seconds since the epoch. Empty members do not count."""

    at: int
    until: int
    families: tuple[str, ...] = ()
    jti: str = ""
    account_id: str = ""
    client_id: str = ""

    def takes(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token with these claims is dead by this ending: what every index must agree with."""
        if not (self.families or self.jti or self.account_id or self.client_id):
            return False
        if self.families and claims.get("fam") not in self.families:
            return False
        if self.jti and self.jti != claims.get("jti") and self.jti not in _ancestors(claims):
            return False
        if self.account_id and claims.get("sub") != self.account_id:
            return False
        if self.client_id and self.client_id not in (claims.get("client_id"), claims.get("fam_client")):
            return False
        if self.families or self.jti:
            return True
        issued = claims.get("iat")
        return not isinstance(issued, int | float) or issued <= self.at


def _ancestors(claims: Mapping[str, Any]) -> Collection[Any]:
    found = claims.get("jti_from")
    return found if isinstance(found, list | tuple) else ()


class Kind(StrEnum):
    """What a frame is."""

    ENDING = "ending"
    BEAT = "beat"
    RESET = "reset"


class Beat(NamedTuple):
    """The issuer's time, and within how many seconds it will be heard of again."""

    now: int
    every: float


class Frame(NamedTuple):
    """One event of the stream. *ending* and *beat* are given for their kinds."""

    kind: Kind
    cursor: str
    ending: Ending | None = None
    beat: Beat | None = None


class Page(NamedTuple):
    """One answer to a poll. *more*: ask again at once, from *cursor*. *reset*: as the frame of that name."""

    cursor: str
    endings: tuple[Ending, ...]
    beat: Beat
    more: bool = False
    reset: bool = False


class _Line(Struct, omit_defaults=True):
    at: int
    until: int
    fam: tuple[str, ...] = ()
    jti: str = ""
    sub: str = ""
    client_id: str = ""


class _Beat(Struct):
    now: int
    every: float


class _Page(Struct):
    cursor: str
    endings: list[_Line]
    now: int
    every: float
    more: bool
    reset: bool


_ENDING: Final = json.Decoder(_Line)
_BEAT: Final = json.Decoder(_Beat)
_PAGE: Final = json.Decoder(_Page)


def write_ending(ending: Ending) -> bytes:
    """One ending as a compact JSON line, without a line break."""
    return json.encode(_line(ending))


def read_ending(text: bytes | str) -> Ending:
    """The ending behind a line. Raises `Unreadable`, also for one that names nothing known."""
    try:
        return _ending(_ENDING.decode(text))
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("an ending cannot be read") from error


def ending_frame(cursor: str, ending: Ending) -> bytes:
    """An ending as an event of the stream."""
    return b"event: ending\nid: %b\ndata: %b\n\n" % (cursor.encode("ascii"), write_ending(ending))


def beat_frame(cursor: str, beat: Beat) -> bytes:
    """A beat as an event of the stream."""
    return b"event: beat\nid: %b\ndata: %b\n\n" % (cursor.encode("ascii"), json.encode(_Beat(*beat)))


def reset_frame() -> bytes:
    """A reset as an event of the stream; it takes the reader's cursor back to the start."""
    return b"event: reset\nid: %b\ndata: {}\n\n" % START.encode("ascii")


def write_page(page: Page) -> bytes:
    """One answer to a poll."""
    lines = [_line(ending) for ending in page.endings]
    return json.encode(_Page(page.cursor, lines, *page.beat, page.more, page.reset))


def read_page(text: bytes) -> Page:
    """The page behind an answer. Raises `Unreadable`."""
    try:
        page = _PAGE.decode(text)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("a page of endings cannot be read") from error
    endings = tuple(_ending(line) for line in page.endings)
    return Page(read_cursor(page.cursor), endings, _beat(page.now, page.every), page.more, page.reset)


def read_cursor(text: str) -> str:
    """*text* if it can be a cursor. Raises `Unreadable`."""
    number, dot, check = text.partition(".")
    # Only ASCII: what is sent back goes into a header and into an address.
    if not text.isascii() or len(text) > MOST_CURSOR or not (number.isdigit() and dot and check):
        raise Unreadable("not a cursor")
    if not check.replace("-", "").replace("_", "").isalnum():
        raise Unreadable("not a cursor")
    return text


def entity_tag(cursor: str) -> str:
    """The ETag of a page (RFC 9110 section 8.8.3)."""
    return f'"{cursor}"'


class Frames:
    """Takes a stream apart as it arrives (HTML section 9.2, server-sent events), a bounded frame at a time."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[Frame]:
        """The frames that are complete with *part*. Events of other names are passed over. Raises `Unreadable`."""
        *blocks, self._rest = (self._rest + part).split(b"\n\n")
        for block in blocks:
            frame = _frame(block)
            if frame is not None:
                yield frame
        if len(self._rest) > MOST_FRAME:
            raise Unreadable("a frame has no end")


def _frame(block: bytes) -> Frame | None:
    try:
        fields = dict(_fields(block.decode("utf-8").split("\n")))
    except UnicodeDecodeError as error:
        raise Unreadable("a frame is not UTF-8") from error
    kind, text = fields.get("event", ""), fields.get("data", "")
    if kind == Kind.ENDING:
        return Frame(Kind.ENDING, read_cursor(fields.get("id", "")), read_ending(text))
    if kind == Kind.BEAT:
        try:
            beat = _BEAT.decode(text)
        except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable("a beat cannot be read") from error
        return Frame(Kind.BEAT, read_cursor(fields.get("id", "")), beat=_beat(beat.now, beat.every))
    return Frame(Kind.RESET, START) if kind == Kind.RESET else None


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and values; comments begin with a colon, and one space after the name's colon belongs to nobody."""
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            yield name, value.removeprefix(" ")


def _line(ending: Ending) -> _Line:
    return _Line(ending.at, ending.until, ending.families, ending.jti, ending.account_id, ending.client_id)


def _ending(line: _Line) -> Ending:
    if not (line.fam or line.jti or line.sub or line.client_id):
        raise Unreadable("an ending names nothing that is known here")
    if not 0 <= line.at <= line.until <= LATEST:
        raise Unreadable("an ending is over before it began, or at no time")
    return Ending(line.at, line.until, line.fam, line.jti, line.sub, line.client_id)


def _beat(now: int, every: float) -> Beat:
    if not (0 < every < 3_600 and 0 <= now <= LATEST):  # noqa: PLR2004 - an hour of silence is no beat
        raise Unreadable("a beat is more than nothing and less than an hour, and told at some time")
    return Beat(now, every)


__all__ = [
    "MARGIN", "MEDIA_TYPE", "METADATA", "MOST_FAMILIES", "MOST_PAGE", "PATH", "STALE_BEATS", "START", "Beat", "Ending",
    "Frame", "Frames", "Kind", "Page", "Unreadable", "beat_frame", "ending_frame", "entity_tag", "read_cursor",
    "read_ending", "read_page", "reset_frame", "write_ending", "write_page",
]  # fmt: skip
