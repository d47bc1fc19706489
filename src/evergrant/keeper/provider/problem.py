"""What is wrong with a provider's file or an override: the place, the fact, and what to do."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from evergrant.keeper.errors import BadRequest

Trail = tuple[str, ...]
"""The way to a fact: ("revoke", "url")."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. *says* follows the fact's name: "must be a whole number, not 'x'"."""

    trail: Trail
    says: str
    place: str = ""
    """File and line, or whose override."""

    def __str__(self) -> str:
        name = ".".join(self.trail)
        return ": ".join(part for part in (self.place, f"{name} {self.says}".strip()) if part)


class Unfit(ValueError):
    """A value that does not look as it must; the clause follows the name of the fact."""


class BadProvider(BadRequest):
    """A file or an override that cannot be used; *problems* holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """The known names that are most like *name*, best first."""
    return tuple(difflib.get_close_matches(name[:100], list(known), n=most, cutoff=0.6))


def near(name: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest known name; empty when none is near."""
    found = nearest(name, known, 1)
    return f'; did you mean "{found[0]}"?' if found else ""
