"""The members of a reply's body, from JSON or a form, and the ways in which values are written in the wild."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

MOST_FIELDS: Final = 100
LONGEST_TEXT: Final = 120
FORM_TYPE: Final = "application/x-www-form-urlencoded"
_SECRETIVE: Final = re.compile(r"[A-Za-z0-9._~+/=-]{20,}")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")

Members = Mapping[str, Any]


class Unreadable(ValueError):
    """The body is neither a JSON object nor a form."""


def members(body: bytes, content_type: str) -> Members:
    """The members at the top. Raises `Unreadable`; never anything else, whatever the bytes are."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable from None
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_nothing)
    except (ValueError, RecursionError):
        return _form(text, content_type)
    if not isinstance(found, dict):
        raise Unreadable
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names occur once: of two access tokens nobody can say which was meant."""
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[name] != value for name, value in pairs):
        raise Unreadable
    return found


def _nothing(constant: str) -> None:  # noqa: ARG001 - NaN and Infinity, which JSON does not have
    return None


def _form(text: str, content_type: str) -> Members:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {FORM_TYPE, "text/plain", ""} or "<" in text or "=" not in text or "{" in text:
        raise Unreadable
    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Unreadable from None
    if not {"access_token", "error"} & {name for name, _ in pairs}:
        raise Unreadable
    return _once(list(pairs))


def at(found: Members, path: str) -> Any:
    """What is at a dotted path, None when nothing is."""
    here: Any = found
    for name in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(name)
    return here


def text_at(found: Members, path: str) -> str:
    """Text at a path; numbers are written out, everything else is empty."""
    value = at(found, path)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def number(value: object) -> float | None:
    """A number however it is written, None for what is none. Truth values are none, nor is what no float holds."""
    if isinstance(value, str):
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if read - read == 0 else None


def harmless(text: str) -> str:
    """A short sentence of a provider without anything that may be a token or a mark that steers a terminal."""
    plain = _SECRETIVE.sub("…", _UNPRINTABLE.sub(" ", text))
    return plain.strip()[:LONGEST_TEXT]
