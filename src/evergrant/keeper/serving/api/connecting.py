"""Connecting: by link, by address, by device, by import; and again."""

from evergrant.domain.secret import Secret
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.service.connect import wanted
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.service.returning import check_return
from evergrant.keeper.service.told import Link
from evergrant.keeper.serving.api import answers, bodies
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.serving.api.connections import found
from evergrant.keeper.serving.links import Invitation


async def begun(call: Call) -> answers.Link:
    """For applications that have a callback of their own."""
    asked: bodies.Begin = call.body
    link = await call.keeper.begin(
        asked.client,
        asked.account,
        user=asked.user,
        scopes=asked.scopes,
        return_to=asked.return_to,
        tags=asked.tags,
        tenant=call.tenant,
        values=asked.values,
        offline=asked.offline,
        hand_over=asked.hand_over,
    )
    return _link(link)


async def finished(call: Call) -> answers.Connected:
    asked: bodies.Finish = call.body
    try:
        stood = await call.keeper.finish(asked.callback_url, asked.user, tenant=call.tenant)
    except ValueError as error:
        raise BadRequest(f"callback_url is no address: {str(error)[:100]}") from None
    return answers.connected_of(stood)


async def invited(call: Call) -> answers.Link:
    """A link to the hosted pages, for one user of the tenant."""
    asked: bodies.ConnectLink = call.body
    check_names(tenant=call.tenant, user=asked.user, account=asked.account)
    ground = await call.house.ground()
    check_return(asked.return_to, ground.settings.return_to)
    facts = Facts(ground.catalog)
    for name in asked.clients:
        ours = ground.client(name)
        wanted(ours, facts.base(ours), asked.scopes, offline=None)
    invitation = Invitation(
        tenant=call.tenant,
        user=asked.user,
        label=asked.label or asked.user,
        clients=asked.clients,
        account=asked.account or asked.user,
        scopes=asked.scopes,
        return_to=asked.return_to,
    )
    url, until = await call.house.links.made(invitation)
    return answers.Link(url=url, expires_at=until)


async def reconnecting(call: Call) -> answers.Link:
    """A link to the hosted page on which the connection's user allows it again."""
    asked: bodies.Missing = call.body
    ground = await call.house.ground()
    check_return(asked.return_to, ground.settings.return_to)
    one = (await found(call)).connection
    invitation = Invitation(
        tenant=call.tenant,
        user=one.user,
        label=one.user,
        clients=(one.client,),
        account=one.account,
        scopes=tuple(dict.fromkeys([*one.asked_scope, *asked.scopes])),
        return_to=asked.return_to,
        connection=one.id,
    )
    url, until = await call.house.links.made(invitation)
    return answers.Link(url=url, expires_at=until, connection_id=one.id)


async def imported(call: Call) -> answers.Connection:
    asked: bodies.Import = call.body
    existing = Existing(
        client=asked.client,
        account=asked.account,
        user=asked.user,
        access_token=Secret(asked.access_token) if asked.access_token else None,
        refresh_token=Secret(asked.refresh_token) if asked.refresh_token else None,
        expires_at=asked.expires_at,
        scope=asked.scopes,
        subject=asked.subject,
        label=asked.label,
        record=asked.record,
        tags=asked.tags,
        fields=asked.fields,
        shared=asked.shared,
    )
    return answers.connection_of(await call.keeper.import_tokens(existing, tenant=call.tenant))


async def device_begun(call: Call) -> answers.Device:
    asked: bodies.Device = call.body
    return await call.house.devices.begin(call.tenant, asked)


async def device_shown(call: Call) -> answers.Device:
    return call.house.devices.shown(call.tenant, call.parts["device"])


def _link(link: Link) -> answers.Link:
    return answers.Link(url=link.url, expires_at=link.expires_at, connection_id=link.connection_id)
