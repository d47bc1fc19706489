"""What happened, in a closed vocabulary: the audit trail's words.

Events are written in the same transaction as what they tell. They carry identifiers, networks and user agents, never a
secret. The list is documented by generation from this file.
"""

from enum import StrEnum
from typing import NamedTuple


class What(StrEnum):
    """Every kind of event, with what it tells."""

    FAMILY_STARTED = "family.started"
    FAMILY_ROTATED = "family.rotated"
    FAMILY_REFRESHED = "family.refreshed"
    FAMILY_REPEATED = "family.repeated"
    FAMILY_REPEATS_MANY = "family.repeats_many"
    FAMILY_REUSED = "family.reused"
    FAMILY_ENDED = "family.ended"
    FAMILIES_ENDED = "families.ended"
    FAMILY_REFUSED = "family.refused"
    FAMILY_FORGED = "family.forged"
    FAMILY_AHEAD = "family.ahead"
    FAMILY_ADOPTED = "family.adopted"
    CODE_ISSUED = "code.issued"
    CODE_REPLAYED = "code.replayed"
    CODE_REFUSED = "code.refused"
    PROOF_REPEATED = "code.proof_repeated"
    ACCESS_REVOKED = "access.revoked"
    TOKEN_EXCHANGED = "token.exchanged"
    EXCHANGE_REFUSED = "token.exchange_refused"
    SIGNED_IN = "session.started"
    SIGN_IN_FAILED = "session.refused"
    SESSION_ENDED = "session.ended"
    CONSENT_GIVEN = "grant.given"
    CONSENT_DENIED = "grant.denied"
    CONSENT_WITHDRAWN = "grant.withdrawn"
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_DELETED = "account.deleted"
    PASSWORD_CHANGED = "account.password_changed"
    CLIENT_ADDED = "client.added"
    CLIENT_UPDATED = "client.updated"
    CLIENT_DELETED = "client.deleted"
    CLIENT_REFUSED = "client.refused"
    CLIENT_SECRET_ROTATED = "client.secret_rotated"
    KEY_ADDED = "key.added"
    KEY_RETIRED = "key.retired"
    NOTICE_ACKNOWLEDGED = "notice.acknowledged"
    RECEIVER_NOT_TOLD = "receiver.not_told"
    STREAM_CHANGED = "stream.changed"
    STORE_RESTORED = "store.restored"


MEANING: dict[What, str] = {
    What.FAMILY_STARTED: "an authorization code was exchanged and a family began",
    What.FAMILY_ROTATED: "the head was spent and a successor handed out",
    What.FAMILY_REFRESHED: "a reusable refresh token gave a fresh access token",
    What.FAMILY_REPEATED: "the immediate predecessor came again inside the overlap and got the same successor",
    What.FAMILY_REPEATS_MANY: "one predecessor was repeated unusually often; a thief may be riding in the overlap",
    What.FAMILY_REUSED: "a spent token was presented outside the overlap",
    What.FAMILY_ENDED: "one family ended, with the reason",
    What.FAMILIES_ENDED: "several families ended together, with the reason and their number",
    What.FAMILY_REFUSED: "a refresh was refused; the family is unharmed",
    What.FAMILY_FORGED: "an authentic token does not match the row: forged with a stolen key, or a restored database",
    What.FAMILY_AHEAD: "a token is ahead of its row: the store lost a commit",
    What.FAMILY_ADOPTED: "after a declared loss, a token ahead of its row was believed; its family goes on from there",
    What.CODE_ISSUED: "an authorization code was handed out",
    What.CODE_REPLAYED: "a code was redeemed a second time; what came of it ended",
    What.CODE_REFUSED: "a code was refused",
    What.PROOF_REPEATED: "a client used a PKCE challenge or a nonce again that is good for once",
    What.ACCESS_REVOKED: "one access token was revoked",
    What.TOKEN_EXCHANGED: "a client exchanged an access token that it was sent for a narrower one, or for a lease",
    What.EXCHANGE_REFUSED: "a client was refused the exchange of a living access token",
    What.SIGNED_IN: "somebody signed in",
    What.SIGN_IN_FAILED: "a sign-in was refused",
    What.SESSION_ENDED: "a session ended, with the reason",
    What.CONSENT_GIVEN: "a user allowed a client",
    What.CONSENT_DENIED: "a user refused a client",
    What.CONSENT_WITHDRAWN: "a user took a consent back",
    What.ACCOUNT_ADDED: "an account was made",
    What.ACCOUNT_DISABLED: "an account was disabled; its sessions and families ended",
    What.ACCOUNT_ENABLED: "an account was enabled again",
    What.ACCOUNT_DELETED: "an account was deleted; its sessions and families ended",
    What.PASSWORD_CHANGED: "a password was changed",
    What.CLIENT_ADDED: "a client was registered",
    What.CLIENT_UPDATED: "a client's registration changed",
    What.CLIENT_DELETED: "a client was deleted; its families ended",
    What.CLIENT_REFUSED: (
        "a client failed to authenticate; one event per client, network, minute and process, with the number of times. "
        "No client: none of that id is registered; no network: the rest of a flood"
    ),
    What.CLIENT_SECRET_ROTATED: "a client got a new secret; the old one has an end",
    What.KEY_ADDED: "a signing key was made and published",
    What.KEY_RETIRED: "a signing key left the key set",
    What.NOTICE_ACKNOWLEDGED: "a user acknowledged a notice of suspected theft",
    What.STREAM_CHANGED: "the operator paused, resumed or ended a receiver's stream of security events",
    What.RECEIVER_NOT_TOLD: "a logout token or security event did not reach its client, and is not sent again",
    What.STORE_RESTORED: "a restore or a failover that lost commits was declared; an epoch began",
}


class Event(NamedTuple):
    """One line of the audit trail. *at* in seconds since the epoch; empty strings where something does not apply."""

    at: int
    what: What
    client_id: str = ""
    account_id: str = ""
    family_id: str = ""
    session_id: str = ""
    reason: str = ""
    generation: int = -1
    network: str = ""
    agent: str = ""
    detail: str = ""
