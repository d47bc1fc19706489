"""What the sample application's pages load: the issuer's stylesheet, and a few files of their own, by hashed names."""

from hashlib import sha256
from importlib.resources import files
from typing import Final

from evergrant.web.look import assets
from evergrant.web.look.assets import StaticFile

_TYPES: Final = {"demo.css": "text/css; charset=utf-8", "mark.svg": "image/svg+xml"}


def _own() -> tuple[dict[str, str], dict[str, StaticFile]]:
    names: dict[str, str] = {}
    served: dict[str, StaticFile] = {}
    for name, kind in _TYPES.items():
        body = (files("evergrant.demo") / "static" / name).read_bytes()
        mark = sha256(body).hexdigest()[:8]
        stem, ending = name.rsplit(".", 1)
        names[name] = f"{stem}.{mark}.{ending}"
        served[names[name]] = StaticFile(body, kind, f'"{mark}"')
    return names, served


_SERVED_AS, _FILES = _own()


def static_file(name: str) -> StaticFile | None:
    """The file served as /static/*name*: ours, or one of the issuer's, or None."""
    return _FILES.get(name) or assets.static_file(name)


def static_path(name: str) -> str:
    """Where one of our own files is served."""
    return f"/static/{_SERVED_AS[name]}"
