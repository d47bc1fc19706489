"""What a person must do next before an authorization request can be answered: one pure function.

Steps do not call steps. Each page writes what happened to the flow and comes back here (OpenID Connect Core 3.1.2.1).
"""

from enum import StrEnum
from typing import NamedTuple

from evergrant.domain.client import Client, ClientType, Consent
from evergrant.domain.grant import Flow, Grant
from evergrant.domain.session import Session


class Step(StrEnum):
    """The next page, or done."""

    SIGN_IN = "sign_in"
    SELECT = "select_account"
    NOTICE = "notice"
    CONSENT = "consent"
    DONE = "done"


class Wanted(NamedTuple):
    """What the request asks of the person. *subject*: the one account that will do, or empty. *max_age* in seconds."""

    prompt: tuple[str, ...]
    max_age: int | None
    subject: str
    scope: str
    resources: str


def next_step(
    wanted: Wanted, flow: Flow, session: Session | None, client: Client, grant: Grant | None, *, noticed: bool, now: int
) -> Step:
    """The next step. *noticed* says that the account has a notice it has not acknowledged."""
    if session is None or _stale(wanted, flow, session, now):
        return Step.SIGN_IN
    if wanted.subject and wanted.subject != session.account_id:
        return Step.SIGN_IN
    if "select_account" in wanted.prompt and not flow.selected and not _fresh(flow, session):
        return Step.SELECT
    if noticed:
        return Step.NOTICE
    if flow.consented_by != session.account_id and _must_ask(wanted, client, grant):
        return Step.CONSENT
    return Step.DONE


def _fresh(flow: Flow, session: Session) -> bool:
    """Whether this very session is the one of a sign-in within this flow, or of a later one."""
    return bool(flow.signed_in_at) and session.auth_time >= flow.signed_in_at


def _stale(wanted: Wanted, flow: Flow, session: Session, now: int) -> bool:
    """Whether the person must show again that it is them; a sign-in within this flow is always fresh enough."""
    if _fresh(flow, session):
        return False
    if flow.other or "login" in wanted.prompt:
        return True
    # A max_age of 0 asks for a sign-in even in the second of the last one (section 3.1.2.1).
    return wanted.max_age is not None and (not wanted.max_age or now - session.auth_time > wanted.max_age)


def _must_ask(wanted: Wanted, client: Client, grant: Grant | None) -> bool:
    if "consent" in wanted.prompt or client.consent is Consent.ALWAYS:
        return True
    if client.consent is Consent.TRUSTED:
        return False
    # Any program on the device can claim a native client's redirect URI (RFC 8252 section 8.6, attack S-07).
    if client.type is ClientType.NATIVE:
        return True
    return grant is None or not grant.covers(wanted.scope, wanted.resources)
