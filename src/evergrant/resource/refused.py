"""Why a request is refused: one reason for the operator, one answer for the caller (RFC 6750 section 3.1).

The table from reason to answer is the only place where statuses and error codes stand. A caller reads the code alone.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from evergrant.resource.challenge import Offer, challenges


class Why(StrEnum):
    """The closed list of reasons; each names the mistake, for logs and metrics."""

    # ---- the header
    NO_TOKEN = "no_token"
    OTHER_SCHEME = "other_scheme"
    UNREADABLE = "unreadable_header"
    TOO_LONG = "too_long"
    # ---- the wrong kind of thing
    NOT_A_TOKEN = "not_a_token"
    REFRESH_TOKEN = "refresh_token_sent"
    ID_TOKEN = "id_token_sent"
    LOGOUT_TOKEN = "logout_token_sent"
    SECURITY_EVENT = "security_event_sent"
    DPOP_PROOF = "dpop_proof_sent"
    INTROSPECTION_ANSWER = "introspection_answer_sent"
    CLIENT_ASSERTION = "client_assertion_sent"
    REQUEST_OBJECT = "request_object_sent"
    CODE = "authorization_code_sent"
    CLIENT_SECRET = "client_secret_sent"
    API_KEY = "api_key_sent"
    COOKIE = "cookie_sent"
    OPAQUE = "opaque_without_introspection"
    ENCRYPTED = "encrypted"
    NESTED = "nested"
    TYPE = "other_type"
    # ---- the signature
    ALGORITHM_NONE = "algorithm_none"
    ALGORITHM = "algorithm_not_allowed"
    OWN_KEY = "brings_its_own_key"
    CRITICAL = "critical_header"
    KEY_ID = "key_id_unusable"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "bad_signature"
    # ---- the claims
    CLAIMS = "claims_missing_or_malformed"
    ISSUER = "other_issuer"
    AUDIENCE = "other_audience"
    SEVERAL_AUDIENCES = "several_audiences"
    TIMES = "times_malformed"
    EXPIRED = "expired"
    NOT_YET = "not_valid_yet"
    CONFIRMATION = "confirmation_not_understood"
    # ---- the state
    INACTIVE = "inactive"
    ENDED = "ended"
    # ---- what the route asks for
    SCOPE = "insufficient_scope"
    SIGN_IN_TOO_OLD = "sign_in_too_old"
    SIGN_IN_TOO_WEAK = "sign_in_too_weak"
    # ---- proof of possession
    BOUND_AS_BEARER = "bound_token_as_bearer"
    UNBOUND_AS_DPOP = "unbound_token_as_dpop"
    PROOF_MISSING = "proof_missing"
    PROOF = "proof_invalid"
    PROOF_REPLAYED = "proof_replayed"
    PROOF_NONCE = "proof_nonce_due"
    CERTIFICATE = "other_certificate"
    # ---- trouble on this side
    KEYS_UNREACHABLE = "keys_unreachable"
    INTROSPECTION_UNREACHABLE = "introspection_unreachable"
    FEED_SILENT = "feed_silent"


class Told(NamedTuple):
    """What the caller gets: a status, and an error code of RFC 6750, RFC 9449 or RFC 9470, or none."""

    status: int
    error: str


_INVALID: Final = Told(401, "invalid_token")
ANSWERS: Final[Mapping[Why, Told]] = {
    **dict.fromkeys(Why, _INVALID),
    Why.NO_TOKEN: Told(401, ""),
    Why.OTHER_SCHEME: Told(401, ""),
    Why.UNREADABLE: Told(400, "invalid_request"),
    Why.SCOPE: Told(403, "insufficient_scope"),
    Why.SIGN_IN_TOO_OLD: Told(401, "insufficient_user_authentication"),
    Why.SIGN_IN_TOO_WEAK: Told(401, "insufficient_user_authentication"),
    Why.PROOF_MISSING: Told(401, "invalid_dpop_proof"),
    Why.PROOF: Told(401, "invalid_dpop_proof"),
    Why.PROOF_REPLAYED: Told(401, "invalid_dpop_proof"),
    Why.PROOF_NONCE: Told(401, "use_dpop_nonce"),
    Why.KEYS_UNREACHABLE: Told(503, ""),
    Why.INTROSPECTION_UNREACHABLE: Told(503, ""),
    Why.FEED_SILENT: Told(503, ""),
}
RETRY_SECONDS: Final = 1


class Refused(Exception):
    """A request that must not go on. `why` and `detail` are the operator's; `status` and `headers` the caller's.

    `str()` is the operator's line; it holds no token.
    """

    def __init__(
        self,
        why: Why,
        detail: str = "",
        *,
        scopes: Iterable[str] = (),
        acr: Iterable[str] = (),
        max_age: int | None = None,
        nonce: str = "",
    ) -> None:
        super().__init__(f"{why}: {detail}" if detail else str(why))
        self.why: Final = why
        self.detail: Final = detail
        self.status: Final = ANSWERS[why].status
        self.error: Final = ANSWERS[why].error
        self.scopes: Final = frozenset(scopes)
        self.acr: Final = tuple(acr)
        self.max_age: Final = max_age
        self.nonce: Final = nonce
        self.offer = Offer()
        """What the API offers; the verifier that refuses fills it in."""

    def challenges(self) -> tuple[str, ...]:
        """The WWW-Authenticate values, one header each; none when the trouble is on this side."""
        if self.status == 503:  # noqa: PLR2004 - the caller's token may be good
            return ()
        return challenges(self.offer, self.error, self.scopes, self.acr, self.max_age)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """All the headers that the answer needs."""
        found = [("WWW-Authenticate", value) for value in self.challenges()]
        if not found:
            found.append(("Retry-After", str(RETRY_SECONDS)))
        if self.nonce:
            found.append(("DPoP-Nonce", self.nonce))
        return (*found, ("Cache-Control", "no-store"))
