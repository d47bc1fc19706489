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


async def opened(
    ground: Ground, ours: Client, account: str, user: str, tenant: str, *, hand_over: bool = False
) -> Found:
    """The connection of *account*, made when there is none. Raises `NotUsable`, or `BadRequest` for a stranger.

    Only whoever connected an account connects it again: another user's grant must not slip under it.
    """
    if not account:
        msg = "the account has no name"
        raise BadRequest(msg)
    found = await ground.vault.look_up(tenant, ours.name, account)
    if found is None:
        found = await _made(ground, ours, account, user, tenant)
    if found is None:  # somebody else has just made it
        return await opened(ground, ours, account, user, tenant, hand_over=hand_over)
    connection = found.connection
    if connection.health in _SHUT:
        msg = f"{account} at {ours.name} {_SHUT[connection.health]}"
        raise NotUsable(msg, connection.health, connection.reason)
    theirs = connection.user != user and bool(connection.connected_at)
    if theirs and connection.health is not Health.REVOKED and not hand_over:
        msg = f"{account} at {ours.name} was connected by another user; disconnect it first, or hand it over"
        raise BadRequest(msg)
    return found


async def _made(ground: Ground, ours: Client, account: str, user: str, tenant: str) -> Found | None:
    connection = Connection(
        id="con_" + ground.draw(16),
        tenant=tenant,
        client=ours.name,
        provider=ours.provider,
        account=account,
        user=user,
        created_at=ground.clock.now(),
        changed_at=ground.clock.now(),
    )
    try:
        await ground.vault.add(connection)
    except Taken:
        return None
    return Found(connection, {})
