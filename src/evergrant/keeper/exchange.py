"""A request to a provider and its answer, as values, and the one verb that turns the first into the second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. Its body and headers hold secrets, so they are not in its `repr`, nor is the query of its address."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    on_sent: Callable[[], None] | None = field(default=None, compare=False)
    """Called when the last byte has left and no answer has been looked at."""

    def __repr__(self) -> str:
        return f"<{self.method} {urlsplit(self.url).hostname}>"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole. Header names are in lower case. *sent_at*: our clock when the request left, seconds.

    *date*: the server's clock as it says in `Date` (RFC 9110 section 6.6.1), 0 when it does not.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    sent_at: int
    date: int = 0


class NotSent(Exception):
    """The provider has surely not seen the request: no address, no connection, no TLS, no time left."""


class Lost(Exception):
    """The provider may have seen the request, and there is no whole answer."""


class Transport(Protocol):
    """Asks once."""

    async def send(self, asked: Asked, deadline: float) -> Answer:
        """The answer, within *deadline* seconds in all. Raises `NotSent` or `Lost`; the sentence holds no secret."""
        ...

    async def close(self) -> None: ...


def date_of(text: str) -> int:
    """Seconds since the epoch of an HTTP date, 0 when it is none."""
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp()))
    except (ValueError, TypeError, OverflowError):
        return 0
