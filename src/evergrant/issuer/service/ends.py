"""Ends: what closes sessions and families, each in one transaction with the event that tells the operator of it.

Resource servers and clients are told in the same transaction, by `evergrant.store.applying`.

An end is written to the families themselves, so a running refresh either committed before it (and its result dies with
the family) or sees it. Whatever answered success here, nothing minted later survives (invariant 5).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family
from evergrant.domain.reason import Reason
from evergrant.store import applying
from evergrant.store.port import Records, Tx, Which

MOST_AT_ONCE: Final = 10_000


def end_family(
    tx: Tx, family: Family, reason: Reason, now: int, network: str = "", agent: str = "", detail: str = ""
) -> bool:
    """End one family, as this transaction has read it; whether it was live. *detail* is what a person said about it."""
    if not applying.end_family(tx, family, Ended(now, reason)):
        return False
    name = ids.text(ids.Kind.FAMILY, family.id)
    tx.events.add([
        Event(now, What.FAMILY_ENDED, family.client_id, family.account_id, name, family.session_id, reason,
              family.head.generation, network, agent, detail)
    ])  # fmt: skip
    return True


def end_families(tx: Tx, which: Which, reason: Reason, now: int) -> int:
    """End every live family that matches; how many. One event tells of them all."""
    count = applying.end_families(tx, which, Ended(now, reason))
    _tell(tx, which, reason, now, count)
    return count


def _tell(tx: Tx, which: Which, reason: Reason, now: int, count: int) -> None:
    if count:
        tx.events.add([
            Event(now, What.FAMILIES_ENDED, which.client_id, which.account_id, "", which.session_id, reason,
                  detail=str(count))
        ])  # fmt: skip


def end_session(tx: Tx, session_id: str, reason: Reason, now: int, network: str = "", agent: str = "") -> bool:
    """End one browser session and its online families; whether it was open. Offline families live on (X7)."""
    session = tx.sessions.get(session_id)
    if session is None or not applying.end_session(tx, session_id, Ended(now, reason)):
        return False
    tx.events.add([
        Event(now, What.SESSION_ENDED, "", session.account_id, "", session_id, reason, -1, network, agent)
    ])  # fmt: skip
    which = Which(account_id=session.account_id, session_id=session_id, online=True)  # the event names the person
    end_families(tx, which, reason, now)
    return True


def end_account(tx: Tx, account_id: str, reason: Reason, now: int, but_session: str = "") -> tuple[int, int]:
    """End every session (except *but_session*) and every family of an account, offline ones too; how many of each."""
    sessions = applying.end_sessions(tx, account_id, Ended(now, reason), but_session)
    families = end_families(tx, Which(account_id=account_id), reason, now)
    applying.tell_account(tx, account_id, Ended(now, reason))
    if sessions:
        tx.events.add([Event(now, What.SESSION_ENDED, "", account_id, reason=reason, detail=str(sessions))])
    clear(tx.codes, account_id=account_id)
    return sessions, families


def end_grant(tx: Tx, grant_id: str, account_id: str, now: int) -> bool:
    """Withdraw a consent: its families end, and the client must ask again. Whether it stood."""
    grant = tx.grants.get(grant_id)
    if grant is None or grant.account_id != account_id or grant.withdrawn_at:
        return False
    tx.grants.put(replace(grant, withdrawn_at=now))
    tx.events.add([Event(now, What.CONSENT_WITHDRAWN, grant.client_id, account_id)])
    end_families(tx, Which(account_id=account_id, grant_id=grant_id), Reason.CONSENT_WITHDRAWN, now)
    # A code on its way must not begin a family once the same consent is given again.
    clear(tx.codes, account_id=account_id, client_id=grant.client_id)
    return True


def end_client(tx: Tx, client_id: str, now: int) -> int:
    """End every family, grant and code of a client that is being deleted; how many families."""
    count = applying.end_client(tx, client_id, Ended(now, Reason.CLIENT_DELETED))
    _tell(tx, Which(client_id=client_id), Reason.CLIENT_DELETED, now, count)
    clear(tx.grants, client_id=client_id)
    clear(tx.codes, client_id=client_id)
    return count


def end_part_of_client(tx: Tx, client_id: str, families: Sequence[bytes], now: int) -> int:
    """End some families, and as many grants, of a client that is being deleted; how many families."""
    count = applying.end_client(tx, client_id, Ended(now, Reason.CLIENT_DELETED), families)
    _tell(tx, Which(client_id=client_id), Reason.CLIENT_DELETED, now, count)
    tx.grants.clear(len(families), client_id=client_id)
    return count


def clear(records: Records[Any], **equal: str) -> None:
    """Delete every record whose columns equal what is given."""
    while records.clear(MOST_AT_ONCE, **equal) == MOST_AT_ONCE:
        pass
