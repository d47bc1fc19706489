"""Where a family's picture puts things: circles, paths and texts with coordinates, for a template to write as SVG.

Time runs downwards. The chain is a rail on the left with one node per token; what was done with a token stands beside
it. Every state has a shape and a word of its own, so that nothing depends on colour; colours are classes, set by the
stylesheet. Pure.
"""

from itertools import pairwise
from typing import Final, NamedTuple

from evergrant.demo.picture import Deed, End, Gap, Mark, Node, Picture, State
from evergrant.demo.plain_words import hms
from evergrant.web.look.wording import plain

WIDTH: Final = 330
RAIL: Final = 42
TEXT: Final = 76
RADIUS: Final = 17
LINE: Final = 18
GAP: Final = 44
LOOP: Final = 11
CAUSE: Final = 3
LETTER: Final = 6.6  # the width of one of 13 px, on average


class Path(NamedTuple):
    """A line or an outline, moved to a point."""

    d: str
    look: str
    x: float = 0
    y: float = 0


class Circle(NamedTuple):
    """A circle around a point."""

    x: float
    y: float
    r: float
    look: str


class Words(NamedTuple):
    """A line of text at its baseline."""

    x: float
    y: float
    look: str
    text: str


class Drawing(NamedTuple):
    """Everything on the paper, in the order in which it is put there."""

    width: int
    height: int
    paths: tuple[Path, ...]
    circles: tuple[Circle, ...]
    words: tuple[Words, ...]


STATE_WORDS: Final[dict[State, str]] = {
    State.SPENT: "spent",
    State.REPEATABLE: "spent, may come again",
    State.NEWEST: "newest, unspent",
    State.VOID: "void",
}

# Each about 12 by 12 around the origin; the same shapes stand in the legend.
GLYPHS: Final[dict[Deed, str]] = {
    Deed.BORN: "M0 -5V5M-5 0H5",
    Deed.SPENT: "M-5 .5 -1.500 4 5 -4",
    Deed.USED: "M-5 .5 -1.500 4 5 -4",
    Deed.REPEATED: "M4.600 -2.200A5 5 0 1 0 5 1M5 -5.500V-1.800H1.300",
    Deed.REUSED: "M0 -6 6.500 5.500H-6.500ZM0 -2V1.800M0 3.700V3.900",
    Deed.REFUSED: "M5.500 0A5.500 5.500 0 1 1 -5.500 0 5.500 5.500 0 1 1 5.500 0ZM-3.900 3.900 3.900 -3.900",
    Deed.ALARM: "M0 -6.500 6.500 0 0 6.500 -6.500 0ZM0 -2.800V1M0 2.900V3.100",
}
OCTAGON: Final = "M-9 -21.700H9L21.700 -9V9L9 21.700H-9L-21.700 9V-9Z"
LOCK: Final = "M-5 -1H5V6H-5ZM-3 -1V-3.500A3 3 0 0 1 3 -3.500V-1"


class _Paper:
    """What has been drawn so far."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.circles: list[Circle] = []
        self.words: list[Words] = []

    def line(self, d: str, look: str) -> None:
        self.paths.append(Path(d, look))

    def glyph(self, shape: str, x: float, y: float, look: str) -> None:
        self.paths.append(Path(shape, look, x, y))

    def put(self, x: float, y: float, look: str, text: str) -> None:
        self.words.append(Words(x, y, look, text))

    def write(self, x: float, y: float, look: str, text: str) -> None:
        """Text that begins at *x*, cut where the paper ends."""
        self.put(x, y, look, plain(text, int((WIDTH - x) / LETTER)))


def draw(picture: Picture) -> Drawing:
    """The drawing of a picture."""
    paper, top = _Paper(), 4.0
    places: list[tuple[Node | Gap, float]] = []
    for part in picture.parts:
        y = top + (RADIUS + 2 if isinstance(part, Node) else GAP / 2)
        places.append((part, y))
        top += GAP if isinstance(part, Gap) else _height(part, picture)
    for (part, y), (below, next_y) in pairwise(places):
        _edge(paper, part, y, below, next_y, sealed=picture.sealed_until > 0)
    for part, y in places:
        if isinstance(part, Gap):
            tokens = "token" if part.tokens == 1 else "tokens"
            paper.write(TEXT, y + 4, "deed", f"{part.tokens} more spent {tokens}")
        else:
            _token(paper, part, y)
            _beside(paper, part, y, picture)
    bottom = _foot(paper, picture, places, top)
    return Drawing(WIDTH, round(bottom), tuple(paper.paths), tuple(paper.circles), tuple(paper.words))


def _rows(mark: Mark) -> int:
    return 1 + bool(mark.note) + bool(mark.stranger)


def _height(node: Node, picture: Picture) -> float:
    rows = sum(map(_rows, node.marks)) + (node.state is State.NEWEST and picture.sealed_until > 0)
    rows += node.state is not State.SPENT or not node.marks
    return max(2 * RADIUS + 28, (rows + 1) * LINE + 24)


def _edge(paper: _Paper, part: Node | Gap, y: float, below: Node | Gap, next_y: float, *, sealed: bool) -> None:
    start = y + (RADIUS if isinstance(part, Node) else 4)
    end = next_y - (RADIUS if isinstance(below, Node) else 4)
    dashed = isinstance(part, Gap) or isinstance(below, Gap)
    paper.line(f"M{RAIL} {start}V{end}", "rail far" if dashed else "rail")
    if not isinstance(part, Node) or not isinstance(below, Node):
        return
    if sealed and below.state is State.NEWEST:
        middle = (start + end) / 2
        paper.circles.append(Circle(RAIL, middle, 11, "lock-ground"))
        paper.glyph(LOCK, RAIL, middle - 1, "lock")
    if any(mark.deed is Deed.REPEATED for mark in part.marks):
        # The request comes back to the token that was spent already, and leads to the same successor.
        inner = RAIL - RADIUS - 2
        tip = inner - 5 if below.state is State.NEWEST else inner - 1
        paper.line(
            f"M{inner} {y}Q{LOOP} {y} {LOOP} {y + 14}V{next_y - 14}Q{LOOP} {next_y} {tip} {next_y}"
            f"M{tip - 6} {next_y - 4}L{tip} {next_y} {tip - 6} {next_y + 4}",
            "loop",
        )  # fmt: skip


def _token(paper: _Paper, node: Node, y: float) -> None:
    """A token's node: hollow when spent, full with a second ring when newest, crossed out when void."""
    paper.circles.append(Circle(RAIL, y, RADIUS, f"node {node.state}"))
    if node.state is State.NEWEST:
        paper.circles.append(Circle(RAIL, y, RADIUS + 4, "halo"))
    if node.guilty:
        paper.glyph(OCTAGON, RAIL, y, "guilty")
    if node.state is State.VOID:
        reach = RADIUS - 5
        paper.line(f"M{RAIL - reach} {y + reach}L{RAIL + reach} {y - reach}", "cross")
    paper.put(RAIL, y + 5, f"number {node.state}", str(node.generation))


