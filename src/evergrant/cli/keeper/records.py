"""What a connection looks like, in JSON and in a table: never a token, never anything sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evergrant.cli.output import Column, instant, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evergrant.keeper.connection import Connection, Record
    from evergrant.keeper.vault.port import Found


def record(connection: Connection) -> dict[str, Any]:
    """A connection as `--json` prints it; what nobody knows is null."""
    return {
        "id": connection.id, "tenant": connection.tenant or None, "client": connection.client,
        "provider": connection.provider, "account": connection.account, "user": connection.user,
        "subject": connection.subject or None, "label": connection.label or None, "tags": dict(connection.tags),
        "version": connection.version, "health": connection.health, "reason": connection.reason or None,
        "detail": connection.detail or None, "asked_scope": list(connection.asked_scope),
        "granted_scope": list(connection.granted_scope), "fields": dict(connection.fields),
        "created_at": connection.created_at or None, "connected_at": connection.connected_at or None,
        "changed_at": connection.changed_at or None, "failures": connection.failures,
        "retry_at": connection.retry_at or None,
    }  # fmt: skip


def whole(found: Found) -> dict[str, Any]:
    """A connection with what is known of its tokens."""
    return record(found.connection) | {
        "records": [_record(one, refreshing=name in found.claims) for name, one in found.records.items()],
        "open_intents": [
            {"record": one.name, "written_at": one.written_at, "step": one.step, "replays": one.replays}
            for one in found.intents.values()
        ],
    }


def _record(one: Record, *, refreshing: bool) -> Mapping[str, Any]:
    return {
        "name": one.name, "version": one.version, "has_refresh_token": bool(one.refresh_token),
        "refresh_fingerprint": one.fingerprint or None, "scope": list(one.scope),
        "expires_at": one.expires_at or None, "expiry_known_from": one.origin,
        "refresh_idle_end": one.refresh_idle_end or None, "refresh_hard_end": one.refresh_hard_end or None,
        "refreshed_at": one.refreshed_at or None, "used_at": one.used_at or None, "refreshing": refreshing,
    }  # fmt: skip


LIST: Final = (
    Column("client"), Column("account"), Column("health"), Column("reason"), Column("label"),
    Column("connected_at", "connected", instant), Column("changed_at", "since", instant),
)  # fmt: skip
ONE: Final = (
    Column("id"), Column("client"), Column("provider"), Column("account"), Column("user"), Column("subject"),
    Column("label"), Column("health"), Column("reason"), Column("detail"), Column("granted_scope", "scope", listed),
    Column("connected_at", "connected", instant), Column("changed_at", "in this health since", instant),
    Column("retry_at", "not tried before", instant), Column("failures"),
)  # fmt: skip
TOKENS: Final = (
    Column("name", "tokens"), Column("expires_at", "access ends", instant), Column("expiry_known_from", "known from"),
    Column("refreshed_at", "refreshed", instant), Column("used_at", "last used", instant),
    Column("refresh_idle_end", "unused until", instant), Column("refresh_hard_end", "for good until", instant),
)  # fmt: skip
