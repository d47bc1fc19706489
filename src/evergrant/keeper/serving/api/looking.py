"""What a tenant may look at beside connections: the audit trail, providers, API keys, webhooks on their way."""

from evergrant.keeper.errors import UnknownConnection
from evergrant.keeper.event import Letter
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.serving.api import answers, bodies
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.serving.outbox import PARKED
from evergrant.keeper.vault.port import Vault

MOST_READ = 20
"""Pages of other tenants' events that one call steps over; its `next` goes on from there."""


async def events(call: Call) -> answers.Events:
    asked: bodies.Trail = call.query
    vault = (await call.house.ground()).vault
    found, onward = await _of_tenant(vault, call.tenant, asked)
    return answers.Events(events=tuple(found), next=onward)


async def _of_tenant(vault: Vault, tenant: str, asked: bodies.Trail) -> tuple[list[answers.Event], int]:
    """The vault does not narrow by an empty tenant, which is a tenant like any other here."""
    found: list[answers.Event] = []
    after = asked.after
    for _ in range(MOST_READ):
        page = await vault.events(tenant=tenant, connection_id=asked.connection, after=after, limit=asked.limit)
        for stored in page:
            if len(found) == asked.limit:
                return found, after
            after = stored.number
            if stored.event.tenant == tenant:
                found.append(answers.event_of(stored))
        if len(page) < asked.limit or len(found) == asked.limit:
            break
    return found, after


async def providers(call: Call) -> answers.Providers:
    ground = await call.house.ground()
    facts = Facts(ground.catalog)
    told = []
    for ours in ground.settings.clients.values():
        provider = facts.base(ours)
        told.append(
            answers.Provider(
                client=ours.name,
                provider=ours.provider,
                name=provider.name,
                scopes=ours.scopes,
                device=bool(provider.device_url),
                rotates=provider.rotates.value if provider.rotates is not None else "unknown",
                told_of_the_end=bool(provider.revoke.url),
                redirect_uri=ours.redirect_uri,
            )
        )
    return answers.Providers(providers=tuple(told))


async def keys(call: Call) -> answers.Keys:
    return answers.Keys(keys=tuple(answers.key_of(key) for key in await call.keys.of(call.tenant)))


async def key_made(call: Call) -> answers.MadeKey:
    asked: bodies.NewKey = call.body
    key, text = await call.keys.make(call.tenant, asked.name, asked.scopes)
    return answers.MadeKey(key=answers.key_of(key), text=text.reveal())


async def key_ended(call: Call) -> answers.Key:
    return answers.key_of(await call.keys.end(call.tenant, call.parts["key_id"]))


async def letters(call: Call) -> answers.Letters:
    return answers.Letters(letters=tuple([_letter(call, one) for one in await call.house.outbox.waiting(call.tenant)]))


async def letter_sent_again(call: Call) -> answers.Letter:
    """Out of its parking place, due now."""
    again = await call.house.outbox.unpark(call.tenant, call.parts["letter_id"])
    if again is None:
        raise UnknownConnection(f"there is no webhook {call.parts['letter_id'][:64]} on its way")
    return _letter(call, again)


def _letter(call: Call, one: Letter) -> answers.Letter:
    return answers.Letter(
        id=one.id,
        what=one.what,
        made_at=one.made_at,
        tries=one.tries,
        due=0 if one.due >= PARKED else one.due,
        parked=one.due >= PARKED,
        last_error=call.house.outbox.told(call.tenant, one),
    )
