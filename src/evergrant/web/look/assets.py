"""What every page loads from us.

What lives here: static files under names that hold a hash of their content, so that they may be cached for ever.
What must not: reading a path that somebody asked for. Names are looked up in a table made at start; `..` finds nothing.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

_ROOM: Final = files("evergrant.web.look")
_TYPES: Final = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
_NAMES: Final = ("evergrant.css", "mark.svg")


class StaticFile(NamedTuple):
    """One file as it is served."""

    body: bytes
    content_type: str
    etag: str


def _hashed() -> tuple[dict[str, str], dict[str, StaticFile]]:
    names: dict[str, str] = {}
    served: dict[str, StaticFile] = {}
    for name in _NAMES:
        body = (_ROOM / "static" / name).read_bytes()
        mark = sha256(body).hexdigest()[:8]
        stem, kind = name.rsplit(".", 1)
        names[name] = f"{stem}.{mark}.{kind}"
        served[names[name]] = StaticFile(body, _TYPES[kind], f'"{mark}"')
    return names, served


_SERVED_AS, _FILES = _hashed()


def static_file(name: str) -> StaticFile | None:
    """The file served as `{base}/static/{name}`, or None."""
    return _FILES.get(name)


def static_path(name: str) -> str:
    """Where `evergrant.css` or `mark.svg` is served, below a side's base path."""
    return f"/static/{_SERVED_AS[name]}"
