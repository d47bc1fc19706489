"""What the keeper is told and what it holds: clients and their facts, connections in trouble, unsent letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import plural
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.provider.catalog import Catalog, with_overrides
from evergrant.keeper.provider.model import ClientAuth, Provider, Stands

if TYPE_CHECKING:
    from evergrant.keeper.settings import Client

SUNSET_DAYS: Final = 365
LATE: Final = 3_600
RISKY: Final = ("retry", "grace", "rotates", "reuse_effect", "revoke.url")
REMEDY: Final[Mapping[Health, str]] = {
    Health.NEEDS_REAUTH: "ask these users to connect again: evergrant keeper list --health needs_reauth",
    Health.SUSPENDED_CLIENT: "put the right id and secret into the configuration",
    Health.QUARANTINED: "look at each, then: evergrant keeper release or disconnect",
    Health.IN_DOUBT: "let evergrant keeper run; it finds out",
    Health.DEGRADED: "nothing, if it passes; evergrant keeper show says what the provider answered",
    Health.REVOKING: "let evergrant keeper run; it goes on telling the provider",
}


class Held(NamedTuple):
    """What was found in the vault. *waiting*: when the longest due letter was due, and how many there are."""

    counts: Mapping[Health, int]
    waiting: int
    letters: int
    open_intents: int


def clients(ours: Mapping[str, Client], catalog: Catalog, now: int) -> Iterator[Finding]:
    """Judge every client; one finding says that all the others are good."""
    good = 0
    for name, client in ours.items():
        try:
            provider = with_overrides(catalog.get(client.provider), client.overrides)
        except KeeperError as error:
            yield fail(
                f"client {name}",
                str(error),
                "none of its connections can be refreshed",
                "correct it in the configuration",
            )
            continue
        found = [*_secret(name, client, provider), *_gaps(name, provider), *_sunsets(name, provider, now)]
        found += _unverified(name, provider)
        yield from found
        good += not found
    if good or not ours:
        yield ok("keeper clients", f"{plural(good, 'client', 'clients')} with nothing to say about")


def held(found: Held, now: int) -> Iterator[Finding]:
    """Judge what the vault holds."""
    for health, todo in REMEDY.items():
        if count := found.counts.get(health, 0):
            yield warn(
                f"connections {health}", plural(count, "connection", "connections"), "callers get errors, or will",
                todo,
            )  # fmt: skip
    working = found.counts.get(Health.ACTIVE, 0)
    yield ok("connections", f"{working} of {sum(found.counts.values())} active")
    if found.letters and now - found.waiting > LATE:
        yield warn(
            "webhooks",
            f"{plural(found.letters, 'letter', 'letters')} unsent, the first for {(now - found.waiting) // LATE} h",
            "whoever waits for them does not know what happened",
            "see that keeper.webhook answers and that evergrant keeper run or serve runs",
        )
    if found.open_intents:
        yield warn(
            "refreshes", f"{plural(found.open_intents, 'refresh', 'refreshes')} begun and not finished",
            "whether a refresh token was spent is not known", "let evergrant keeper run; it finds out",
        )  # fmt: skip


def _secret(name: str, client: Client, provider: Provider) -> Iterator[Finding]:
    if client.secret is None and client.private_key is None and ClientAuth.NONE not in provider.client_auth:
        yield warn(
            f"client {name}",
            "it has no secret",
            f"{provider.name} wants one for every refresh: only public clients do without",
            f"set keeper.client.{name}.secret_file, or EVERGRANT_KEEPER_CLIENT_{name.upper()}_SECRET",
        )


def _gaps(name: str, provider: Provider) -> Iterator[Finding]:
    for gap in provider.placeholders:
        rule = provider.fills.get(gap)
        if rule is not None and not rule.default and not rule.values and not rule.hosts and rule.stands is Stands.HOST:
            yield warn(
                f"client {name}",
                f"{{{gap}}} in the addresses of {provider.name} may be any host",
                "codes and secrets go there",
                f"say which: keeper.client.{name}.overrides.placeholders.{gap}.hosts",
            )


def _sunsets(name: str, provider: Provider, now: int) -> Iterator[Finding]:
    today = datetime.fromtimestamp(now, UTC).date()
    for what, text in provider.notes.items():
        try:
            day = date.fromisoformat(text)
        except ValueError:
            continue
        left = (day - today).days
        if -SUNSET_DAYS <= left <= SUNSET_DAYS:
            when = f"in {left} days" if left >= 0 else f"{-left} days ago"
            yield warn(
                f"client {name}", f"{provider.name}: {what.replace('_', ' ')} on {day} ({when})",
                "what works today may not work then", f"see evergrant keeper provider check {provider.id}",
            )  # fmt: skip


def _unverified(name: str, provider: Provider) -> Iterator[Finding]:
    risky = [fact for fact in RISKY if fact in provider.unverified]
    if risky:
        yield warn(
            f"client {name}", f"{', '.join(risky)} of {provider.name} nobody has verified",
            "a mistake there costs connections when a reply is lost or an account is disconnected",
            f"look it up and override it: keeper.client.{name}.overrides",
        )  # fmt: skip
