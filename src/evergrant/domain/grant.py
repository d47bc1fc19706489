"""A grant: what a user allowed one client to do, and a code on its way to becoming a family.

Consent is remembered here and asked for again when more is wanted. What must not live here: families (`domain.family`).
"""

from dataclasses import dataclass

from evergrant.domain.scope import join, split


@dataclass(frozen=True, slots=True)
class Grant:
    """What one account allowed one client. *scope*, *resources*: normal forms. *withdrawn_at* is 0 while it stands."""

    id: str
    account_id: str
    client_id: str
    scope: str
    resources: str
    started_at: int
    updated_at: int
    withdrawn_at: int = 0

    def covers(self, scope: str, resources: str) -> bool:
        """Whether consent to this was already given (both normal forms)."""
        return (
            not self.withdrawn_at
            and set(split(scope)) <= set(split(self.scope))
            and set(split(resources)) <= set(split(self.resources))
        )

    def widened(self, scope: str, resources: str) -> tuple[str, str]:
        """Scope and resources with more added; a withdrawn grant starts from nothing."""
        before = ("", "") if self.withdrawn_at else (self.scope, self.resources)
        return join(split(before[0]) + split(scope)), join(split(before[1]) + split(resources))


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code as it is kept (RFC 6749 section 4.1.2). Only the digest of its text is stored.

    *family_id* is empty until it is redeemed; *misses* counts wrong verifiers (attack C-07).
    *dpop_jkt* names the one key that can redeem it (RFC 9449 section 10), empty for any.
    """

    digest: bytes
    client_id: str
    account_id: str
    grant_id: str
    session_id: str
    redirect_uri: str
    redirect_given: bool
    challenge: str
    nonce: str
    scope: str
    resources: str
    auth_time: int
    acr: str
    amr: str
    claims: str
    issued_at: int
    expires_at: int
    spent_at: int = 0
    family_id: bytes = b""
    misses: int = 0
    dpop_jkt: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """One authorization request on its way through the pages: kept here so that no form can change it (attack S-05).

    *request* is the validated request as JSON. *browser* is the digest of the browser cookie it belongs to.
    *signed_in_at* is the auth_time and *session_id* the session of a sign-in made for it; *other* says that the person
    wants to be somebody else than is signed in. Consent counts for the account that gave it. A flow that was answered
    is kept a moment, with its *code*'s digest, because people click twice and only the second answer is shown to them.
    """

    digest: bytes
    browser: bytes
    request: str
    started_at: int
    expires_at: int
    signed_in_at: int = 0
    session_id: str = ""
    consented_by: str = ""
    selected: bool = False
    other: bool = False
    denied: bool = False
    answered_at: int = 0
    code: bytes = b""
