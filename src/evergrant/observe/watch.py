"""
What the HTTP application tells its operator about each request: counted always, logged as seldom as is useful.

One object per process joins the clock, the metrics and the log, so that the application knows none of them. A refusal
and a fault get an id, which the answer carries to the person and the log line to the operator.
"""

from __future__ import annotations

import logging
from typing import Final, Protocol

from evergrant.clock import Clock
from evergrant.domain.reason import Refusal
from evergrant.entropy import Entropy
from evergrant.observe.instruments import Counter, Histogram
from evergrant.observe.log import fields
from evergrant.observe.sampling import RefusalLog, Sampler, error_id
from evergrant.protocol.error import Code, Refused

_LOG: Final = logging.getLogger("evergrant.requests")
_CLASSES: Final = ("other", "other", "2xx", "3xx", "4xx", "5xx")
_SERVER_ERROR: Final = 500
# What an operator must hear of, however many ordinary refusals of the same code there are (attack O-03).
_ALARMS: Final = frozenset({Refusal.FORGED, Refusal.AHEAD})


class Asked(Protocol):
    """What is told of a request: never its query, its body or a header that could carry a secret."""

    @property
    def method(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def agent(self) -> str: ...


class Counted(Protocol):
    """The instruments that every side has; the issuer's are in `metrics`."""

    @property
    def request_seconds(self) -> Histogram: ...
    @property
    def answers(self) -> Counter: ...
    @property
    def refusals(self) -> Counter: ...
    def watch(self, clock: Clock) -> int: ...


class Watch:
    """Counts and logs what one process answers."""

    def __init__(self, metrics: Counted, clock: Clock, entropy: Entropy, *, sample: int = 0) -> None:
        """Log one ordinary request in `sample`; 0 logs none."""
        self.metrics = metrics
        self._clock = clock
        self._entropy = entropy
        self._sampler = Sampler(sample)
        self._refusals = RefusalLog(_LOG, clock)
        self.monotonic = clock.monotonic

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; once in a while, log it."""
        self.metrics.request_seconds.observe(seconds, route)
        self.metrics.answers.add(_CLASSES[status // 100])
        if self._sampler.due():
            took = round(seconds * 1000, 3)
            _LOG.info("request answered", extra=fields(endpoint=route, status=status, milliseconds=took))

    def refused(self, route: str, error: Refused, ask: Asked) -> str:
        """Count a refusal, log it unless there are many of its kind, and return its error id."""
        self.metrics.refusals.add(error.code)
        identity = error_id(self._entropy)
        alarm = error.detail in _ALARMS
        self._refusals.tell(
            error.detail if alarm else error.code,
            logging.WARNING if alarm or error.status >= _SERVER_ERROR else logging.INFO,
            error_id=identity,
            endpoint=route,
            status=error.status,
            detail=error.detail or error.description,
            method=ask.method,
            network=ask.network,
            agent=ask.agent,
        )
        return identity

    def failed(self, route: str, error: BaseException) -> str:
        """Log a fault of ours with its traceback and return its error id."""
        self.metrics.refusals.add(Code.SERVER_ERROR)
        identity = error_id(self._entropy)
        _LOG.error("request failed", exc_info=error, extra=fields(error_id=identity, endpoint=route))
        return identity

    def look_round(self) -> None:
        """Tell what nobody asked about: refusals that were only counted, and steps of the clock. For housekeeping."""
        self._refusals.flush()
        if self.metrics.watch(self._clock):
            _LOG.error(
                "the clock stepped: tokens may end early or late until it is right again",
                extra=fields(seconds=self._clock.jumped(), steps=self._clock.jumps()),
            )
