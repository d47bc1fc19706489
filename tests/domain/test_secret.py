"""A secret that cannot be printed by accident."""

import copy
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from dataclasses import asdict, dataclass

import msgspec
import pytest

from evergrant.domain.secret import Secret, digest, fingerprint

TEXT = "egr_correct-horse-battery-staple"
SECRET = Secret(TEXT)


@dataclass(frozen=True)
class Holder:
    name: str
    secret: Secret


PRINTED = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "format": lambda: format(SECRET),
    "format with a width": lambda: format(SECRET, ">80"),
    "f-string": lambda: f"{SECRET} {SECRET!s} {SECRET!r} {SECRET!a} {SECRET:^60}",
    "str.format": lambda: f"{SECRET} {SECRET!r} {SECRET:>70}",
    "percent": lambda: "%s %r" % (SECRET, SECRET),  # noqa: UP031 - people write it
    "template": lambda: string.Template("$x").substitute(x=SECRET),
    "join": lambda: " ".join(map(str, [SECRET])),
    "in a list": lambda: f"{[SECRET]} {(SECRET,)} { ({SECRET: SECRET}) }",
    "in a dataclass": lambda: repr(Holder("a", SECRET)),
    "pprint": lambda: pprint.pformat({"a": [SECRET]}),
    "dir": lambda: repr(dir(SECRET)),
    "an exception": lambda: "".join(traceback.format_exception(ValueError(SECRET))),
    "a key error": lambda: repr(KeyError(SECRET)),
}


@pytest.mark.parametrize("way", list(PRINTED))
def test_inv_13_no_way_of_printing_shows_it(way):
    shown = PRINTED[way]()
    for part in ("correct", "horse", "battery", "staple"):
        assert part not in shown
    assert "egr_" not in shown


def test_inv_13_a_log_line_shows_a_fingerprint():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("tests.domain.secret")
    logger.addHandler(handler)
    logger.warning("token %s %r", SECRET, SECRET)
    logger.warning(SECRET)
    assert TEXT not in stream.getvalue()
    assert stream.getvalue().count(fingerprint(TEXT)) == 3


@pytest.mark.parametrize(
    "store",
    [
        pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode, msgspec.msgpack.encode,
        msgspec.to_builtins,
        lambda secret: pickle.dumps(Holder("a", secret)), lambda secret: asdict(Holder("a", secret)),
        lambda secret: json.dumps({"a": secret}), vars, bytes, list, dict,
    ],
)  # fmt: skip
def test_inv_13_nothing_can_take_it_along_unseen(store):
    with pytest.raises((TypeError, AttributeError)):
        store(SECRET)


def test_only_reveal_tells_it():
    assert SECRET.reveal() == TEXT


def test_it_cannot_be_changed_and_nothing_hangs_on_it():
    with pytest.raises(AttributeError):
        SECRET.other = 1  # type: ignore[attr-defined]
    assert not hasattr(SECRET, "__dict__")


def test_two_of_the_same_text_are_equal_and_it_equals_no_plain_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_fingerprint_compares_without_telling():
    assert fingerprint(TEXT) == fingerprint(TEXT.encode())
    assert len(fingerprint(TEXT)) == 8
    assert fingerprint(TEXT) != fingerprint(TEXT + "x")


def test_r6749_10_4_a_digests_are_separated_by_purpose():
    assert digest("a", "b") == digest("a", b"b")
    assert len(digest("a", "b")) == 32
    assert len({digest("code", "x"), digest("session", "x"), digest("code", "y"), digest("", "code\0x")}) == 4
