"""Words for people: strangers' text made harmless to look at, instants and durations as one would say them.

What lives here: pure functions from values to plain text. Escaping for HTML is not here, it is the template engine's
(`template`); what the headers say is next door in `csp`.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

NAME_LIMIT: Final = 64
LABEL_LIMIT: Final = 96
TEXT_LIMIT: Final = 2_000
NAMELESS: Final = "Unnamed application"

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_MONTH: Final = 31 * _DAY
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_LAST_INSTANT: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that `datetime` can say

# Zero-width joiner and non-joiner carry meaning in Persian, Indic scripts and emoji; every other format character
# either turns the reading direction round (attack S-06) or hides something.
_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# These count as letters or marks and still show nothing: Hangul fillers, the Braille blank, the grapheme joiner.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
_STACKED_MARKS: Final = 3

_LINKABLE: Final = frozenset({"https", "http"})
_SCRIPTED: Final = frozenset({"javascript", "data", "vbscript", "blob", "filesystem", "file", "about", "view-source"})
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[^\s\\]+\Z")


def plain(text: str, limit: int = TEXT_LIMIT) -> str:
    """*text* without control, bidirectional and invisible characters, on one line, no longer than *limit*."""
    # Only a bounded piece is looked at: a name of a megabyte must not cost a megabyte's work per page.
    piece = text[: limit * 4]
    if not (piece.isascii() and piece.isprintable()):
        piece = _visible(unicodedata.normalize("NFC", piece))
    piece = " ".join(piece.split())
    return piece if len(piece) <= limit else piece[: limit - 1].rstrip() + "…"


def name_of(text: str | None) -> str:
    """A client's or device's name as it may stand inside a sentence (attack S-06)."""
    shown = plain(text or "", NAME_LIMIT)
    return shown if shown.strip(_JOINERS + " …") else NAMELESS


def label_of(text: str) -> str:
    """An account's name as its owner knows it. Longer than a client's, because an address is recognised by its end."""
    return plain(text, LABEL_LIMIT)


def host_of(host: str) -> str:
    """*host* in ASCII, so that no look-alike letter can pass for another; never shortened, its end is what counts."""
    if host.isascii():
        return plain(host)
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return plain(host.encode("ascii", "replace").decode("ascii"))


def is_loopback(host: str) -> bool:
    """Whether *host*, perhaps with a port, is the person's own machine, where a name proves nothing (RFC 8252 8.6)."""
    return re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]|::1)(:\d+)?\Z", host, re.IGNORECASE) is not None


def initial_of(text: str | None) -> str:
    """The letter that stands for a client until it has a picture; empty when its name starts with none."""
    first = plain(text or "", NAME_LIMIT)[:1].upper()[:1]
    return first if first.isalnum() else ""


def web_link(url: str | None) -> str | None:
    """*url* when a person may follow it from a page: http or https with a host; else None, and no link is drawn."""
    if not url or not _SCHEME.match(url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme.lower() in _LINKABLE and parts.hostname else None


def app_link(url: str | None) -> str | None:
    """Like `web_link`, or back into an application through its private-use scheme (RFC 8252 section 7.1)."""
    found = _SCHEME.match(url or "")
    if url is None or found is None or found[1].lower() in _SCRIPTED:
        return None
    return web_link(url) if found[1].lower() in _LINKABLE else url


def support_link(url: str | None) -> str | None:
    """Like `web_link`, or a mail address."""
    return url if url and url.startswith("mailto:") and _SCHEME.match(url) else web_link(url)


def iso(at: int) -> str:
    """An instant for machines, as `<time datetime>` wants it."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def date(at: int) -> str:
    """An instant as a day: 1 March 2026."""
    when = _utc(at)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def minute(at: int) -> str:
    """An instant to the minute: 1 March 2026, 12:00 UTC."""
    return f"{date(at)}, {_utc(at):%H:%M} UTC"


def second(at: int) -> str:
    """An instant to the second, where two of them must be told apart: 1 March 2026, 12:00:04 UTC."""
    return f"{date(at)}, {_utc(at):%H:%M:%S} UTC"


def ago(at: int, now: int) -> str:
    """How long before *now*, as one would say it; after a month the date says more."""
    passed = now - at
    if passed < _MINUTE:
        return "just now"
    return f"{duration(passed)} ago" if passed < _MONTH else f"on {date(at)}"


def until(at: int, now: int) -> str:
    """How long after *now*, as one would say it; beyond a month the date says more."""
    left = at - now
    if left < _MINUTE:
        return "within a minute"
    return f"in {duration(left)}" if left < _MONTH else f"on {date(at)}"


def duration(seconds: int) -> str:
    """A duration in its largest whole unit, rounded down: 2 hours, 365 days."""
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= size:
            return _counted(seconds // size, unit)
    return _counted(max(seconds, 0), "second")


def wait(seconds: int) -> str:
    """A duration somebody has to wait, rounded up: whoever comes back then must not be too early."""
    for size, unit in ((_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds > size:
            return _counted(-(-seconds // size), unit)
    return _counted(max(seconds, 1), "second")


def lifetime_sentence(absolute_lifetime: int, idle_lifetime: int, *, offline: bool) -> str:
    """What a consent page says about how long: the durations in seconds, as the resolved policy has them."""
    idle = f"ends after {duration(idle_lifetime)} without use"
    if not offline:
        return f"Until you sign out of this browser; {idle}."
    if idle_lifetime >= absolute_lifetime:
        return f"For up to {duration(absolute_lifetime)}."
    return f"For up to {duration(absolute_lifetime)}; {idle}."


def _visible(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for letter in text:
        kind = unicodedata.category(letter)
        if letter.isspace():
            kept.append(" ")
        elif letter in _BLANK or (kind in _INVISIBLE and letter not in _JOINERS):
            continue
        elif kind in {"Mn", "Me"}:
            marks += 1
            if marks <= _STACKED_MARKS:
                kept.append(letter)
            continue
        else:
            kept.append(letter)
        marks = 0
    return "".join(kept)


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(min(max(at, 0), _LAST_INSTANT), tz=UTC)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
