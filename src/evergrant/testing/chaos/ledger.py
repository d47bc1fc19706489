"""The ledger of truth: every refresh request the server saw, and what came of it. Fingerprints only, never a token."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from evergrant.testing.chaos.spending import SERVED, Outcome

_DIGITS: Final = 16


def fingerprint(token: str) -> str:
    """What a token is called here: the first sixteen digits of its SHA-256."""
    return sha256(token.encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Seen:
    """One refresh request. Instants are the server's, in seconds.

    *successor* is the token handed out; *killed* the grants that ended because of this request; *modes* those in
    force for it; *second* whether the token presented had been spent before.
    """

    number: int
    at: int
    token: str
    outcome: Outcome
    grant: str = ""
    record: str = ""
    successor: str = ""
    second: bool = False
    killed: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledger:
    """What happened, for whoever judges a client."""

    refreshes: list[Seen] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    """Grant → why it ended: reuse, evicted, revoked, withdrawn, replaced."""
    most_in_flight: int = 0
    """The most requests with one and the same refresh token that were ever being answered at once."""
    astray: int = 0
    """How many requests with a secret in them went where a redirect led."""
    _in_flight: Counter[str] = field(default_factory=Counter)
    _grew: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def __iter__(self) -> Iterator[Seen]:
        return iter(self.refreshes)

    def begins(self, token: str) -> None:
        """A request with *token* has arrived."""
        name = fingerprint(token)
        self._in_flight[name] += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight[name])

    def ends(self, token: str) -> None:
        """It was answered, or the answer was thrown away."""
        self._in_flight[fingerprint(token)] -= 1

    def add(self, **members: Any) -> Seen:
        """Write one request down."""
        seen = Seen(number=len(self.refreshes) + 1, **members)
        self.refreshes.append(seen)
        self._grew.set()
        return seen

    async def reaches(self, count: int) -> None:
        """Come back when so many requests were seen: a test that holds a reply waits for it here."""
        while len(self.refreshes) < count:
            self._grew.clear()
            await self._grew.wait()

    @property
    def alive(self) -> list[str]:
        """The grants that live."""
        return [grant for grant in self.granted if grant not in self.ended]

    @property
    def killed(self) -> list[str]:
        """The grants that a second spend ended."""
        return [grant for grant, why in self.ended.items() if why == "reuse"]

    @property
    def second_spends(self) -> list[Seen]:
        """Requests with a token that had been spent, whether or not the provider forgave them."""
        return [seen for seen in self.refreshes if seen.second]

    @property
    def rotations(self) -> int:
        """How many refresh tokens were spent for a successor."""
        return sum(seen.outcome is Outcome.ROTATED for seen in self.refreshes)

    @property
    def served(self) -> int:
        """How many requests were given an access token."""
        return sum(seen.outcome in SERVED for seen in self.refreshes)

    def times_sent(self, token: str) -> int:
        """How often a refresh token (in clear) was presented."""
        return self.times(fingerprint(token))

    def times(self, name: str) -> int:
        """How often the token with a fingerprint was presented."""
        return sum(seen.token == name for seen in self.refreshes)

    def summary(self) -> Mapping[str, Any]:
        """The figures a judge wants, ready for JSON."""
        outcomes = Counter(seen.outcome.value for seen in self.refreshes)
        return {
            "refreshes": len(self.refreshes),
            "rotations": self.rotations,
            "refreshes_per_rotation": round(len(self.refreshes) / self.rotations, 3) if self.rotations else None,
            "second_spends": len(self.second_spends),
            "astray": self.astray,
            "most_in_flight": self.most_in_flight,
            "grants": len(self.granted),
            "alive": len(self.alive),
            "killed": len(self.killed),
            "ended": dict(self.ended),
            "outcomes": dict(sorted(outcomes.items())),
        }

    def as_json(self) -> Mapping[str, Any]:
        """The summary and every request."""
        return {**self.summary(), "requests": [asdict(seen) for seen in self.refreshes]}
