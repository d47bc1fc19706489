"""Tokens that were good a moment ago, by the very text of their header: bounded, and quick to ask.

The text itself is the key: comparing it costs less than any digest of it, and whoever reads this process's memory finds
the tokens anyway. Two halves take turns, so the busiest tokens stay and nothing is sorted.
"""

from typing import Final

import msgspec

from evergrant.resource.access import Access


class Seen(msgspec.Struct, gc=False):
    """One token. *ends* is its end with leeway, or that of an introspection answer."""

    access: Access
    ends: int
    epoch: int
    """The keys it was judged with: when one of them is withdrawn, the number moves on."""
    revision: int
    """What had ended when it was looked at last."""


class SeenTokens:
    """At most *most* of them. Safe for threads: each step is one operation on a dictionary."""

    def __init__(self, most: int) -> None:
        self._half: Final = max(most // 2, 1)
        self._young: dict[str, Seen] = {}
        self._old: dict[str, Seen] = {}

    def get(self, text: str) -> Seen | None:
        """What is known of *text*."""
        found = self._young.get(text)
        if found is None:
            found = self._old.get(text)
            if found is not None:
                self.put(text, found)
        return found

    def put(self, text: str, seen: Seen) -> None:
        """Remember, and forget those that nobody asked for lately."""
        young = self._young
        if len(young) >= self._half:
            self._old, self._young = young, {}
            young = self._young
        young[text] = seen

    def drop(self, text: str) -> None:
        """Forget one."""
        self._young.pop(text, None)
        self._old.pop(text, None)

    def clear(self) -> None:
        """Forget all."""
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
