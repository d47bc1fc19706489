"""Beginning a family without a browser: account, session, grant and family, written straight into a store.

What lives here: rows as a sign-in leaves them. What must not: a token; whoever begins a family mints what it likes.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from evergrant.domain import id as ids
from evergrant.domain.account import Account, normal_name
from evergrant.domain.client import Client
from evergrant.domain.family import Family, Head
from evergrant.domain.grant import Grant
from evergrant.domain.scope import join
from evergrant.domain.secret import digest
from evergrant.domain.session import Session
from evergrant.domain.token import SECRET_LENGTH
from evergrant.issuer.service.refresh import HEAD_DIGEST
from evergrant.store.port import Tx

DAY: Final = 86_400
ACR: Final = "urn:evergrant:password"
LOOPBACK: Final = "127.0.0.1"
AGENT: Final = "a test"


class Begun(NamedTuple):
    """A family, and the secret part of its head."""

    family: Family
    secret: bytes


def begin(tx: Tx, subject: str, client: Client, scope: str, now: int, draw: Callable[[int], bytes]) -> Begun:
    """A family of *client* for *subject*, who is given an account when there is none of that name."""
    account = _account(tx, subject, now, draw)
    session = Session(
        ids.text(ids.Kind.SESSION, draw(ids.RAW_LENGTH)), account.id, digest("session", draw(SECRET_LENGTH)), None, now,
        now, now, "pwd", now + DAY, now + DAY, now, LOOPBACK, AGENT, AGENT,
    )  # fmt: skip
    tx.sessions.put(session)
    grant = Grant(ids.text(ids.Kind.GRANT, draw(ids.RAW_LENGTH)), account.id, client.id, scope, "", now, now)
    tx.grants.put(grant)
    secret = draw(SECRET_LENGTH)
    head = Head(0, digest(HEAD_DIGEST, secret), None, 0, 0, None, 0, now + DAY, now, LOOPBACK, AGENT)
    family = Family(
        id=draw(ids.RAW_LENGTH), client_id=client.id, account_id=account.id, grant_id=grant.id, session_id=session.id,
        online=True, scope=join(scope.split()), resources="", binding="", auth_time=now, acr=ACR, amr="pwd", claims="",
        label=AGENT, started_at=now, absolute_end=now + DAY, head=head,
    )  # fmt: skip
    tx.families.add(family)
    return Begun(family, secret)


def _account(tx: Tx, subject: str, now: int, draw: Callable[[int], bytes]) -> Account:
    name = normal_name(subject)
    held = tx.accounts.find(1, username=name)
    if held:
        return held[0]
    account = Account(ids.text(ids.Kind.ACCOUNT, draw(ids.RAW_LENGTH)), name, name, "", now)
    tx.accounts.put(account)
    return account
