"""Settling many families with few statements, inside a transaction that the writer has begun and will commit."""

from collections.abc import Iterable
from typing import Any

from evergrant.domain.event import Event
from evergrant.store.applying import apply
from evergrant.store.batch import Answer, Job, failed
from evergrant.store.sqlite.tables import SqliteTx


class Settling:
    """Settles in the order they were asked. Rotations are written together; whatever ends something, at once."""

    def __init__(self, tx: SqliteTx) -> None:
        self._tx = tx
        self._rows: dict[bytes, tuple[Any, ...]] = {}
        self._events: list[Event] = []

    def settle(self, batch: Iterable[Job]) -> list[Answer]:
        """The answers, written but not committed."""
        answers = [self._one(job, job.family_id) for job in batch if job.family_id is not None]
        self._write()
        return answers

    def _one(self, job: Job, family_id: bytes) -> Answer:
        if family_id in self._rows:
            self._write()
        family = self._tx.families.get(family_id)
        try:
            settlement = job.work(family)
        except BaseException as error:  # noqa: BLE001 - a decision that fails has written nothing; its caller hears of it
            return failed(job, error)
        if settlement.ended is None and settlement.notice is None:
            if settlement.head is not None:
                self._rows[family_id] = (*settlement.head, family_id)
            self._events.extend(settlement.events)
        else:
            self._write()
            apply(self._tx, settlement)
        return Answer(job, settlement, None)

    def _write(self) -> None:
        if self._rows:
            self._tx.families.settle_many(list(self._rows.values()))
            self._rows = {}
        if self._events:
            self._tx.events.add(self._events)
            self._events = []
