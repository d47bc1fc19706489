"""How a settlement's effect is persisted; shared by every store, so that no two can differ."""

from dataclasses import replace

from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Radius
from evergrant.domain.rotation import Settlement
from evergrant.store.port import Tx, Which


def apply(tx: Tx, settlement: Settlement) -> None:
    """Persist a settlement's whole effect inside the transaction that loaded the family."""
    family = settlement.family
    if family is not None and settlement.head is not None:
        tx.families.settle(family.id, settlement.head, settlement.ended)
    if settlement.notice is not None:
        tx.notices.put(settlement.notice)
    if settlement.events:
        tx.events.add(settlement.events)
    if family is not None and settlement.ended is not None and settlement.radius is not Radius.FAMILY:
        ended = settlement.ended
        count = widen(tx, family, settlement.radius, ended)
        if count:
            tx.events.add([_several(family, settlement.radius, ended, count)])


def _several(family: Family, radius: Radius, ended: Ended, count: int) -> Event:
    event = Event(ended.at, What.FAMILIES_ENDED, family.client_id, family.account_id, reason=ended.reason)
    return event._replace(session_id=family.session_id, detail=f"{count} in the same {radius}")


def widen(tx: Tx, family: Family, radius: Radius, ended: Ended) -> int:
    """End what lies within *radius* of *family* too; how many families went."""
    account, client, session = family.account_id, family.client_id, family.session_id
    which = {
        Radius.FAMILY: Which(family_id=family.id),
        Radius.SESSION: Which(session_id=session) if session else Which(family_id=family.id),
        Radius.CLIENT: Which(account_id=account, client_id=client),
        Radius.USER: Which(account_id=account),
    }[radius]
    if radius is Radius.USER:
        end_sessions(tx, account, ended)
    elif radius is Radius.SESSION:
        end_session(tx, session, ended)
    return tx.families.end(which, ended)


def end_session(tx: Tx, session_id: str, ended: Ended) -> bool:
    """End one browser session if it is still open."""
    session = tx.sessions.get(session_id)
    if session is None or session.ended is not None:
        return False
    tx.sessions.put(replace(session, ended=ended))
    return True


def end_sessions(tx: Tx, account_id: str, ended: Ended, but: str = "") -> int:
    """End every open session of an account, except *but*; how many."""
    count = 0
    after: str | None = None
    while page := tx.sessions.find(500, after, account_id=account_id):
        for session in page:
            count += session.id != but and end_session(tx, session.id, ended)
        after = page[-1].id
    return count
