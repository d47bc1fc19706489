"""How a settlement's effect is persisted, and how ends are told; shared by every store, so that no two can differ.

Every end of something live goes through here and is told in the same transaction (`Tx.endings`): nobody else closes a
family, a session or an access token. An end that names few families names them; a mass end is told in one row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from evergrant.domain import id as ids
from evergrant.domain.ending import End
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Radius
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Settlement
from evergrant.domain.throttle import Barred
from evergrant.store.port import Tx, Which

# Of families or sessions in one end; the wire form allows as many (`protocol.ending`).
MOST_NAMED: Final = 100
# Seconds. A mass end compares times, and was timed before its transaction began: what others commit meanwhile is issued
# later than that, by families that are over all the same.
ON_THE_WAY: Final = 2
# No access token outlives these ends, so nobody has to be told.
UNTOLD: Final = frozenset({Reason.IDLE, Reason.ABSOLUTE})


def apply(tx: Tx, settlement: Settlement) -> None:
    """Persist a settlement's whole effect inside the transaction that loaded the family."""
    family, ended = settlement.family, settlement.ended
    if family is not None and settlement.head is not None:
        tx.families.settle(family.id, settlement.head, ended)
        if ended is not None and ended.reason not in UNTOLD:
            tell_families(tx, [family], ended)
    if settlement.notice is not None:
        tx.notices.put(settlement.notice)
    if settlement.events:
        tx.events.add(settlement.events)
    if family is not None and ended is not None and settlement.radius is not Radius.FAMILY:
        more = widen(tx, family, settlement.radius, ended)
        if more:
            tx.events.add([_several(family, settlement.radius, ended, more)])


def _several(family: Family, radius: Radius, ended: Ended, number: int) -> Event:
    event = Event(ended.at, What.FAMILIES_ENDED, family.client_id, family.account_id, reason=ended.reason)
    return event._replace(session_id=family.session_id, detail=f"{number} in the same {radius}")


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
    return end_families(tx, which, ended)


def end_family(tx: Tx, family: Family, ended: Ended) -> bool:
    """End one family as this transaction has read it, and tell it; whether it was live."""
    if family.ended is not None:
        return False
    tell_families(tx, [family], ended)
    return tx.families.end(Which(family_id=family.id), ended) > 0


def end_families(tx: Tx, which: Which, ended: Ended) -> int:
    """End every live family that matches, and tell it; how many."""
    which.refuse_empty()
    which = which._replace(live=True)
    few = tx.families.find(which, MOST_NAMED + 1)
    if len(few) > MOST_NAMED:
        return _end_many(tx, which, ended)
    tell_families(tx, few, ended)
    return tx.families.end(which, ended) if few else 0


def _end_many(tx: Tx, which: Which, ended: Ended) -> int:
    """A mass end: told by what its families have in common where tokens say that, else family by family."""
    account, client = which.account_id, which.client_id
    if which.grant_id:
        grant = tx.grants.get(which.grant_id)
        account, client = ("", "") if grant is None else (grant.account_id, grant.client_id)
    if (account or client) and not which.session_id and which.online is None:
        tx.endings.add([_every(ended, account, client)])
    else:
        after = b""
        while page := tx.families.find(which, MOST_NAMED, after):
            tell_families(tx, page, ended)
            after = page[-1].id
    return tx.families.end(which, ended)


def _every(ended: Ended, account_id: str, client_id: str) -> End:
    return End(ended.at + ON_THE_WAY, ended.reason, account_id, client_id, every=True)


def tell_families(tx: Tx, families: Sequence[Family], ended: Ended) -> None:
    """Tell of families that are ended in this transaction, no more than `MOST_NAMED`."""
    if families:
        names = tuple(ids.text(ids.Kind.FAMILY, family.id) for family in families)
        account, client = families[0].account_id, families[0].client_id
        tx.endings.add([End(ended.at, ended.reason, account, client, names)])


def end_session(tx: Tx, session_id: str, ended: Ended) -> bool:
    """End one browser session if it is still open."""
    session = tx.sessions.get(session_id)
    if session is None or session.ended is not None:
        return False
    tx.sessions.put(replace(session, ended=ended))
    tx.endings.add([End(ended.at, ended.reason, session.account_id, sessions=(session.id,))])
    return True


def end_sessions(tx: Tx, account_id: str, ended: Ended, but: str = "") -> int:
    """End every open session of an account, except *but*; how many."""
    number = 0
    after: str | None = None
    while page := tx.sessions.find(500, after, account_id=account_id):
        closing = [session for session in page if session.id != but and session.ended is None]
        for session in closing:
            tx.sessions.put(replace(session, ended=ended))
        names = [session.id for session in closing]
        tx.endings.add([
            End(ended.at, ended.reason, account_id, sessions=tuple(names[place : place + MOST_NAMED]))
            for place in range(0, len(names), MOST_NAMED)
        ])  # fmt: skip
        number += len(closing)
        after = page[-1].id
    return number


def end_client(tx: Tx, client_id: str, ended: Ended, families: Sequence[bytes] | None = None) -> int:
    """End every family of a client that is being deleted, and the tokens that were its own; how many families.

    With *families*, only those; all of the client's access tokens until now are over all the same.
    """
    tx.endings.add([_every(ended, "", client_id)])
    if families is not None:
        return tx.families.end_these(families, ended)
    return tx.families.end(Which(client_id=client_id), ended)


def end_access(tx: Tx, barred: Barred, ended: Ended, account_id: str, client_id: str) -> None:
    """End one access token."""
    tx.barred.put(barred)
    tx.endings.add([End(ended.at, ended.reason, account_id, client_id, jti=barred.jti)])


def tell_account(tx: Tx, account_id: str, ended: Ended) -> None:
    """Tell that all an account held is over, whether or not it held anything."""
    tx.endings.add([End(ended.at, ended.reason, account_id)])
