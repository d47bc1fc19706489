"""What the operator sees of one family: its row and its audit trail, read from the issuer's own store.

No application can see this. The demo can, because it runs the issuer in the same process; its pages say whose view it
is.
"""

from typing import Final, NamedTuple

from evergrant.assembly import House
from evergrant.domain import id as ids
from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.store.port import EventQuery, Tx, Which

MOST_EVENTS: Final = 500
MOST_FAMILIES: Final = 20


class Sight(NamedTuple):
    """One family at one instant: its row, its own events, and all events of its account, oldest first."""

    family: Family
    trail: tuple[Event, ...]
    account: tuple[Event, ...]
    families: tuple[Family, ...]
    now: int


async def look(house: House, family_id: str, account_id: str) -> Sight | None:
    """The operator's view of a family, or None when there is no such family."""
    raw, now = ids.parse(ids.Kind.FAMILY, family_id), house.clock.now()

    def work(tx: Tx) -> Sight | None:
        family = tx.families.get(raw) if raw else None
        if family is None:
            return None
        own = tx.events.find(EventQuery(family_id=family_id, limit=MOST_EVENTS, newest=True))
        every = tx.events.find(EventQuery(account_id=account_id, limit=MOST_EVENTS, newest=True))
        families = tx.families.find(Which(account_id=account_id, live=False), MOST_FAMILIES)
        return Sight(
            family, _in_order(own), _in_order(every), tuple(sorted(families, key=lambda one: one.started_at)), now
        )

    return await house.store.read(work)


def _in_order(found: list[tuple[int, Event]]) -> tuple[Event, ...]:
    return tuple(event for _, event in sorted(found))
