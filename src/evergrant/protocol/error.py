"""OAuth errors as values: what the client may read, and what only the operator reads (RFC 6749 section 5.2).

One table from code to status. A description names no secret, reflects no input and says what to do next.
"""

from enum import StrEnum
from typing import Final

from evergrant.domain.reason import Declined, Refusal


class Code(StrEnum):
    """The registered error codes that this server uses."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_TOKEN = "invalid_token"
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    USE_DPOP_NONCE = "use_dpop_nonce"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    UNSUPPORTED_TOKEN_TYPE = "unsupported_token_type"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    ACCESS_DENIED = "access_denied"
    LOGIN_REQUIRED = "login_required"
    CONSENT_REQUIRED = "consent_required"
    INTERACTION_REQUIRED = "interaction_required"
    ACCOUNT_SELECTION_REQUIRED = "account_selection_required"
    UNMET_REQUIREMENTS = "unmet_authentication_requirements"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    REGISTRATION_NOT_SUPPORTED = "registration_not_supported"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


STATUS: Final[dict[Code, int]] = {
    Code.INVALID_CLIENT: 401,
    Code.INVALID_TOKEN: 401,
    Code.INSUFFICIENT_SCOPE: 403,
    Code.SERVER_ERROR: 500,
    Code.TEMPORARILY_UNAVAILABLE: 503,
}


class Refused(Declined):
    """A request that gets an OAuth error. *detail* is for the operator's log and never leaves the server.

    *headers*: what the answer says besides, names in lower case. *uri*: where a person can do something about it.
    """

    def __init__(
        self, code: Code, description: str, detail: str = "", status: int = 0,
        headers: tuple[tuple[str, str], ...] = (), uri: str = "",
    ) -> None:  # fmt: skip
        super().__init__(description)
        self.headers: Final = headers
        self.code: Final = code
        self.description: Final = description
        self.detail: Final = detail
        self.uri: Final = uri
        self.status: Final = status or STATUS.get(code, 400)


_DEAD: Final = "The refresh token is not valid. Start the authorization again."

REFUSALS: Final[dict[Refusal, tuple[Code, str]]] = {
    Refusal.MALFORMED: (Code.INVALID_GRANT, _DEAD),
    Refusal.UNKNOWN: (Code.INVALID_GRANT, _DEAD),
    Refusal.WRONG_CLIENT: (Code.INVALID_GRANT, _DEAD),
    Refusal.WRONG_KEY: (Code.INVALID_GRANT, _DEAD),
    Refusal.ENDED: (Code.INVALID_GRANT, _DEAD),
    Refusal.EXPIRED: (Code.INVALID_GRANT, _DEAD),
    Refusal.REUSED: (Code.INVALID_GRANT, _DEAD),
    Refusal.FORGED: (Code.INVALID_GRANT, _DEAD),
    Refusal.AHEAD: (Code.INVALID_GRANT, _DEAD),
    Refusal.RESTORED: (Code.INVALID_GRANT, _DEAD),
    Refusal.CLOCK_SUSPECT: (Code.TEMPORARILY_UNAVAILABLE, "The server's clock has jumped. Try again later."),
    Refusal.SCOPE: (Code.INVALID_SCOPE, "The scope asks for more than was granted."),
    Refusal.TARGET: (Code.INVALID_TARGET, "The resource was not part of the grant."),
}


def refused(refusal: Refusal) -> Refused:
    """The OAuth error for a refusal; strangers cannot tell the reasons apart (RFC 6749 section 5.2)."""
    code, description = REFUSALS[refusal]
    return Refused(code, description, refusal.value)
