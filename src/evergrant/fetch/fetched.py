"""What a fetch gives, and why it gives nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass


class Unfetched(Exception):
    """Nothing was fetched. *forbidden*: the address may not be asked at all, as against not answering."""

    def __init__(self, message: str, *, forbidden: bool = False) -> None:
        super().__init__(message)
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer as it came: never a redirect's target, never more than the fetcher's budget."""

    status: int
    body: bytes
    media_type: str = ""
    """In lower case, without parameters."""


@dataclass(frozen=True, slots=True)
class Listened:
    """An answer whose body has not ended yet. Reading *parts* raises `Unfetched`."""

    status: int
    media_type: str
    parts: AsyncIterator[bytes]
