"""Leases: the tokens themselves, and the one way to say that an API refused one."""

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import BadRequest, UnknownConnection
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.serving.api import answers, bodies
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.serving.api.connections import found

HANDED_OUT = "handed_out"


async def by_name(call: Call) -> answers.Lease:
    asked: bodies.LeaseNamed = call.body
    return await _leased(call, asked.client, asked.account, asked)


async def by_id(call: Call) -> answers.Lease:
    asked: bodies.LeaseWanted = call.body
    names = call.house.names
    known = names.get((call.tenant, call.id))
    if known is None:
        one = (await found(call)).connection
        known = names.keep((call.tenant, call.id), (one.client, one.account))
    try:
        lease = await _leased(call, *known, asked)
    except UnknownConnection:
        names.forget((call.tenant, call.id))
        raise
    if lease.connection_id != call.id:
        # Removed, and the same account connected anew under another id.
        names.forget((call.tenant, call.id))
        raise UnknownConnection(f"there is no connection {call.id[:64]}")
    return lease


async def _leased(
    call: Call, client: str, account: str, asked: bodies.LeaseNamed | bodies.LeaseWanted
) -> answers.Lease:  # fmt: skip
    lease = await call.keeper.lease(client, account, tenant=call.tenant, caller=call.key.name, record=asked.record)
    call.house.metrics.leases.add(HANDED_OUT)
    return answers.lease_of(lease, asked.method, asked.url)


async def unauthorized(call: Call) -> answers.Lease:
    asked: bodies.Unauthorized = call.body
    held = await found(call)
    record = held.records.get(asked.record or next(iter(held.records), ""))
    if record is None:
        raise BadRequest(f"there are no tokens named {asked.record[:40]}; there is {', '.join(held.records) or 'none'}")
    if asked.version > record.version:
        raise BadRequest(f"no token has the version {asked.version} yet; the newest has {record.version}")
    one = held.connection
    reported = Lease(
        token=Secret(""),
        version=asked.version,
        safe_until=0,
        scope=(),
        connection_id=one.id,
        tenant=one.tenant,
        client=one.client,
        account=one.account,
        record=record.name,
        health=Health.ACTIVE,
    )
    newer = await call.keeper.report_unauthorized(reported, caller=call.key.name)
    call.house.metrics.leases.add(HANDED_OUT)
    return answers.lease_of(newer, asked.method, asked.url)
