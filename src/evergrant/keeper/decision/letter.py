"""Which events are told to webhooks, and what such a letter says."""

import json
from typing import Final

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.event import Event, Letter, What

LETTERED: Final = frozenset(
    {
        What.CONNECTED,
        What.RECONNECTED,
        What.RESTORED,
        What.NEEDS_REAUTH,
        What.SUSPENDED,
        What.QUARANTINED,
        What.RELEASED,
        What.REVOKED,
        What.REVOKE_FAILED,
        What.SCOPE_CHANGED,
        What.SUBJECT_REFUSED,
        What.HARD_LIMIT_NEAR,
        What.LEASE_UNUSUAL,
    }
)


SILENT: Final = frozenset({Health.DEGRADED, Health.IN_DOUBT})
"""Nobody was told of these, so nobody is told that they are over."""


def lettered(event: Event) -> bool:
    """Whether webhooks are told."""
    return event.what in LETTERED and not (event.what is What.RESTORED and event.reason in SILENT)


def letter(event: Event, connection: Connection, letter_id: str) -> Letter:
    """The letter about *event*, due at once. Identifiers, codes and instants; never a token."""
    said = {
        "id": letter_id,
        "type": event.what.value,
        "at": event.at,
        "tenant": connection.tenant,
        "connection": connection.id,
        "client": connection.client,
        "provider": connection.provider,
        "account": connection.account,
        "user": connection.user,
        "health": connection.health.value,
        "reason": event.reason,
        "detail": event.detail,
        "version": connection.version,
        "tags": dict(connection.tags),
    }
    body = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    return Letter(
        id=letter_id, tenant=connection.tenant, what=event.what.value, body=body, made_at=event.at, due=event.at
    )
