"""Which route a path with variable parts means. Parts are identifiers: no slash, no percent sign, no surprises."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from evergrant.web.app import Route

_GAP: Final = re.compile(r"\{([a-z_]+)\}")
_PART: Final = r"([A-Za-z0-9._~-]{1,128})"


def pattern(path: str) -> re.Pattern[str]:
    """What a *path* like /v1/connections/{connection_id}/lease matches."""
    return re.compile("".join(_PART if _GAP.fullmatch(each) else re.escape(each) for each in _split(path)))


def parts(path: str) -> tuple[str, ...]:
    """The names of the gaps in *path*, in order."""
    return tuple(_GAP.findall(path))


def _split(path: str) -> list[str]:
    return [each for each in re.split(r"(\{[a-z_]+\})", path) if each]


class Routes:
    """Exact paths by dictionary, the others by how many segments they have and how they begin."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.exact = {path: route for path, route in routes.items() if "{" not in path}
        self._by_first: dict[tuple[int, str], list[tuple[re.Pattern[str], Route]]] = {}
        for path, route in routes.items():
            if "{" in path:
                self._by_first.setdefault(_key(path.split("/")), []).append((pattern(path), route))

    def find(self, raw: bytes) -> Route | None:
        """The route of a path that is not exact, None when there is none."""
        path = raw.decode("ascii", "replace")
        candidates: Iterable[tuple[re.Pattern[str], Route]] = self._by_first.get(_key(path.split("/")), ())
        return next((route for shape, route in candidates if shape.fullmatch(path)), None)


def _key(segments: list[str]) -> tuple[int, str]:
    """How many segments, and the first, which no path leaves open."""
    return len(segments), segments[1] if len(segments) > 1 else ""
