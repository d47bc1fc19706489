"""Kinds of option values beyond click's own. How durations are spelled is the configuration's rule."""

from __future__ import annotations

from typing import Any, Final

import click

DAY: Final = 86_400


class Seconds(click.ParamType[Any]):
    """A duration as the configuration spells it; with *default*, the word `default` too, which stands for None."""

    name = "duration"

    def __init__(self, least: int, most: int, *, default: bool = False) -> None:
        """Accept what lies between two bounds, in seconds."""
        self._least, self._most, self._default = least, most, default

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the seconds; None for `default`."""
        from evergrant.config.numbers import Duration

        if not isinstance(value, str):
            return value
        if self._default and value == "default":
            return DEFAULT
        try:
            return Duration(self._least, self._most).read_text(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Default:
    """What an option means that was told `default`: the server's own setting, not a number of its own."""


DEFAULT: Final = Default()


class Word(click.ParamType[Any]):
    """One of a few words, given by the enumeration that defines them."""

    name = "word"

    def __init__(self, words: type) -> None:
        """Accept the values of a `StrEnum`."""
        self._words: Any = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002  click's own signature
        """Show the words in the help."""
        return "|".join(self._words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Find the word."""
        try:
            return self._words(value)
        except ValueError:
            self.fail(f"must be one of {', '.join(self._words)}, not {value!r}", param, ctx)
