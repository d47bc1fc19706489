"""Why a token, family or session ended, and why a request was refused.

A `Reason` is stored with the row it ended and never guessed later. A `Refusal` answers one request and changes nothing
by itself. What a refusal becomes on the wire is one table in `protocol.refusal`.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something ended; written once, in the same transaction as the end."""

    REUSE = "reuse"
    IDLE = "idle_end_passed"
    ABSOLUTE = "absolute_end_passed"
    REVOKED = "revoked_by_client"
    CODE_REPLAYED = "code_replayed"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    ENDED_BY_USER = "ended_by_user"
    PASSWORD_CHANGED = "password_changed"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_DELETED = "account_deleted"
    CLIENT_DELETED = "client_deleted"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SESSION_EXPIRED = "session_expired"
    REPLACED = "replaced_by_new_sign_in"
    OPERATOR = "ended_by_operator"
    RESTORED = "store_restored"


class Refusal(StrEnum):
    """Why presenting a refresh token was refused."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown_family"
    WRONG_CLIENT = "wrong_client"
    WRONG_KEY = "wrong_key"
    ENDED = "family_ended"
    EXPIRED = "expired"
    CLOCK_SUSPECT = "clock_suspect"
    REUSED = "reused"
    FORGED = "forged_or_restored"
    AHEAD = "store_went_backwards"
    RESTORED = "restored"
    SCOPE = "invalid_scope"
    TARGET = "invalid_target"


class Declined(Exception):
    """A no that is said on purpose. What it says is all there is to know; where it was raised tells nobody anything."""
