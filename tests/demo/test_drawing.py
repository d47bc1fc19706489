"""The drawing: everything on the paper, nothing on top of another, and every state with a shape of its own."""

import itertools
import re

import pytest

from evergrant.demo.drawing import GLYPHS, STATE_WORDS, WIDTH, Drawing, Words, draw
from evergrant.demo.picture import Deed, State, picture
from evergrant.demo.plain_words import WHY
from evergrant.domain.reason import Reason
from tests.demo.families import THIEF, History

WIDEST = 6.9  # a letter of 13 px, on average; the browser walk measures the real ones


def histories() -> dict[str, History]:
    new, refreshed, raced, stolen, long, ended, refused = (History() for _ in range(7))
    refreshed.refresh(2)
    raced.refresh(2)
    for _ in range(12):
        raced.present(1, after=0)
    stolen.refresh(3)
    stolen.present(2, THIEF, after=0)
    stolen.present(0, THIEF)
    stolen.present(3)
    long.refresh(30)
    long.present(11, THIEF)
    ended.refresh(1)
    ended.end(Reason.CONSENT_WITHDRAWN)
    refused.present(0, THIEF, after=2_000)
    return {
        "new": new, "refreshed": refreshed, "raced": raced, "stolen": stolen, "long": long, "ended": ended,
        "refused": refused,
    }  # fmt: skip


CASES = histories()


def drawing(name: str) -> Drawing:
    history = CASES[name]
    prints = {generation: f"{generation:08x}" for generation in range(40)}
    return draw(picture(history.family, history.trail, prints, history.now))


@pytest.mark.parametrize("name", CASES)
def test_everything_is_on_the_paper(name: str) -> None:
    paper = drawing(name)
    assert paper.width == WIDTH
    for circle in paper.circles:
        assert circle.x - circle.r >= 0
        assert circle.x + circle.r <= WIDTH
        assert circle.y - circle.r - 1 >= 0
        assert circle.y + circle.r <= paper.height
    for line in paper.words:
        assert 0 < line.y <= paper.height - 3


def span(line: Words) -> tuple[float, float]:
    long = len(line.text) * WIDEST
    if "number" in line.look:
        return line.x - long / 2, line.x + long / 2
    return (line.x - long, line.x) if "print" in line.look else (line.x, line.x + long)


@pytest.mark.parametrize("name", CASES)
def test_no_line_of_text_stands_on_another_or_leaves_the_paper(name: str) -> None:
    lines = drawing(name).words
    for line in lines:
        assert span(line)[1] <= WIDTH + 1, line
    for one, other in itertools.combinations(lines, 2):
        if abs(one.y - other.y) < 12:
            (begins, ends), (starts, stops) = span(one), span(other)
            assert ends <= starts or stops <= begins, (one, other)


def test_every_state_and_every_deed_has_a_shape_or_a_word_of_its_own() -> None:
    assert set(STATE_WORDS) == set(State)
    assert len(set(STATE_WORDS.values())) == len(State)
    assert set(GLYPHS) == set(Deed)
    looks = {look for name in CASES for look in (one.look for one in drawing(name).circles)}
    assert looks >= {"node spent", "node repeatable", "node newest", "node void", "node unmade", "halo", "lock-ground"}


def test_reuse_is_drawn_as_an_octagon_and_an_arrow_to_the_end() -> None:
    looks = [path.look for path in drawing("stolen").paths]
    assert looks.count("guilty") == looks.count("cause") == looks.count("stop") == looks.count("cross") == 1
    assert "glyph reused" in looks
    assert "glyph refused" in looks
    looks = [path.look for path in drawing("ended").paths]
    assert (looks.count("guilty"), looks.count("cause"), looks.count("stop")) == (0, 0, 1)


def test_repeats_are_drawn_as_a_loop_to_the_same_successor() -> None:
    assert [path.look for path in drawing("raced").paths].count("loop") == 1
    assert "came again 12 times" in " ".join(line.text for line in drawing("raced").words)


def test_paths_hold_numbers_and_commands_and_nothing_else() -> None:
    for name in CASES:
        for path in drawing(name).paths:
            assert re.fullmatch(r"[MLHVQAZ0-9. -]+", path.d), path


def test_strangers_names_cannot_grow_beyond_their_line() -> None:
    history = History()
    history.refresh(2)
    history.present(0, ("Firefox/ " + "x" * 300, "2001:db8:1111:2222:3333:4444:5555:6666"))
    shown = draw(picture(history.family, history.trail, {}, history.now))
    assert max(len(line.text) for line in shown.words) <= 37


@pytest.mark.parametrize("words", WHY.values())
def test_every_reason_fits_its_line_whole(words: str) -> None:
    assert len(words) <= 35
