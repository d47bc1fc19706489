"""Connections: list, look, change, refresh, end."""

from collections.abc import Mapping
from dataclasses import replace

from msgspec import UNSET

from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import BadRequest, TryLater
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.serving.api import answers, bodies
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.vault.port import Change, Fenced, Found

TRIES = 5


async def found(call: Call) -> Found:
    """The connection that the path names, of this tenant. Raises `UnknownConnection`."""
    rooms = await call.keeper.rooms()
    return await rooms.connecting.finding.by_id(call.id, call.tenant)


async def listed(call: Call) -> answers.Connections:
    asked: bodies.Listing = call.query
    if asked.health and asked.health not in set(Health):
        raise BadRequest(f"{asked.health[:40]} is no health; those are {', '.join(Health)}")
    page = await call.keeper.list(
        tenant=call.tenant,
        client=asked.client,
        provider=asked.provider,
        account=asked.account,
        user=asked.user,
        health=asked.health,
        tags=asked.tag,
        after=asked.after,
        limit=asked.limit,
    )
    onward = page[-1].id if len(page) == asked.limit else ""
    return answers.Connections(connections=tuple(answers.connection_of(one) for one in page), next=onward)


async def shown(call: Call) -> answers.Connection:
    return answers.found_of(await found(call))


async def changed(call: Call) -> answers.Connection:
    """Label and tags, compared and written; tried again when a refresh came between."""
    asked: bodies.Changes = call.body
    rooms = await call.keeper.rooms()
    for _ in range(TRIES):
        now = await found(call)
        connection = now.connection
        label = connection.label if asked.label is UNSET else asked.label
        tags = connection.tags if asked.tags is UNSET else merged(connection.tags, asked.tags)
        check_names(tags=tags, account=label)
        after = replace(connection, version=connection.version + 1, label=label, tags=tags)
        try:
            await rooms.ground.vault.change(Change(after, expected=connection.version))
        except Fenced:
            continue
        rooms.leases.forget(connection.id)
        return answers.connection_of(after, now.records)
    msg = "the connection is being changed all the time; nothing was done"
    raise TryLater(msg, 1, Reason.NONE)


def merged(tags: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """*tags* with *changes*; null takes one away (RFC 7396)."""
    both = {**tags, **changes}
    return {name: value for name, value in both.items() if value is not None}


async def what_ends(call: Call) -> answers.Ends:
    connection = (await found(call)).connection
    rooms = await call.keeper.rooms()
    ends = await rooms.connecting.disconnect.what_ends(connection.client, connection.account, tenant=call.tenant)
    siblings = tuple(
        answers.Sibling(connection_id=one.connection_id, account=one.account, sure=one.sure) for one in ends.siblings
    )
    return answers.Ends(
        connection_id=ends.connection_id,
        told_provider=ends.told_provider,
        blast_radius=ends.blast_radius,
        siblings=siblings,
        elsewhere=ends.elsewhere,
    )


async def disconnected(call: Call) -> answers.Connection:
    asked: bodies.Farewell = call.query
    connection = (await found(call)).connection
    after = await call.keeper.disconnect(
        connection.client, connection.account, tenant=call.tenant, siblings=asked.siblings
    )
    return answers.connection_of(after)


async def refreshed(call: Call) -> answers.Connection:
    asked: bodies.LeaseWanted = call.body
    held = await found(call)
    if asked.record and asked.record not in held.records:
        raise BadRequest(f"there are no tokens named {asked.record[:40]}; there is {', '.join(held.records) or 'none'}")
    connection = held.connection
    await call.keeper.refresh(connection.client, connection.account, tenant=call.tenant, record=asked.record)
    return answers.found_of(await found(call))


async def quarantined(call: Call) -> answers.Connection:
    asked: bodies.Detail = call.body
    one = (await found(call)).connection
    after = await call.keeper.quarantine(one.client, one.account, tenant=call.tenant, detail=asked.detail)
    return answers.connection_of(after)


async def released(call: Call) -> answers.Connection:
    asked: bodies.Detail = call.body
    one = (await found(call)).connection
    after = await call.keeper.release(one.client, one.account, tenant=call.tenant, detail=asked.detail)
    return answers.connection_of(after)
