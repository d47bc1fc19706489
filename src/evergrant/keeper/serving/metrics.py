"""What the service counts, with closed vocabularies, and the page that tells it to Prometheus.

Health, letters and events are of the vault, whichever process tells them; the rest is of this process.
"""

from threading import Lock
from typing import Final, TypeVar

from evergrant.clock import Clock
from evergrant.keeper.connection import Health
from evergrant.keeper.event import What
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.api.problems import CODES
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.observe.cells import Cells
from evergrant.observe.exposition import Sample, spell
from evergrant.observe.instruments import Counter, Declared, Gauge, Histogram, Instrument
from evergrant.protocol.error import Code

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REFRESH_OUTCOMES: Final = (
    What.REFRESHED,
    What.DEGRADED,
    What.IN_DOUBT,
    What.REPLAYED,
    What.FENCED,
    What.NEEDS_REAUTH,
    What.SUSPENDED,
)
_OUTCOME: Final = {what: what.value.partition(".")[2] for what in REFRESH_OUTCOMES}

LEASES: Final = Declared(
    "evergrant_keeper_leases_total", "Leases asked for, by what came of it.", "outcome", ("handed_out", *CODES)
)
REFRESHES: Final = Declared(
    "evergrant_keeper_refreshes_total",
    "Refreshes in the vault since this process began to look, by outcome; of several processes take the largest.",
    "outcome",
    tuple(_OUTCOME.values()),
)
EVENTS: Final = Declared(
    "evergrant_keeper_events_total",
    "Events in the vault since this process began to look, by kind; of several processes take the largest.",
    "what",
    tuple(What),
)
CONNECTIONS: Final = Declared(
    "evergrant_keeper_connections", "Connections in the vault, by health.", "health", tuple(Health), kind="gauge"
)
LETTERS: Final = Declared(
    "evergrant_keeper_letters_waiting",
    "Webhooks that have not arrived, at most a thousand of them.",
    "state",
    ("waiting", "parked"),
    kind="gauge",
)
WEBHOOKS: Final = Declared(
    "evergrant_keeper_webhooks_total",
    "Webhooks tried, by what came of it.",
    "outcome",
    ("arrived", "failed", "parked"),
)
WEBHOOK_SECONDS: Final = Declared(
    "evergrant_keeper_webhook_seconds", "Time to hand a webhook over.", bounds=_SECONDS, kind="histogram"
)
PROBLEMS: Final = Declared("evergrant_keeper_problems_total", "Calls that were refused, by code.", "code", CODES)
REFUSALS: Final = Declared(
    "evergrant_keeper_refusals_total", "Requests refused before any operation, by code.", "code", tuple(Code)
)
ANSWERS: Final = Declared(
    "evergrant_keeper_answers_total", "Requests answered, by class of status.", "status", ("2xx", "3xx", "4xx", "5xx")
)
LOOKED_AT: Final = 1_000
PAGES: Final = 20
T = TypeVar("T", bound=Instrument)


def request_seconds(routes: tuple[str, ...]) -> Declared:
    """Its label's vocabulary is the routes."""
    return Declared(
        "evergrant_keeper_request_seconds",
        "Time to answer a request, by route.",
        "route",
        routes,
        bounds=_SECONDS,
        kind="histogram",
    )


class KeeperMetrics:
    """The counts of one process."""

    def __init__(self, routes: tuple[str, ...]) -> None:
        seconds = request_seconds(routes)
        self.table = (
            LEASES, REFRESHES, EVENTS, CONNECTIONS, LETTERS, WEBHOOKS, WEBHOOK_SECONDS, PROBLEMS, REFUSALS, ANSWERS,
            seconds,
        )  # fmt: skip
        self._cells = Cells(sum(each.cells for each in self.table), b"keeper", None)
        self._lock, self._next = Lock(), 0
        self._instruments: list[Instrument] = []
        self.leases = self._place(Counter, LEASES)
        self._refreshes = self._place(Counter, REFRESHES)
        self._events = self._place(Counter, EVENTS)
        self._connections = self._place(Gauge, CONNECTIONS)
        self._letters = self._place(Gauge, LETTERS)
        self.webhooks = self._place(Counter, WEBHOOKS)
        self.webhook_seconds = self._place(Histogram, WEBHOOK_SECONDS)
        self.problems = self._place(Counter, PROBLEMS)
        self.refusals = self._place(Counter, REFUSALS)
        self.answers = self._place(Counter, ANSWERS)
        self.request_seconds = self._place(Histogram, seconds)
        self._steps = 0
        self._seen: int | None = None

    def watch(self, clock: Clock) -> int:
        """How many steps of the clock are new, so that the caller can raise an alarm."""
        new = clock.jumps() - self._steps
        self._steps += new
        return new

    async def look(self, ground: Ground, parked: int) -> None:
        """Take over what the vault tells. Letters due at *parked* or later wait for somebody."""
        try:
            for health, count in (await ground.vault.counts()).items():
                self._connections.set(count, health)
            letters = await ground.vault.letters(parked, limit=LOOKED_AT)
            await self._follow(ground)
        except VaultUnavailable:
            return  # the page tells what is known; /readyz tells that the vault is silent
        self._letters.set(sum(letter.due >= parked for letter in letters), "parked")
        self._letters.set(sum(letter.due < parked for letter in letters), "waiting")

    async def _follow(self, ground: Ground) -> None:
        if self._seen is None:
            self._seen = (await ground.vault.trail_ends()).last
        for _ in range(PAGES):
            page = await ground.vault.events(after=self._seen, limit=LOOKED_AT)
            for stored in page:
                self._events.add(stored.event.what)
                if stored.event.what in _OUTCOME:
                    self._refreshes.add(_OUTCOME[stored.event.what])
                self._seen = stored.number
            if len(page) < LOOKED_AT:
                return

    def render(self) -> bytes:
        """The page."""
        rows = tuple(self._cells.rows())
        return spell(Sample(each, rows) for each in self._instruments)

    def close(self) -> None:
        self._cells.close()

    def _place(self, shape: type[T], declared: Declared) -> T:
        made = shape(declared, self._next, self._cells.numbers, self._lock)
        self._next += declared.cells
        self._instruments.append(made)
        return made
