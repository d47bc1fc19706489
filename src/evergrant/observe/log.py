"""
Logging for a whole process: one handler on stderr, JSON lines or text, with secrets taken out.

Rooms use `logging.getLogger("evergrant.…")` and say more than the sentence with `extra=fields(reason=…)`. Only a
process's entrance calls `set_up`. What is worth a line, and how often, is decided where it happens or in `sampling`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from evergrant.config import LogConfig
from evergrant.observe.redaction import redact, redact_field

_FIELDS: Final = "evergrant_fields"
_OURS: Final = "evergrant"
_SERVERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.asgi")


def fields(**values: object) -> dict[str, Mapping[str, object]]:
    """Return what a log line says beside its sentence: `log.info("refused", extra=fields(reason=reason))`."""
    return {_FIELDS: values}


def set_up(settings: LogConfig, stream: TextIO | None = None) -> logging.Handler:
    """Send this process's log to a stream, stderr unless told otherwise, and return the handler that does it."""
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction())
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    handler.setFormatter(JsonLines() if as_json else TextLines())
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if any(isinstance(one, Redaction) for one in each.filters)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(settings.level.upper())
    for name in _SERVERS:
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True
    logging.captureWarnings(capture=True)
    # A stderr that is closed or full must cost a line, not a request.
    logging.raiseExceptions = False
    return handler


class Redaction(logging.Filter):
    """
    Takes secrets out of a record: its sentence with all arguments, its fields, its exception and its stack.

    The record itself is changed, so that a second handler with another format has nothing to give away either.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record and let it pass."""
        record.msg = redact(_sentence(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_info = None
        record.exc_text = redact(record.exc_text) if record.exc_text else None
        record.stack_info = redact(record.stack_info) if record.stack_info else None
        said = getattr(record, _FIELDS, None)
        if said:
            setattr(record, _FIELDS, {name: redact_field(name, value) for name, value in said.items()})
        return True


class JsonLines(logging.Formatter):
    """One JSON object per line, in ASCII: nothing in it can end the line or command a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell a record as JSON."""
        line: dict[str, Any] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in getattr(record, _FIELDS, {}).items():
            line.setdefault(name, value)
        for name in ("exc_text", "stack_info"):
            if getattr(record, name):
                line["exception" if name == "exc_text" else "stack"] = getattr(record, name)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """One line per record for people; what follows in an exception is indented, so that it cannot pass for a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell a record as text."""
        said = getattr(record, _FIELDS, {})
        parts = [_instant(record), f"{record.levelname.lower():<7}", record.name, _printable(record.getMessage())]
        parts += [f"{name}={_value(value)}" for name, value in said.items()]
        lines = [" ".join(parts)]
        for more in (record.exc_text, record.stack_info):
            lines += [f"    {_printable(line)}" for line in (more or "").splitlines()]
        return "\n".join(lines)


def _sentence(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError) as error:
        return f"{record.msg} (its arguments do not fit: {error})"


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _value(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and not set(text) & set(' "=') else json.dumps(text)


def _printable(text: str) -> str:
    """Escape line ends and control characters: a user agent must not be able to write a log line of its own."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
