"""What came of one act, as a value that a page can show."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from evergrant.demo.wire import Exchange

Tone = Literal["good", "plain", "warning", "bad"]


class Line(NamedTuple):
    """One answer among several. *fingerprint*: of the refresh token it brought, or empty; *place*: in the chain."""

    who: str
    status: int
    place: int = -1
    fingerprint: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, in words, in lines that can be compared, and on the wire."""

    tone: Tone
    title: str
    words: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
