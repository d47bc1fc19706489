"""What is over in a vault, and in which order it is dropped: the same in every vault that asks in SQL."""

from typing import Any

from evergrant.keeper.vault import comparing


def swept(tables: Any, now: int, keep_events: int, limit: int) -> int:
    """Drop what is over, at most *limit* rows; how many. *tables* are the vault's own, in one transaction."""
    left = limit
    left -= tables.spending.forget_closed(now - comparing.INTENT_REST, left)
    left -= tables.outgoing.forget_expired(now, left)
    left -= tables.connections.forget_abandoned(now - comparing.ABANDONED_REST, left)
    left -= tables.connections.forget_previous(now, left)
    left -= tables.trail.forget(now - keep_events, left)
    return int(limit - left)
