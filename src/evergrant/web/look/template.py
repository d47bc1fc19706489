"""The only door to Jinja2: templates of several rooms, drawn in one way.

Whatever a template prints is cleaned (`wording.plain`), then escaped; what must arrive unchanged, a hidden field, says
so with `|exact`.
"""

from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from evergrant.domain.session import device_label
from evergrant.web.look import wording

ROOM: Final = "evergrant.web.look"


class _Exact(str):
    """Text that is printed as it is, apart from escaping."""

    __slots__ = ()


def _printed(value: object) -> object:
    if isinstance(value, _Exact | Markup) or not isinstance(value, str):
        return value
    return wording.plain(value)


def templates(*packages: str, **constants: object) -> Environment:
    """The templates of *packages*, then those shared here, the first that has a name winning.

    *constants* are there in every template, and nothing else is.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in (*packages, ROOM)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.clear()
    environment.globals.update(constants)
    environment.filters.update(_FILTERS)
    return environment


def trusted(text: str) -> Markup:
    """*text* as it is, unescaped: for constants of our own alone."""
    return Markup(text)  # noqa: S704 - never called with anything that came from outside


_FILTERS: Final = {
    "exact": _Exact,
    "name": wording.name_of,
    "host": wording.host_of,
    "initial": wording.initial_of,
    "loopback": wording.is_loopback,
    "device": device_label,
    "label": wording.label_of,
    "web_link": wording.web_link,
    "app_link": wording.app_link,
    "shortened": wording.plain,
    "iso": wording.iso,
    "date": wording.date,
    "minute": wording.minute,
    "second": wording.second,
    "ago": wording.ago,
    "until": wording.until,
    "wait": wording.wait,
}

__all__ = ["ROOM", "Template", "templates", "trusted"]
