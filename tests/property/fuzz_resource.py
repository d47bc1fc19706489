"""What the fuzzer calls: `python -m tests.property.fuzz_resource FOLDER -max_total_time=15`.

The first byte of an input chooses a parser of the resource side, the rest is what it reads. Whatever it is, an answer
or the refusal that the parser names comes back; anything else ends the run.
"""

import sys
from collections.abc import Callable
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["evergrant.resource", "evergrant.protocol", "evergrant.keys.checking"]):
    from evergrant.keys.checking import ALGORITHMS
    from evergrant.protocol.compact import Unreadable, json_object, raw_exact
    from evergrant.protocol.ending import Frames, read_page
    from evergrant.protocol.ending import Unreadable as UnreadableEnding
    from evergrant.resource import Refused
    from evergrant.resource.authorization import read
    from evergrant.resource.claims import judge
    from evergrant.resource.keyset import BadKeySet, read_header, read_set
    from evergrant.resource.rules import rules
    from evergrant.resource.signed_answer import Accept, answer_of
    from tests.property.test_resource_headers import PLAIN

RULES = rules("https://issuer.example", "https://api.example")
NOW = 1_800_000_000


def _header(text: bytes) -> None:
    with suppress(Refused):
        presented = read(text)
        PLAIN._core.judged(presented)
        PLAIN.at_once(text)


def _object(text: bytes) -> None:
    with suppress(Unreadable, Refused):
        found = json_object(text)
        with suppress(Refused):
            read_header(found, ALGORITHMS)
        judge(found, RULES, NOW)


def _keys(text: bytes) -> None:
    with suppress(BadKeySet):
        read_set(text, ALGORITHMS)


def _feed(text: bytes) -> None:
    with suppress(UnreadableEnding):
        frames = Frames()
        for start in range(0, len(text), 7):
            list(frames.feed(text[start : start + 7]))
    with suppress(UnreadableEnding):
        read_page(text)


def _answer(text: bytes) -> None:
    with suppress(Unreadable):
        answer_of(text, PLAIN._core.keys, Accept(RULES, "api", NOW))
    with suppress(Unreadable):
        raw_exact(text)


PARSERS: tuple[Callable[[bytes], None], ...] = (_header, _object, _keys, _feed, _answer)


def one(data: bytes) -> None:
    """One input."""
    if data:
        PARSERS[data[0] % len(PARSERS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
