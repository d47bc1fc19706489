"""What the pages say of providers and connections: names, scopes in words, how long, how it is."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service.connect import wanted
from evergrant.keeper.service.facts import Facts, may_fill
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.links import Invitation
from evergrant.keeper.serving.pages.view import Choice, ConnectPage, Gap, Line, ScopeLine
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Found
from evergrant.web.look.csp import form_targets_of
from evergrant.web.look.wording import duration

_STATES: Final = {
    Health.ACTIVE: ("good", ""),
    Health.DEGRADED: ("waiting", "The provider does not answer well at the moment; it is tried again by itself."),
    Health.IN_DOUBT: ("waiting", "An answer of the provider was lost; it is being cleared up by itself."),
    Health.NEEDS_REAUTH: ("broken", "The permission has ended. Connect it again to go on."),
    Health.SUSPENDED_CLIENT: ("waiting", "The provider refuses the application; whoever runs it has to act."),
    Health.QUARANTINED: ("stopped", "Stopped for safety, until whoever runs the application has looked."),
    Health.REVOKING: ("ending", "Being disconnected; the provider still has to be told."),
}
HIDDEN: Final = frozenset({Health.PENDING_CONSENT, Health.REVOKED})
_EXPLAINED: Final = {"openid": "Know who you are", "offline_access": "Keep the connection while you are away"}


def offered(ground: Ground, invitation: Invitation) -> tuple[Client, ...]:
    """The clients that the invitation allows and that a browser can be sent away for."""
    names = invitation.clients or tuple(ground.settings.clients)
    found = [ground.settings.clients[name] for name in names if name in ground.settings.clients]
    return tuple(one for one in found if one.redirect_uri)


def choices(ground: Ground, invitation: Invitation, connected: Iterable[str]) -> tuple[Choice, ...]:
    """What to choose from; *connected*: the names of clients that are connected already."""
    facts, have = Facts(ground.catalog), set(connected)
    named = [(one, facts.base(one).name) for one in offered(ground, invitation)]
    names = [name for _, name in named]
    return tuple(
        Choice(one.name, name, one.name in have, one.name if names.count(name) > 1 else "") for one, name in named
    )


def lines(provider: Provider, scopes: Iterable[str], before: Iterable[str] = ()) -> tuple[ScopeLine, ...]:
    """Scopes in the provider's words; *before*: those that were allowed already."""
    known = set(before)
    return tuple(
        ScopeLine(scope, provider.scopes.get(scope, _EXPLAINED.get(scope, "")), bool(known) and scope not in known)
        for scope in scopes
    )


def connect_page(ground: Ground, ours: Client, invitation: Invitation, found: Found | None, csrf: str) -> ConnectPage:
    """What will be shared and for how long, before anybody is sent anywhere. Raises `BadRequest`."""
    facts = Facts(ground.catalog)
    provider = facts.base(ours, found.connection if found is not None else None)
    again = found is not None and bool(found.connection.connected_at)
    granted = found.connection.granted_scope if found is not None and again else ()
    open_gaps = [name for name in provider.placeholders if may_fill(provider, name)]
    return ConnectPage(
        csrf=csrf,
        user_label=invitation.label,
        client=ours.name,
        name=provider.name,
        host=_host(provider.authorize_url),
        scopes=lines(provider, wanted(ours, provider, invitation.scopes, offline=None), granted),
        lifetime=how_long(provider),
        again=again,
        gaps=tuple(Gap(name, f"Your {name.replace('_', ' ')} at {provider.name}") for name in open_gaps),
        targets=form_targets_of(provider.authorize_url.replace("{", "").replace("}", "")),
        several=len(offered(ground, invitation)) > 1,
    )


def how_long(provider: Provider) -> str:
    """How long the permission lasts, as far as it is known."""
    if not provider.refresh_tokens:
        return "Until it is ended, or until the provider asks you again."
    if provider.refresh_hard and not provider.hard_restarts_on_rotation:
        return f"For up to {duration(provider.refresh_hard)}; then you are asked again."
    if provider.refresh_idle:
        return f"Until you end it, or after {duration(provider.refresh_idle)} in which it is not used."
    return "Until you end it, here or at the provider."


def line(ground: Ground, found: Found) -> Line:
    """One connection on the page of all."""
    one = found.connection
    state, words = _STATES.get(one.health, ("waiting", ""))
    records = found.records.values()
    ends = [record.refresh_hard_end for record in records if record.refresh_hard_end]
    return Line(
        id=one.id,
        client=one.client,
        name=name_of(ground, one),
        label=one.label or one.account,
        state=state,
        words=words,
        scopes=one.granted_scope,
        since=one.connected_at,
        used_at=max((record.used_at for record in records), default=0),
        ends_at=min(ends, default=0),
    )


def name_of(ground: Ground, one: Connection) -> str:
    """The provider's name, or what is left of it when it is not offered any more."""
    try:
        return Facts(ground.catalog).base(ground.client(one.client)).name
    except KeeperError:
        return one.provider


def _host(address: str) -> str:
    return urlsplit(address).netloc