def _beside(paper: _Paper, node: Node, y: float, picture: Picture) -> None:
    """What stands beside a node: its name, its state, and what was done with it."""
    paper.write(TEXT, y - 3, "name", f"Token {node.generation}")
    paper.put(WIDTH - 4, y - 3, "print", node.fingerprint)
    below = y - 3
    if node.state is not State.SPENT or not node.marks:
        # That a token is spent is told by its deeds.
        below += LINE
        paper.write(TEXT, below, f"state {node.state}", STATE_WORDS[node.state])
    for mark in node.marks:
        below += LINE
        paper.glyph(GLYPHS[mark.deed], TEXT + 6, below - 4.5, f"glyph {mark.deed}")
        often = f" {mark.times} times" if mark.times > 1 else ""
        paper.write(TEXT + 20, below, f"deed {mark.deed}", f"{mark.words}{often} {hms(mark.at)}")
        for more, look in ((mark.note, "note"), (mark.stranger and f"by {mark.stranger}", "by")):
            if more:
                below += LINE
                paper.write(TEXT + 20, below, f"deed {look}", more)
    if node.state is State.NEWEST and picture.sealed_until:
        below += LINE
        paper.glyph(LOCK, TEXT + 6, below - 5, "lock")
        paper.write(TEXT + 20, below, "deed", f"sealed under {node.generation - 1} until {hms(picture.sealed_until)}")


def _foot(paper: _Paper, picture: Picture, places: list[tuple[Node | Gap, float]], top: float) -> float:
    """Below the newest token: the next one, not made yet, or the end and what led to it."""
    newest_y = places[-1][1]
    if picture.end is None:
        paper.line(f"M{RAIL} {newest_y + RADIUS + 4}V{top + 4}", "rail far")
        paper.circles.append(Circle(RAIL, top + 13, 7, "node unmade"))
        paper.write(TEXT, top + 17, "deed", "the next one, not made yet")
        return top + 28
    y = top + 15
    paper.line(f"M{RAIL} {newest_y + RADIUS}V{y - 13}", "rail")
    paper.line(f"M{RAIL - 13} {y - 13}H{RAIL + 13}V{y + 13}H{RAIL - 13}Z", "stop")
    paper.line(f"M{RAIL - 5} {y - 5}L{RAIL + 5} {y + 5}M{RAIL + 5} {y - 5}L{RAIL - 5} {y + 5}", "stop-cross")
    guilty = next((at for part, at in places if isinstance(part, Node) and part.guilty), None)
    if guilty is not None:
        inner = RAIL - RADIUS - 4
        paper.line(
            f"M{inner} {guilty}Q{CAUSE} {guilty} {CAUSE} {guilty + 16}V{y - 16}Q{CAUSE} {y} {RAIL - 16} {y}"
            f"M{RAIL - 22} {y - 5}L{RAIL - 15} {y} {RAIL - 22} {y + 5}",
            "cause",
        )  # fmt: skip
    return _last_words(paper, picture.end, y)


def _last_words(paper: _Paper, end: End, y: float) -> float:
    paper.write(TEXT, y - 2, "name over", f"{'Ran out' if end.ran_out else 'Ended'} {hms(end.at)}")
    paper.write(TEXT, y + 16, "deed over", end.words)
    return y + 30
