"""
The rulebook for everything a command prints. No other module of `cli` writes to a terminal.

1. Standard output carries the answer and nothing else: a table for people, or with `--json` one JSON document whose
   keys are stable. A list that does not end (`--follow`) is one JSON document per line.
2. Everything else goes to standard error, one thought per line, prefixed `evergrant: `, no capital, no full stop.
3. An error says what happened, `evergrant: error: …`, and where it can, what to do about it, `evergrant: hint: …`.
4. The exit code says what kind of error it was; `Exit` lists them, and they do not change.
5. Instants are integers, seconds since the epoch, in JSON, and UTC in tables; absent is `null` in JSON, `-` in tables.
6. JSON is ASCII, and tables show control characters escaped: a device may be called anything, and must not command a
   terminal.
7. Progress is shown on standard error, and only where that is a terminal; nothing else is ever erased.
8. A question is asked only where somebody can answer; elsewhere the command says which option answers it.
9. A secret that is shown once is shown on standard output, by itself, and said to be shown once on standard error.

What a command does is said in its own file; which exception is which exit code is said here, in `run`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import IO, Any, Final, TypeVar

import click

T = TypeVar("T")
Record = Mapping[str, Any]

NAME: Final = "evergrant"
ABSENT: Final = "-"


class Exit(IntEnum):
    """What the exit code of a command means."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    STORE_UNAVAILABLE = 5
    NOT_READY = 6
    NEEDS_PERSON = 7
    TRY_LATER = 8
    INTERRUPTED = 130


EXIT_MEANING: Final[Mapping[Exit, str]] = {
    Exit.OK: "done",
    Exit.UNEXPECTED: "a defect: something happened that nobody thought of",
    Exit.USAGE: "the command line or the configuration is wrong; nothing was done",
    Exit.NOT_FOUND: "what was named does not exist",
    Exit.CONFLICT: "it is so already, or something else stands in the way",
    Exit.STORE_UNAVAILABLE: "the store, a key or a file cannot be reached or used; nothing was half done",
    Exit.NOT_READY: "something is left to do: doctor found a failure, or migrate --check something to apply",
    Exit.NEEDS_PERSON: "an account has to be connected again, which only the person it belongs to can do",
    Exit.TRY_LATER: "a provider is in trouble; nothing is wrong here, and the same command will work later",
    Exit.INTERRUPTED: "interrupted from the keyboard",
}


class Failure(click.ClickException):
    """An error for people: what happened, what to do, and which exit code."""

    def __init__(self, message: str, *, hint: str = "", code: Exit = Exit.USAGE) -> None:
        """Say what happened, in lower case and without a full stop."""
        super().__init__(message)
        self.hint = hint
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from what it caught

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002  the rules say where errors go
        """Print it by the rules."""
        error(self.message, self.hint)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: the record's key, its title, and how its values are shown."""

    key: str
    title: str = ""
    show: Callable[[Any], str] = str
    right: bool = False


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")


def note(message: str) -> None:
    """Tell something beside the answer."""
    _write(f"{NAME}: {printable(message)}", err=True)


def error(message: str, hint: str = "") -> None:
    """Tell what happened, line by line, then what to do about it."""
    for line in message.splitlines():
        note(f"error: {line}")
    if hint:
        note(f"hint: {hint}")


