"""
What is counted, and the page that tells it to Prometheus.

Each instrument is declared here, once, with its vocabulary; docs/reference/metrics.md is made from this file. How
counting works is in `instruments`, where the numbers live in `cells`, how they are spelled in `exposition`. No label
ever carries a token, a user, a client or anything else that came over the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from evergrant.clock import Clock
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.observe.cells import Cells
from evergrant.observe.exposition import Sample, spell
from evergrant.observe.instruments import Counter, Declared, Gauge, Histogram, Instrument
from evergrant.protocol.error import Code

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# From a third of a millisecond, which a refresh takes alone, to ten seconds, which nobody waits for.
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)

REFRESHES: Final = Declared(
    "evergrant_refreshes_total", "Refresh tokens presented, by what became of them.", "outcome", tuple(Verdict)
)
ISSUED: Final = Declared(
    "evergrant_tokens_issued_total",
    "Answers that carried an access token, by grant type.",
    "grant_type",
    ("authorization_code", "refresh_token", "client_credentials"),
)
REFUSALS: Final = Declared(
    "evergrant_refusals_total",
    "Requests refused, by reason: an OAuth error code, or why a refresh token was not taken.",
    "reason",
    (*Code, *Refusal),
)
ENDED: Final = Declared(
    "evergrant_families_ended_total", "Families that ended, by the reason stored with them.", "reason", tuple(Reason)
)
SIGN_INS: Final = Declared(
    "evergrant_sign_ins_total",
    "Attempts to sign in, by outcome.",
    "outcome",
    ("succeeded", "wrong", "delayed", "busy", "disabled"),
)
SETTLE_BATCH: Final = Declared(
    "evergrant_settle_batch_size", "Settles that shared one commit.", bounds=_BATCHES, kind="histogram"
)
SETTLE_SECONDS: Final = Declared(
    "evergrant_settle_seconds",
    "Time from asking the store to settle until the commit was durable.",
    bounds=_SECONDS,
    kind="histogram",
)
REQUEST_SECONDS: Final = Declared(
    "evergrant_request_seconds",
    "Time to answer a request, by endpoint.",
    "endpoint",
    bounds=_SECONDS,
    kind="histogram",
)
ANSWERS: Final = Declared(
    "evergrant_answers_total", "Requests answered, by class of status.", "status", ("2xx", "3xx", "4xx", "5xx")
)
SWEPT: Final = Declared(
    "evergrant_housekeeping_rows_total",
    "Rows that housekeeping removed or ended, by kind.",
    "kind",
    ("families", "sessions", "codes", "flows", "notices", "barred", "buckets", "events"),
)
CLOCK_STEPS: Final = Declared("evergrant_clock_steps_total", "Steps of the wall clock that were noticed.")
CLOCK_STEP: Final = Declared(
    "evergrant_clock_step_seconds", "The latest step of the wall clock, negative when time went back.", kind="gauge"
)
BACKLOG: Final = Declared(
    "evergrant_events_backlog", "Events past their retention that still wait to be removed.", kind="gauge"
)
FOLLOWERS: Final = Declared(
    "evergrant_feed_followers", "Resource servers that follow the feed of endings.", kind="gauge", adds_up=True
)
DELIVERIES: Final = Declared(
    "evergrant_deliveries_total",
    "Tries to hand over a logout token or a security event, by what came of them.",
    "outcome",
    ("arrived", "put_off", "given_up"),
)
WORKERS: Final = Declared("evergrant_workers", "Workers that are running.", kind="gauge", adds_up=True)

TABLE: Final = (
    REFRESHES,
    ISSUED,
    REFUSALS,
    ENDED,
    SIGN_INS,
    SETTLE_BATCH,
    SETTLE_SECONDS,
    REQUEST_SECONDS,
    ANSWERS,
    SWEPT,
    CLOCK_STEPS,
    CLOCK_STEP,
    BACKLOG,
    FOLLOWERS,
    DELIVERIES,
    WORKERS,
)

Shape = TypeVar("Shape", bound=Instrument)


class Metrics:
    """
    The counts of one process, which can tell the sums of all.

    A process that has been forked from one with a directory must make its own.
    """

    def __init__(self, directory: Path | None = None, endpoints: Iterable[str] = ()) -> None:
        """Count in memory, or, when workers share a directory, in a slot there; `endpoints` are a vocabulary."""
        requests = replace(REQUEST_SECONDS, members=tuple(endpoints))
        table = [requests if declared is REQUEST_SECONDS else declared for declared in TABLE]
        layout = hashlib.sha256(repr(table).encode()).digest()
        self._cells = Cells(sum(declared.cells for declared in table), layout, directory)
        self._lock = Lock()
        self._next = 0
        self._instruments: list[Instrument] = []
        self._steps_told = 0
        self.refreshes = self._place(Counter, REFRESHES)
        self.issued = self._place(Counter, ISSUED)
        self.refusals = self._place(Counter, REFUSALS)
        self.ended = self._place(Counter, ENDED)
        self.sign_ins = self._place(Counter, SIGN_INS)
        self.settle_batch = self._place(Histogram, SETTLE_BATCH)
        self.settle_seconds = self._place(Histogram, SETTLE_SECONDS)
        self.request_seconds = self._place(Histogram, requests)
        self.answers = self._place(Counter, ANSWERS)
        self.swept = self._place(Counter, SWEPT)
        self.clock_steps = self._place(Counter, CLOCK_STEPS)
        self.clock_step = self._place(Gauge, CLOCK_STEP)
        self.backlog = self._place(Gauge, BACKLOG)
        self.followers = self._place(Gauge, FOLLOWERS)
        self.deliveries = self._place(Counter, DELIVERIES)
        self.workers = self._place(Gauge, WORKERS)
        self.workers.set(1)

    def watch(self, clock: Clock) -> int:
        """Take over what a clock has noticed; return how many steps are new, so that the caller can raise an alarm."""
        new = clock.jumps() - self._steps_told
        if new:
            self._steps_told += new
            self.clock_steps.add(amount=new)
            self.clock_step.set(clock.jumped())
        return new

    def render(self) -> bytes:
        """Return the page for /metrics: the sums over all workers."""
        rows = tuple(self._cells.rows())
        return spell(Sample(each, rows) for each in self._instruments)

    def close(self) -> None:
        """Leave the slot to the next worker."""
        self._cells.close()

    def _place(self, shape: type[Shape], declared: Declared) -> Shape:
        first = self._next
        self._next += declared.cells
        if declared.kind == "gauge":
            self._cells.forget(range(first, self._next))
        made = shape(declared, first, self._cells.numbers, self._lock)
        self._instruments.append(made)
        return made
