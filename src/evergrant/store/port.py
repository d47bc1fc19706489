"""The port: what the rest of the house may ask of a store.

Three verbs. `settle` is the refresh path: load a family, ask a pure decision, persist its outcome, all in one
transaction that is committed together with its neighbours'. `write` runs any other synchronous piece of work
atomically. `read` runs one on a consistent snapshot of the primary (never on a replica, attack O-04).
Work is synchronous on purpose: it cannot await, so nothing on the network can creep into a transaction, and a store may
run it again after a conflict. Work must therefore be free of effects other than those on its `Tx`.

What work raises reaches whoever asked, its writes undone and nobody else's. A `read` cannot write. Raises everywhere:
`StoreUnavailable` when the outcome is a clean nothing or unknown, or the store is closed; a retry is always safe.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from evergrant.domain.account import Account
from evergrant.domain.client import Client
from evergrant.domain.ending import End
from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.grant import Code, Flow, Grant
from evergrant.domain.key import SealedKey
from evergrant.domain.lease import Lease
from evergrant.domain.receiver import Delivery, Stream
from evergrant.domain.rotation import Settlement
from evergrant.domain.session import Notice, Session
from evergrant.domain.throttle import Barred, Bucket

R = TypeVar("R")
T = TypeVar("T")
Key = str | bytes


Finish = Callable[[Settlement], Generator[None, None, T]]


class StoreUnavailable(Exception):
    """The store could not answer; nothing was half done. The text is for the operator."""


class OutcomeUnknown(StoreUnavailable):
    """Whether it was committed nobody knows. Work that found its own effects would take them for somebody else's."""


class StoreUnusable(Exception):
    """The store cannot be opened at all: one clear sentence for whoever starts the server."""


class Which(NamedTuple):
    """Which families: every field that is given must match; empty fields do not count. *live* skips ended ones."""

    family_id: bytes = b""
    account_id: str = ""
    client_id: str = ""
    session_id: str = ""
    grant_id: str = ""
    online: bool | None = None
    live: bool = True

    def wanted(self) -> dict[str, str | bytes | bool]:
        """The columns that must match, by their names in a family."""
        given = {"id": self.family_id, "account_id": self.account_id, "client_id": self.client_id,
                 "session_id": self.session_id, "grant_id": self.grant_id, "online": self.online}  # fmt: skip
        return {name: value for name, value in given.items() if value not in {None, "", b""}}

    def refuse_empty(self) -> None:
        """Raise `ValueError` unless a name narrows the choice: ending every (online) family is never meant."""
        if not self.wanted().keys() - {"online"}:
            msg = "which families? an empty choice would end them all"
            raise ValueError(msg)


class Swept(NamedTuple):
    """What one housekeeping step over families did, and the id to go on after (empty at the end of the table).

    *ended* are the families that it found alive and closed or deleted.
    """

    last: bytes
    erased: int
    expired: int
    deleted: int
    ended: tuple[Family, ...] = ()


class Records(Protocol[R]):
    """A table of one kind of record with a unique key and a few columns to find by."""

    def get(self, key: Key) -> R | None: ...

    def put(self, record: R) -> None:
        """Add or replace. Raises `ValueError`, changing nothing, when something unique is another record's."""
        ...

    def delete(self, key: Key) -> bool: ...

    def find(self, limit: int = 1000, after: Key | None = None, **equal: Key) -> list[R]:
        """Records whose columns equal what is given, in key order, after a key. At most *limit*.

        Raises `ValueError` for a column that this kind of record is not found by.
        """
        ...

    def clear(self, limit: int, **equal: Key) -> int:
        """Delete at most *limit* records whose columns equal what is given; how many went.

        Raises `ValueError` for no column at all, and for one that this kind of record is not found by.
        """
        ...

    def sweep(self, before: int, limit: int) -> int:
        """Delete at most *limit* records whose end lies before an instant; how many went.

        Raises `ValueError` for a kind of record that has no end.
        """
        ...


class Families(Protocol):
    """The families, one row each for ever."""

    def get(self, family_id: bytes) -> Family | None: ...

    def add(self, family: Family) -> None:
        """Add a new family. Raises `ValueError` when its id is taken."""
        ...

    def settle(self, family_id: bytes, head: Head, ended: Ended | None) -> None:
        """Replace the head; with *ended*, close the family and erase its sealed successor. Never opens a closed one."""
        ...

    def end(self, which: Which, ended: Ended) -> int:
        """End every live family that matches, in one statement; how many. Refuses an empty `Which`.

        Tells nobody: `evergrant.store.applying.end_families` does both.
        """
        ...

    def find(self, which: Which, limit: int = 1000, after: bytes = b"") -> list[Family]: ...

    def ids(self, which: Which) -> list[bytes]:
        """The ids of all families that match, in no promised order: 16 bytes each, where `find` reads whole rows."""
        ...

    def end_these(self, ids: Sequence[bytes], ended: Ended) -> int:
        """End those of *ids* that are live; how many. Tells nobody, as `end`."""
        ...

    def sweep(self, after: bytes, now: int, limit: int, keep: int) -> Swept:
        """Walk *limit* rows on: erase sealed successors whose overlap is over, end what has expired, delete rows whose
        absolute end lies more than *keep* seconds back (attack O-16: never sooner).
        """
        ...