def emit_list(records: Iterable[Record], columns: Sequence[Column], *, as_json: bool, none: str = "") -> None:
    """Print records: all their keys as JSON, or some as a table; `none` is the note when there are none."""
    if as_json:
        _write(_json(list(records), indent=2))
        return
    rows = [[_cell(record.get(column.key), column) for column in columns] for record in records]
    if not rows:
        note(none or "none")
        return
    titles = [column.title or column.key.replace("_", " ") for column in columns]
    widths = [max(map(_width, cells)) for cells in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = zip(row, widths, columns, strict=True)
        _write("  ".join(_padded(cell, width, right=column.right) for cell, width, column in cells).rstrip())


def emit_one(record: Record, columns: Sequence[Column], *, as_json: bool) -> None:
    """Print one record: all its keys as JSON, or some with their titles, one per line."""
    if as_json:
        _write(_json(record, indent=2))
        return
    titles = [column.title or column.key.replace("_", " ") for column in columns]
    widest = max(map(_width, titles), default=0)
    for title, column in zip(titles, columns, strict=True):
        _write(f"{_padded(title, widest, right=False)}  {_cell(record.get(column.key), column)}")


def emit_line(record: Record) -> None:
    """Print one record of a list that does not end, as one line of JSON."""
    _write(_json(record))


def emit_text(text: str) -> None:
    """Print an answer that is a sentence or a picture, line by line."""
    for line in text.split("\n"):
        _write(printable(line))


def emit_secret(secret: str, what: str) -> None:
    """Print a secret that cannot be shown again, alone on its line, and say so beside it."""
    _write(secret)
    shown_once(what)


def shown_once(what: str) -> None:
    """Say beside the answer that it holds a secret that will not be shown again."""
    note(f"this {what} is shown once and stored nowhere in clear: keep it now")


def instant(seconds: int) -> str:
    """Show an instant in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: int) -> str:
    """Show a duration in its two largest units, such as `3d 4h`."""
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2]) or "0s"


def listed(values: Iterable[object]) -> str:
    """Show several values in one cell."""
    return " ".join(map(str, values)) or ABSENT


def plural(count: int, one: str, many: str) -> str:
    """Show how many there are of something."""
    return f"{count} {one if count == 1 else many}"


def yes_or_no(value: object) -> str:
    """Show a truth value."""
    return "yes" if value else "no"


def confirm(question: str, *, yes: bool, option: str = "--yes") -> None:
    """Ask before something that cannot be undone; `yes` is the answer given on the command line."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"this needs a confirmation: {question}", hint=f"say so on the command line: {option}")
    if not click.confirm(f"{NAME}: {printable(question)}", err=True):
        raise Failure("nothing was done", code=Exit.CONFLICT)


def ask_secret(what: str) -> str:
    """Ask for a new secret, twice, without showing it."""
    while True:
        first, again = (
            str(click.prompt(f"{NAME}: {question}", hide_input=True, err=True)) for question in (what, "the same again")
        )
        if first == again:
            return first
        note("they are not the same; once more")


@contextmanager
def progress(items: Iterable[T], label: str, length: int | None = None) -> Iterator[Iterable[T]]:
    """Show how far a long work has come, where somebody can watch it."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(items, length, f"{NAME}: {label}", file=sys.stderr, hidden=hidden) as shown:
        yield shown


@contextmanager
def counting(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """The same for work that says itself how much more is done."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label=f"{NAME}: {label}", file=sys.stderr, hidden=hidden) as shown:
        yield shown.update


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command, tell by the rules whatever goes wrong, and return the exit code; a command may return its own."""
    try:
        ended = command.main(arguments, prog_name=NAME, standalone_mode=False)
    except BaseException as problem:  # noqa: BLE001  the entrance: whatever comes up here becomes a sentence and a code
        return int(_told(problem))
    return ended if isinstance(ended, int) else Exit.OK


def _told(problem: BaseException) -> int:
    """Print an exception as a person should read it; return its exit code."""
    from evergrant.config import ConfigError
    from evergrant.keys.port import KeyUnusable
    from evergrant.observe.redaction import redact
    from evergrant.store.port import StoreUnavailable, StoreUnusable

    match problem:
        case Failure():
            problem.show()
            return problem.exit_code
        case click.exceptions.NoArgsIsHelpError():
            _write(problem.format_message())
            return Exit.USAGE
        case click.UsageError():
            where = problem.ctx.command_path if problem.ctx else NAME
            error(lowered(problem.format_message()), f"see: {where} --help")
            return Exit.USAGE
        case click.Abort() | KeyboardInterrupt():
            note("interrupted")
            return Exit.INTERRUPTED
        case click.ClickException():
            error(lowered(problem.format_message()))
            return Exit.USAGE
        case SystemExit():
            return problem.code if isinstance(problem.code, int) else Exit.UNEXPECTED
        case ConfigError():
            error(str(problem), "every key is explained in docs/reference/configuration.md")
            return Exit.USAGE
        case StoreUnavailable():
            error(f"the store is not available: {redact(str(problem))}", "nothing was half done; try again")
            return Exit.STORE_UNAVAILABLE
        case StoreUnusable() | KeyUnusable():
            error(redact(str(problem)))
            return Exit.STORE_UNAVAILABLE
        case OSError(filename=str() as path, strerror=str() as reason):
            error(f"{path}: {lowered(reason)}")
            return Exit.STORE_UNAVAILABLE
        case _:
            for line in redact("".join(traceback.format_exception(problem))).splitlines():
                _write(printable(line), err=True)
            error(
                f"unexpected: {redact(f'{type(problem).__name__}: {problem}')}",
                "this is a defect: please report it with the lines above, which hold no secrets",
            )
            return Exit.UNEXPECTED


def printable(text: str) -> str:
    """Show control characters escaped instead of obeying them."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _cell(value: Any, column: Column) -> str:
    return ABSENT if value is None or value == "" else printable(column.show(value))


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """Count the columns of a terminal that a text takes: none for a combining mark, two for a wide character."""
    if text.isascii():
        return len(text)
    narrow = (one for one in text if not unicodedata.combining(one))
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in narrow)


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent)


def lowered(sentence: str) -> str:
    """Bring a sentence of click into our form: no capital, no full stop."""
    first, rest = sentence[:1], sentence[1:]
    return (first if rest[:1].isupper() else first.lower()) + rest.removesuffix(".")


def _write(line: str, *, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    # A terminal that cannot spell a character gets it escaped; the answer must not end in the middle of a table.
    try:
        click.echo(line.encode(encoding, "backslashreplace").decode(encoding), err=err)
    except BrokenPipeError:
        # Whoever reads us has seen enough (`| head`): no reason to fail a pipeline, nor to complain in the last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(Exit.OK)
