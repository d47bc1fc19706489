"""Which client and account a connection's id stands for: asked on every lease by id, and it never changes."""

from typing import Final

MOST: Final = 100_000
Key = tuple[str, str]


class Names:
    """(tenant, id) → (client, account), bounded."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, str]] = {}

    def get(self, key: Key) -> tuple[str, str] | None:
        return self._known.get(key)

    def keep(self, key: Key, names: tuple[str, str]) -> tuple[str, str]:
        """*names*, remembered."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = names
        return names

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)
