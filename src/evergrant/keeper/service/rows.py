"""The row of a connection while somebody is away to allow it: found or made, and who may touch it."""

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.errors import BadRequest, NotUsable
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Found, Taken

_SHUT = {
    Health.REVOKING: "is being disconnected; wait until that is done",
    Health.QUARANTINED: "is in quarantine; an operator has to look first",
}


async def found(
    ground: Ground, ours: Client, account: str, user: str, tenant: str, *, hand_over: bool = False
) -> Found:
    """The connection of *account*, or what it will be once it is `kept`. Raises `NotUsable`, `BadRequest`.

    Only whoever connected an account connects it again: another user's grant must not slip under it.
    """
    if not account:
        msg = "the account has no name"
        raise BadRequest(msg)
    there = await ground.vault.look_up(tenant, ours.name, account)
    if there is None:
        return Found(_fresh(ground, ours, account, user, tenant), {})
    connection = there.connection
    if connection.health in _SHUT:
        msg = f"{account} at {ours.name} {_SHUT[connection.health]}"
        raise NotUsable(msg, connection.health, connection.reason)
    theirs = connection.user != user and bool(connection.connected_at)
    if theirs and connection.health is not Health.REVOKED and not hand_over:
        msg = f"{account} at {ours.name} was connected by another user; disconnect it first, or hand it over"
        raise BadRequest(msg)
    return there


async def kept(ground: Ground, there: Found) -> Found:
    """The same, in the vault from now on; asked for when nothing can be refused any more."""
    connection = there.connection
    if await ground.vault.load(connection.tenant, connection.id) is not None:
        return there
    try:
        await ground.vault.add(connection)
    except Taken:  # somebody else has just made it
        again = await ground.vault.look_up(connection.tenant, connection.client, connection.account)
        if again is None:
            raise
        return again
    return there


def _fresh(ground: Ground, ours: Client, account: str, user: str, tenant: str) -> Connection:
    now = ground.clock.now()
    return Connection(
        id="con_" + ground.draw(16),
        tenant=tenant,
        client=ours.name,
        provider=ours.provider,
        account=account,
        user=user,
        created_at=now,
        changed_at=now,
    )
