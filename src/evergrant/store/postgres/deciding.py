"""A batch of settles: the jobs of one transaction, what was decided of them, what is to be written, who must wait."""

from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.domain.policy import Radius
from evergrant.domain.rotation import Settlement
from evergrant.store.applying import UNTOLD
from evergrant.store.batch import Answer, Job, failed


class Asked:
    """A job with how often it was tried, when its patience ends, and whether it is tried without its neighbours."""

    __slots__ = ("alone", "end", "family_id", "job", "patient", "tries")

    def __init__(self, job: Job, family_id: bytes, end: float) -> None:
        self.job, self.family_id, self.end = job, family_id, end
        self.tries, self.alone, self.patient = 0, False, False


class Batch:
    """What shares a transaction. After `decide`: *answers* if it commits, *changed* rows and events *told* to write.

    *locked* are those whose row somebody else holds; *wide* is the one whose effect is wider than its family's row
    (*reaches_others*: it ends other families too), *behind* it those that may not overtake it.
    """

    def __init__(self, asked: list[Asked]) -> None:
        self.asked = asked
        self.rows: dict[bytes, Family | None] = {}
        self.answers: list[Answer] = []
        self.told: list[Event] = []
        self.changed: dict[bytes, Family] = {}
        self.locked: list[Asked] = []
        self.behind: list[Asked] = []
        self.wide: Asked | None = None
        self.reaches_others = False

    @property
    def families(self) -> list[bytes]:
        """Each family once, in the order in which rows are locked."""
        return sorted({one.family_id for one in self.asked})

    def decide(self) -> None:
        """Ask every decision in order, up to the first whose effect is wider than its family's row."""
        rows = self.rows
        for place, one in enumerate(self.asked):
            if one.family_id not in rows:
                self.locked.append(one)
                continue
            try:
                settlement: Settlement = one.job.work(rows[one.family_id])
            except BaseException as error:  # noqa: BLE001 - a decision that fails has written nothing; its caller hears of it
                self.answers.append(failed(one.job, error))
                continue
            if _is_wide(one, settlement):
                self.wide, self.behind = one, self.asked[place + 1 :]
                self.reaches_others = settlement.radius is not Radius.FAMILY
                return
            self._note(one, settlement)

    def _note(self, one: Asked, settlement: Settlement) -> None:
        family, head, ended = settlement.family, settlement.head, settlement.ended
        if family is not None and head is not None:
            row = self.rows[one.family_id]
            if row is not None:
                if ended is not None:
                    row = row._replace(head=head._replace(sealed=None), ended=ended)
                else:
                    row = row._replace(head=head)
                self.rows[one.family_id] = self.changed[one.family_id] = row
        self.told.extend(settlement.events)
        self.answers.append(Answer(one.job, settlement, None))


def _is_wide(one: Asked, settlement: Settlement) -> bool:
    family, ended = settlement.family, settlement.ended
    return (
        settlement.notice is not None
        or (ended is not None and (settlement.radius is not Radius.FAMILY or ended.reason not in UNTOLD))
        or (family is not None and family.id != one.family_id)
    )
