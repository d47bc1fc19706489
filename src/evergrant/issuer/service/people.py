"""What is told about a person, read from the account at the moment it is told."""

from typing import Any

from evergrant.domain.account import Account
from evergrant.domain.family import Family
from evergrant.protocol.claims import asked_claims, person_claims, userinfo_names
from evergrant.store.port import Store, Tx


async def id_token_claims(store: Store, family: Family) -> dict[str, Any]:
    """The claims a family's claims request wants in the ID token (OpenID Connect Core section 5.5)."""
    names = set(asked_claims(family.claims, "id_token"))
    if not names:
        return {}
    account = await store.read(lambda tx: tx.accounts.get(family.account_id))
    return {} if account is None else person_claims(account, names)


def userinfo(account: Account, scope: str, claims: str) -> dict[str, Any]:
    """The UserInfo answer (section 5.3.2); `sub` is always there."""
    return {"sub": account.id, **person_claims(account, userinfo_names(scope, claims))}


def account_named(tx: Tx, username: str) -> Account | None:
    """The account with a normal name."""
    found = tx.accounts.find(1, username=username)
    return found[0] if found else None
