"""What a check says: a verdict, what was found, why it matters, what to do."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How it stands. Only `fail` means unfit for production."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One result of one check."""

    check: str
    verdict: Verdict
    said: str
    why: str = ""
    todo: str = ""


def ok(check: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Verdict.OK, said)


def warn(check: str, said: str, why: str, todo: str) -> Finding:
    """Somebody should decide about this."""
    return Finding(check, Verdict.WARN, said, why, todo)


def fail(check: str, said: str, why: str, todo: str) -> Finding:
    """Nobody should go into production with it."""
    return Finding(check, Verdict.FAIL, said, why, todo)
