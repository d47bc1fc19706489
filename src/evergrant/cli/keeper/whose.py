"""Which connection a command is about: by its client, and by its account where there is more than one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

from evergrant.cli.output import Exit, Failure

if TYPE_CHECKING:
    from evergrant.keeper.keeper import Keeper

T = TypeVar("T")

NAMED: Final = 10


def named(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command its PROVIDER and `--account`."""
    command = click.option("--account", metavar="NAME", help="Which account; needed only where there are several.")(
        command
    )
    return click.argument("client", metavar="PROVIDER")(command)


async def account_of(keeper: Keeper, client: str, account: str | None, tenant: str) -> str:
    """The account that is meant: the one that was named, or the only one there is. Raises `Failure`."""
    if account is not None:
        return account
    from evergrant.keeper.connection import Health

    found = await keeper.list(tenant=tenant, client=client, limit=NAMED + 1)
    there = [one for one in found if one.health not in {Health.PENDING_CONSENT, Health.REVOKED}] or found
    if len(there) == 1:
        return there[0].account
    if not there:
        (await keeper.rooms()).ground.client(client)
        raise Failure(
            f"nobody is connected at {client}", hint=f"run: evergrant keeper connect {client}", code=Exit.NOT_FOUND
        )
    names = ", ".join(one.account for one in there[:NAMED]) + (", …" if len(there) > NAMED else "")
    raise Failure(f"several accounts are connected at {client}: {names}", hint="say which one: --account NAME")
