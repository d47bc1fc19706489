"""Narrowing a list to a family, a user or a client. One that was deleted is still found in the trail by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evergrant.cli.output import Exit, Failure

if TYPE_CHECKING:
    from evergrant.domain.family import Family
    from evergrant.store.port import Tx


def account_id(tx: Tx, given: str | None) -> str:
    """The id behind a user's name or id; empty when none was given. Raises `NoSuchAccount`."""
    if not given:
        return ""
    from evergrant.domain import id as ids
    from evergrant.issuer.service.accounts import wanted

    if ids.parse(ids.Kind.ACCOUNT, given) is not None:
        return given
    return wanted(tx, given).id


def client_id(tx: Tx, given: str | None) -> str:
    """The id behind a client's name or id; empty when none was given. Raises `NoSuchClient`."""
    if not given:
        return ""
    from evergrant.domain import id as ids
    from evergrant.issuer.service.clients import wanted

    if ids.parse(ids.Kind.CLIENT, given) is not None:
        return given
    return wanted(tx, given).id


def family_id(given: str) -> bytes:
    """The 16 bytes behind a family's id."""
    from evergrant.domain import id as ids

    raw = ids.parse(ids.Kind.FAMILY, given)
    if raw is None:
        raise Failure(
            f"{given} is not the id of a family",
            hint="it begins with fam_ and is listed by: evergrant family list",
            code=Exit.NOT_FOUND,
        )
    return raw


def family(tx: Tx, given: str) -> Family:
    """The family of that id."""
    found = tx.families.get(family_id(given))
    if found is None:
        raise Failure(
            f"there is no family {given}",
            hint=f"what it did may still be in the trail: evergrant event list --family {given}",
            code=Exit.NOT_FOUND,
        )
    return found
