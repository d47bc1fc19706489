"""What discovery asks of whoever fetches for it: one document from an address that a stranger may have chosen.

The fetcher itself is `keeper.wire.fetch`; nothing here opens a socket.
"""

from typing import Protocol

from evergrant.fetch import fetched
from evergrant.fetch.fetched import Fetched
from evergrant.keeper.errors import BadRequest

__all__ = ["Fetch", "Fetched", "Unfetched"]


class Unfetched(fetched.Unfetched, BadRequest):
    """Nothing was fetched, as one of the reasons that a caller of the keeper may meet."""


class Fetch(Protocol):
    async def get(self, url: str) -> Fetched:
        """GET one document. Raises `Unfetched`."""

    async def judge(self, url: str) -> None:
        """Raise `Unfetched` unless *url* is one that may be asked: its scheme, and every address of its host."""
