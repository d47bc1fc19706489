"""What is wrong with a configuration, told all at once, and the nearest name to one that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """
    A configuration that cannot be used.

    `problems` holds one sentence for each thing that is wrong, beginning with where it was written.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        """Collect the problems."""
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a clause that suggests the known name most like `name`; empty when none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{found[0]}"?' if found else ""
