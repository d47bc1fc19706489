"""The house's fetcher, speaking in the keeper's own errors."""

from typing import ClassVar

from evergrant.fetch import fetcher
from evergrant.fetch.fetcher import Reach
from evergrant.keeper.provider.fetched import Unfetched

__all__ = ["Fetcher", "Reach"]


class Fetcher(fetcher.Fetcher):
    """As `fetch.fetcher.Fetcher`; raises the keeper's `Unfetched`."""

    agent: ClassVar[str] = "evergrant-keeper"
    unfetched: ClassVar[type[Unfetched]] = Unfetched
