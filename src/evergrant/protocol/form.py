"""Form bodies and query strings, parsed once and strictly (RFC 6749 appendix B, WHATWG URL section 5).

Strict means: UTF-8, every `%` followed by two hex digits, no control characters, no parameter twice (RFC 6749 section
3.1) except `resource` (RFC 8707 section 2). A parameter without a value counts as absent.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MEDIA_TYPE: Final = "application/x-www-form-urlencoded"


class BadForm(ValueError):
    """Not a form this server reads. The text is safe to show: it reflects no value."""


class FormLimits(NamedTuple):
    """Most fields, and most bytes of one name or value before decoding."""

    fields: int = 100
    field: int = 8_192


class Form:
    """Parsed parameters. `get` gives one value, or None when it is absent or empty; `resources` every `resource`."""

    __slots__ = ("resources", "values")

    def __init__(self, values: dict[str, str], resources: tuple[str, ...]) -> None:
        self.values: Final = values
        self.resources: Final = resources

    def get(self, name: str) -> str | None:
        return self.values.get(name) or None

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)


EMPTY: Final = Form({}, ())


def parse_form(raw: bytes, limits: FormLimits) -> Form:
    """The parameters in *raw*. Raises `BadForm`."""
    if not raw:
        return EMPTY
    if raw.count(b"&") >= limits.fields:
        msg = f"more than {limits.fields} parameters"
        raise BadForm(msg)
    values: dict[str, str] = {}
    resources: list[str] = []
    for name, _, value in _parts(raw, limits.field):
        if name == "resource":
            resources += [value] if value else []
        elif name in values:
            msg = "a parameter is repeated"
            raise BadForm(msg)
        else:
            values[name] = value
    return Form(values, tuple(resources))


def _parts(raw: bytes, longest: int) -> Iterable[tuple[str, str, str]]:
    # A refresh request needs no decoding at all: its characters all stand for themselves.
    if len(raw) <= longest and b"%" not in raw and b"+" not in raw and raw.isascii():
        return [pair.partition("=") for pair in _printable(raw.decode("ascii")).split("&") if pair]
    return _decoded_parts(raw, longest)


def _decoded_parts(raw: bytes, longest: int) -> Iterator[tuple[str, str, str]]:
    for part in raw.split(b"&"):
        if len(part) > longest:
            msg = f"a parameter is longer than {longest} bytes"
            raise BadForm(msg)
        if part:
            key, _, text = part.partition(b"=")
            yield _decoded(key), "=", _decoded(text)


def _printable(text: str) -> str:
    if not text.isprintable() and _CONTROL.search(text):
        msg = "a parameter holds a control character"
        raise BadForm(msg)
    return text


def _decoded(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        if _BAD_PERCENT.search(raw):
            msg = "a percent sign without two hex digits"
            raise BadForm(msg)
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = "a parameter is not UTF-8"
        raise BadForm(msg) from error
    return _printable(text)


def is_form(content_type: str) -> bool:
    """Whether a Content-Type names a UTF-8 form."""
    media, _, parameters = content_type.partition(";")
    if media.strip().lower() != MEDIA_TYPE:
        return False
    charset = parameters.replace(" ", "").lower()
    return charset in {"", "charset=utf-8", 'charset="utf-8"'}
