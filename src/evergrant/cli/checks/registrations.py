"""The clients: what their registrations allow that production should not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import duration, instant, plural
from evergrant.domain.client import REFRESH_TOKEN, Client, ClientType, Consent
from evergrant.domain.policy import Preset

if TYPE_CHECKING:
    from evergrant.cli.checks.facts import Facts
    from evergrant.config import Config

DAY: Final = 86_400
SECRET_AGE: Final = 365 * DAY
SOON: Final = 2 * DAY
RECENT: Final = 7 * DAY


def registrations(config: Config, facts: Facts, now: int) -> Iterator[Finding]:
    """Judge every client; one finding says that all the others are good."""
    found = [
        finding
        for client in facts.clients
        for finding in (*_shape(client), *_binding(client, config), *_secrets(client, now))
    ]
    yield from found
    blamed = {finding.check for finding in found}
    good = sum(_name(client) not in blamed for client in facts.clients)
    if good or not facts.clients:
        yield ok("clients", f"{plural(good, 'client', 'clients')} with nothing to say about")


def _shape(client: Client) -> Iterator[Finding]:
    plain = [uri for uri in client.redirect_uris if uri.startswith("http://")]
    if plain and client.type is not ClientType.NATIVE:
        yield warn(
            _name(client),
            f"the {client.type} client may be sent back to {plain[0]}",
            "an address without TLS on the user's own machine is for development: any program there can listen on it",
            f"register its https address: evergrant client update {client.id} --redirect-uri https://…",
        )
    if not client.confidential and client.may(REFRESH_TOKEN) and not client.rule.rotate:
        yield fail(
            _name(client),
            "a public client with refresh tokens that do not rotate",
            "a stolen one works beside the honest one for months, and nobody notices (RFC 9700 section 4.14.2)",
            f"run: evergrant client update {client.id} --preset public",
        )
    if client.consent is Consent.TRUSTED and not client.confidential:
        yield warn(
            _name(client),
            "a public client that never asks for consent",
            "whoever can receive at its redirect URI gets tokens without the user seeing anything",
            f"run: evergrant client update {client.id} --consent remember",
        )


def _binding(client: Client, config: Config) -> Iterator[Finding]:
    if client.preset is Preset.FAPI2 and not client.sender_bound:
        yield fail(
            _name(client),
            "the preset fapi2 without bound tokens",
            "its refresh token never changes, so a stolen access token is all that a thief has to take again and again "
            "(FAPI 2.0 section 5.3.2.1)",
            f"run: evergrant client update {client.id} --dpop",
        )
    if client.certificate_bound and not config.server.client_certificates:
        yield fail(
            _name(client),
            "its tokens are bound to a certificate, and no proxy hands one on",
            "none of its token requests can succeed",
            "set server.client_certificates, or bind its tokens to a key: "
            f"evergrant client update {client.id} --no-certificate --dpop",
        )


def _secrets(client: Client, now: int) -> Iterator[Finding]:
    if not client.confidential:
        return
    lasting = [secret for secret in client.secrets if not secret.ends_at]
    rotate = f"run: evergrant client rotate-secret {client.id}"
    if not lasting:
        yield fail(_name(client), "it has no secret that works", "it cannot authenticate", rotate)
        return
    age = now - lasting[-1].created_at
    if age > SECRET_AGE:
        yield warn(
            _name(client),
            f"its secret is {duration(age)} old",
            "a secret that never changes has passed through many hands and backups",
            rotate,
        )
    for ends_at in (secret.ends_at for secret in client.secrets if secret.ends_at):
        if now - RECENT < ends_at <= now:
            yield ok(_name(client), f"its old secret stopped working at {instant(ends_at)}")
        elif now < ends_at < now + SOON:
            yield warn(
                _name(client),
                f"its old secret stops working at {instant(ends_at)}",
                "whichever of its instances still has the old one can then neither refresh nor sign anybody in",
                "make sure that every instance has the new one",
            )


def _name(client: Client) -> str:
    return f"client {client.name}"
