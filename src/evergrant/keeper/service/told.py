"""What the connecting services tell their callers: values without a token in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evergrant.keeper.connection import Connection


@dataclass(frozen=True, slots=True)
class Link:
    """Where to send the browser. *handle* names the attempt in logs; it cannot finish it. *expires_at* in seconds."""

    url: str
    handle: str
    expires_at: int
    connection_id: str

    def __repr__(self) -> str:
        # The address holds the state, which is half of what it takes to finish.
        return f"<link {self.handle} until {self.expires_at}>"


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that stands. *missing*: scopes that were asked for and not granted (granular consent).

    *advice* is empty, or one sentence about what falls short and what to do.
    """

    connection: Connection
    return_to: str = ""
    reconnected: bool = False
    missing: tuple[str, ...] = ()
    refreshable: bool = True
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another connection of the tenant that ends, or may end, with this one."""

    connection_id: str
    account: str
    sure: bool
    """It holds the same refresh token; otherwise it is the same account at the same client."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What disconnecting would end, told before it is done."""

    connection_id: str
    told_provider: bool
    """Whether the provider has a way to be told."""
    blast_radius: str
    """What the provider ends with it, for people; empty when nothing is known."""
    siblings: tuple[Sibling, ...] = ()
    elsewhere: bool = False
    """The same refresh token is held outside the tenant; nothing more is told about that."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one line of a bulk import: `imported`, `exists`, `duplicate` or `refused`."""

    number: int
    outcome: str
    account: str = ""
    connection_id: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A bulk import, line by line."""

    lines: tuple[Line, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
