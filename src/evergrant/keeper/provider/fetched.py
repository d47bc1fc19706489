"""What discovery asks of whoever fetches for it: one document from an address that a stranger may have chosen.

The fetcher itself is `keeper.wire.fetch`; nothing here opens a socket.
"""

from dataclasses import dataclass
from typing import Protocol

from evergrant.keeper.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer as it came: never a redirect's target, never more than the fetcher's budget."""

    status: int
    body: bytes


class Unfetched(BadRequest):
    """Nothing was fetched. *forbidden*: the address may not be asked at all, as against not answering."""

    def __init__(self, message: str, *, forbidden: bool = False) -> None:
        super().__init__(message)
        self.forbidden = forbidden


class Fetch(Protocol):
    async def get(self, url: str) -> Fetched:
        """GET one document. Raises `Unfetched`."""

    async def judge(self, url: str) -> None:
        """Raise `Unfetched` unless *url* is one that may be asked: its scheme, and every address of its host."""
