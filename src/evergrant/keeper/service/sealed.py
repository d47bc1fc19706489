"""The tokens of a record: sealed at its version, opened as secrets. The version rises whenever they are resealed.

Where tokens are bound to a key (RFC 9449), the key lies in one envelope with each of them: it comes and goes with them,
and no commit can write the one without the other.

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
_WITH_KEY: Final = "\0dpop\0"
"""Between a token and its key; no header could carry it, so no token has it."""


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
    key: Secret | None = None,
) -> Record:
    """*record* with these tokens and no others, sealed at its version, and the refresh token's fingerprint.

    *key*: what they are bound to, None for nothing.
    """
    return replace(
        record,
        access_token=_sealed(sealer, tenant, record, ACCESS, access, key),
        refresh_token=_sealed(sealer, tenant, record, REFRESH, refresh, key),
        previous=_sealed(sealer, tenant, record, PREVIOUS, previous, key),
        previous_until=previous_until if previous is not None else 0,
        fingerprint=sealer.fingerprint(refresh.reveal()) if refresh is not None else "",
    )


def access_of(sealer: Sealer, tenant: str, record: Record) -> Secret | None:
    """The access token. Raises `Unreadable`."""
    return _opened(sealer, tenant, record, ACCESS, record.access_token)[0]


def refresh_of(sealer: Sealer, tenant: str, record: Record) -> Secret | None:
    """The refresh token. Raises `Unreadable`."""
    return _opened(sealer, tenant, record, REFRESH, record.refresh_token)[0]


def key_of(sealer: Sealer, tenant: str, record: Record) -> Secret | None:
    """The key that the tokens are bound to. Raises `Unreadable`."""
    if record.refresh_token:
        return _opened(sealer, tenant, record, REFRESH, record.refresh_token)[1]
    return _opened(sealer, tenant, record, ACCESS, record.access_token)[1]


def _sealed(
    sealer: Sealer, tenant: str, record: Record, field: str, token: Secret | None, key: Secret | None
) -> bytes:  # fmt: skip
    if token is None:
        return b""
    text = token.reveal() if key is None else f"{token.reveal()}{_WITH_KEY}{key.reveal()}"
    return sealer.seal(text.encode(), place(tenant, record, field))


def _opened(
    sealer: Sealer, tenant: str, record: Record, field: str, sealed: bytes
) -> tuple[Secret | None, Secret | None]:  # fmt: skip
    if not sealed:
        return None, None
    token, _, key = sealer.unseal(sealed, place(tenant, record, field)).decode().partition(_WITH_KEY)
    return Secret(token), Secret(key) if key else None