class EventQuery(NamedTuple):
    """Which events; empty fields do not count. *after* is an event's number."""

    after: int = 0
    family_id: str = ""
    account_id: str = ""
    client_id: str = ""
    what: What | None = None
    limit: int = 100
    newest: bool = False


class Events(Protocol):
    """The audit trail."""

    def add(self, events: Sequence[Event]) -> None:
        """Append. Numbers grow and are never given twice, not even after sweeping."""
        ...

    def find(self, query: EventQuery) -> list[tuple[int, Event]]: ...

    def sweep(self, before: int, limit: int) -> int:
        """Of the *limit* oldest events by number, delete those told before an instant; how many went."""
        ...

    def arrange(self, now: int, before: int) -> int:
        """Make room for what will be told, and let go at once of whole days that were over before an instant.

        About how many events went. Nothing to do for a store whose trail is in one piece; *before* 0 lets go of none.
        """
        ...


class Endings(Protocol):
    """What ended, for those who must hear of it at once. Kept for little more than the life of an access token."""

    def add(self, ends: Sequence[End]) -> None:
        """Append. Numbers grow, are never given twice, and become visible in their order: whoever has read up to one
        will never find a smaller one that was not there.
        """
        ...

    def find(self, after: int = 0, limit: int = 1000) -> list[tuple[int, End]]:
        """Ends with their numbers, in order, after a number. At most *limit*."""
        ...

    def newest(self) -> int:
        """The number given last, also when its end has been swept; 0 before the first."""
        ...

    def sweep(self, before: int, limit: int) -> int:
        """Of the *limit* oldest ends by number, delete those of before an instant; how many went."""
        ...


class Tx(Protocol):
    """One transaction's view. Valid only inside the work it was given to."""

    @property
    def clients(self) -> Records[Client]: ...
    @property
    def accounts(self) -> Records[Account]: ...
    @property
    def sessions(self) -> Records[Session]: ...
    @property
    def grants(self) -> Records[Grant]: ...
    @property
    def codes(self) -> Records[Code]: ...
    @property
    def flows(self) -> Records[Flow]: ...
    @property
    def notices(self) -> Records[Notice]: ...
    @property
    def keys(self) -> Records[SealedKey]: ...
    @property
    def barred(self) -> Records[Barred]: ...
    @property
    def buckets(self) -> Records[Bucket]: ...
    @property
    def leases(self) -> Records[Lease]: ...
    @property
    def streams(self) -> Records[Stream]: ...
    @property
    def deliveries(self) -> Records[Delivery]: ...
    @property
    def families(self) -> Families: ...
    @property
    def events(self) -> Events: ...
    @property
    def endings(self) -> Endings: ...

    def revision(self) -> int:
        """A number that grows, by whatever, when clients or keys change, so that caches know they are old."""
        ...

    def turn(self) -> None:
        """Say that clients or keys changed."""
        ...

    def epoch(self) -> Epoch:
        """The epoch in force (attacks O-03, O-13)."""
        ...

    def begin(self, epoch: Epoch) -> None:
        """Put an epoch in force, and turn the revision, so that every process hears of it."""
        ...

    def now(self, own: int) -> int:
        """The store's own time in seconds, for exclusion between hosts; *own* from a store that has no clock."""
        ...


class Store(Protocol):
    """A store. Safe to share by every task of one event loop; several processes may open the same one."""

    @property
    def seen_revision(self) -> int:
        """The newest revision any transaction of this process has seen."""
        ...

    async def settle(self, family_id: bytes, decide: Callable[[Family | None], Settlement]) -> Settlement: ...

    def settle_then(
        self, family_id: bytes, decide: Callable[[Family | None], Settlement], finish: Finish[T]
    ) -> Awaitable[T]:
        """Settle, and once it is durable answer with what *finish* returns for the settlement.

        *finish* is a generator run on the event loop; each of its steps is taken for every settlement of one commit
        before the next step is: signatures made in a row cost a third less than signatures made between other things.
        It may raise; the settlement stands all the same.
        """
        ...

    async def write(self, work: Callable[[Tx], T]) -> T: ...
    async def read(self, work: Callable[[Tx], T]) -> T: ...
    async def close(self) -> None: ...


def whole(steps: Generator[None, None, T]) -> T:
    """All steps of a generator in a row; what it returns."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
