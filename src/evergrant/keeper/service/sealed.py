"""The tokens of a record: sealed at its version, opened as secrets. The version rises whenever they are resealed.

Associated data bind every sealed field to its tenant, connection, record, field and version, so that no row can be
put in another's place.
"""

from dataclasses import replace
from typing import Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Intent, Record
from evergrant.keeper.sealing import Place, Sealer

ACCESS: Final = "access_token"
REFRESH: Final = "refresh_token"
PREVIOUS: Final = "previous"
REPLY: Final = "reply"


def place(tenant: str, record: Record, field: str) -> Place:
    """Where a sealed field of *record* belongs."""
    return Place(tenant, record.connection_id, f"{record.name}.{field}", record.version)


def reply_place(tenant: str, intent: Intent) -> Place:
    """Where a journalled reply belongs."""
    return Place(tenant, intent.connection_id, f"{intent.name}.{REPLY}.{intent.id}", intent.record_version)


def with_tokens(
    sealer: Sealer,
    tenant: str,
    record: Record,
    *,
    access: Secret | None,
    refresh: Secret | None,
    previous: Secret | None = None,
    previous_until: int = 0,
) -> Record:
    """*record* with these tokens and no others, sealed at its version, and the refresh token's fingerprint."""
    return replace(
        record,
        access_token=_sealed(sealer, tenant, record, ACCESS, access),
        refresh_token=_sealed(sealer, tenant, record, REFRESH, refresh),
        previous=_sealed(sealer, tenant, record, PREVIOUS, previous),
        previous_until=previous_until if previous is not None else 0,
        fingerprint=sealer.fingerprint(refresh.reveal()) if refresh is not None else "",
    )


def access_of(sealer: Sealer, tenant: str, record: Record) -> Secret | None:
    """The access token. Raises `Unreadable`."""
    return _opened(sealer, tenant, record, ACCESS, record.access_token)


def refresh_of(sealer: Sealer, tenant: str, record: Record) -> Secret | None:
    """The refresh token. Raises `Unreadable`."""
    return _opened(sealer, tenant, record, REFRESH, record.refresh_token)


def _sealed(sealer: Sealer, tenant: str, record: Record, field: str, token: Secret | None) -> bytes:
    return sealer.seal(token.reveal().encode(), place(tenant, record, field)) if token is not None else b""


def _opened(sealer: Sealer, tenant: str, record: Record, field: str, sealed: bytes) -> Secret | None:
    return Secret(sealer.unseal(sealed, place(tenant, record, field)).decode()) if sealed else None
