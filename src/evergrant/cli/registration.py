"""A client's registration on the command line: its options, its columns, and its record as `--json` prints it.

What is a good registration is said in `domain.registration`; the commands are in `client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from evergrant.cli.kinds import DAY, Default, Seconds, Word
from evergrant.cli.output import ABSENT, Column, Failure, duration, instant, listed, note, yes_or_no
from evergrant.domain.client import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    REFRESH_TOKEN,
    TOKEN_EXCHANGE,
    AuthMethod,
    Client,
    Consent,
)
from evergrant.domain.policy import Preset

if TYPE_CHECKING:
    from evergrant.config import Config

F = TypeVar("F", bound=Callable[..., Any])

GRANT_TYPES: Final = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, TOKEN_EXCHANGE)
ALGORITHMS: Final = ("ES256", "RS256", "PS256", "Ed25519")
SIGN_IN_SCOPES: Final = ("openid", "profile", "email", "offline_access")
LONGEST: Final = 3_650 * DAY

_LISTS: Final = (
    "redirect_uris", "post_logout_redirect_uris", "scopes", "grant_types", "resources", "exchange_resources",
    "exchange_providers",
)  # fmt: skip


def registration_options(*, update: bool) -> Callable[[F], F]:
    """Give a command the options of a registration; an update can also take things back."""
    again = " Replaces them all; an empty one clears them." if update else ""
    back = ", or `default`" if update else ""
    grants = (*GRANT_TYPES, "") if update else GRANT_TYPES
    life = Seconds(1, LONGEST, default=update)
    options = (
        click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URI",
                     help="Where its users may be sent back to, compared exactly; may be repeated." + again),
        click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, metavar="URI",
                     help="Where they may be sent after signing out; may be repeated." + again),
        click.option("--scope", "scopes", multiple=True, metavar="SCOPE",
                     help="A scope it may ask for; may be repeated." + again),
        click.option("--grant-type", "grant_types", multiple=True, metavar="GRANT", type=click.Choice(grants),
                     help=f"A grant it may use: {', '.join(GRANT_TYPES)}; may be repeated." + again),
        click.option("--resource", "resources", multiple=True, metavar="URI",
                     help="An API it may ask tokens for; may be repeated. None means every registered one. A service "
                          "may introspect the tokens that name one of its own." + again),
        *_exchange_options(again),
        click.option("--auth-method", type=Word(AuthMethod), help="How it authenticates at the token endpoint."),
        click.option("--preset", type=Word(Preset), help="How its refresh tokens rotate."),
        click.option("--consent", type=Word(Consent),
                     help="When its users are asked: always, when something is new, or never."),
        click.option("--alg", type=click.Choice(ALGORITHMS), metavar="ALG",
                     help=f"What its tokens are signed with: {', '.join(ALGORITHMS)}."),
        click.option("--idle-lifetime", type=life, help=f"How long a family lives unused{back}."),
        click.option("--absolute-lifetime", type=life, help=f"How long a family lives altogether{back}."),
        click.option("--access-lifetime", type=life, help=f"How long its access tokens last{back}."),
        click.option("--overlap", type=Seconds(0, 7 * DAY, default=update),
                     help=f"How long the predecessor of a refresh token gets the same successor again{back}."),
        click.option("--dpop/--no-dpop", "dpop_bound", default=None,
                     help="Whether each of its tokens is bound to a key that it proves (DPoP, RFC 9449). It may prove "
                          "one without this, too."),
        click.option("--certificate/--no-certificate", "certificate_bound", default=None,
                     help="Whether each of its tokens is bound to its TLS certificate, which a trusted proxy hands on "
                          "(RFC 8705)."),
        click.option("--uri", metavar="URL", help="Its home page, shown to its users."),
        *_logout_options(update=update),
    )  # fmt: skip

    def give(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return give


def _logout_options(*, update: bool) -> tuple[Callable[[F], F], ...]:
    return (
        click.option("--backchannel-logout-uri", metavar="URI",
                     help="Where it is told at once that a session ended (OpenID Connect back-channel logout)."
                          + (" An empty one clears it." if update else "")),
        click.option("--backchannel-logout-session/--no-backchannel-logout-session",
                     "backchannel_logout_session_required", default=None,
                     help="Whether its logout tokens must name the session; they do in any case."),
    )  # fmt: skip


def _exchange_options(again: str) -> tuple[Callable[[F], F], ...]:
    return (
        click.option("--exchange-resource", "exchange_resources", multiple=True, metavar="URI",
                     help="An API for which it may exchange the tokens that it is sent, beyond those the token is for; "
                          "may be repeated." + again),
        click.option("--exchange-provider", "exchange_providers", multiple=True, metavar="NAME",
                     help="A client of the keeper for whose access tokens it may exchange the tokens that it is sent; "
                          "may be repeated." + again),
    )  # fmt: skip


def changes(said: dict[str, Any]) -> dict[str, Any]:
    """What the options say, by a client's own field names; what was not said is left out."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        if value is None or (name in _LISTS and not value):
            continue
        if name in _LISTS:
            found[name] = tuple(dict.fromkeys(item for item in value if item))
        elif name == "alg":
            found |= {"id_token_alg": value, "access_token_alg": value}
        else:
            found[name] = None if isinstance(value, Default) else value
    return found


def judge(client: Client, config: Config) -> None:
    """Refuse what this server could never grant, and say what it will cap."""
    from evergrant.protocol.resource import canonical

    unknown = [scope for scope in client.scopes if scope not in config.scopes]
    if unknown:
        first = unknown[0]
        raise Failure(
            f"the scope {first} has no description, and nobody can agree to what they cannot read",
            hint=f'describe it in the configuration: under [scopes] write "{first}" = "…"',
        )
    known = {canonical(uri) for uri in (config.default_resource, *(each.identifier for each in config.resources))}
    for resource in (*client.resources, *client.exchange_resources):
        if not _is_known(resource, known):
            raise Failure(
                f"the resource {resource} is not registered",
                hint="declare it in the configuration: a [[resource]] with this identifier",
            )
    _warn(client, config)


def _is_known(resource: str, known: Iterable[str]) -> bool:
    from evergrant.protocol.resource import canonical

    try:
        return canonical(resource) in known
    except ValueError:
        return False


def _warn(client: Client, config: Config) -> None:
    if client.certificate_bound and not config.server.client_certificates:
        note("warning: no proxy hands on certificates (server.client_certificates), so it will get no token")
    tokens = config.tokens
    for asked, most, name in (
        (client.idle_lifetime, tokens.max_idle_lifetime, "max_idle_lifetime"),
        (client.absolute_lifetime, tokens.max_absolute_lifetime, "max_absolute_lifetime"),
        (client.overlap, tokens.until_used_max, "until_used_max"),
    ):
        if asked is not None and asked > most:
            note(f"warning: {duration(asked)} is more than tokens.{name} allows; it will be {duration(most)}")


def record(client: Client) -> dict[str, Any]:
    """A registration as `--json` prints it. The digests of secrets are nobody's business, their times are."""
    fields = (
        "id", "name", "type", "auth_method", "preset", "consent", "grant_types", "scopes", "redirect_uris",
        "post_logout_redirect_uris", "resources", "exchange_resources", "exchange_providers", "uri", "id_token_alg",
        "access_token_alg", "idle_lifetime", "absolute_lifetime", "access_lifetime", "overlap", "dpop_bound",
        "certificate_bound", "backchannel_logout_uri",
        "backchannel_logout_session_required", "created_at",
    )  # fmt: skip
    secrets = [{"created_at": item.created_at, "ends_at": item.ends_at or None} for item in client.secrets]
    said = {name: getattr(client, name) for name in fields}
    empty = {name: said[name] or None for name in ("uri", "backchannel_logout_uri")}
    return {**said, **empty, "secrets": secrets}


def _secrets(secrets: list[dict[str, int | None]]) -> str:
    spelled = (
        f"from {instant(item['created_at'] or 0)}" + (f" until {instant(item['ends_at'])}" if item["ends_at"] else "")
        for item in secrets
    )
    return ", ".join(spelled) or ABSENT


LIST_COLUMNS: Final = (
    Column("id", "client"), Column("name"), Column("type"), Column("auth_method", "authenticates by"), Column("preset"),
    Column("created_at", "since", instant),
)  # fmt: skip
COLUMNS: Final = (
    Column("id", "client"), Column("name"), Column("type"), Column("auth_method", "authenticates by"), Column("preset"),
    Column("consent"), Column("grant_types", "grants", listed), Column("scopes", show=listed),
    Column("redirect_uris", "redirect URIs", listed),
    Column("post_logout_redirect_uris", "after signing out", listed), Column("resources", show=listed),
    Column("exchange_resources", "exchanges for", listed), Column("exchange_providers", "exchanges at", listed),
    Column("uri", "home page"), Column("id_token_alg", "ID tokens signed by"),
    Column("access_token_alg", "access tokens signed by"), Column("idle_lifetime", show=duration),
    Column("absolute_lifetime", show=duration), Column("access_lifetime", show=duration),
    Column("overlap", show=duration), Column("dpop_bound", "bound to a key", yes_or_no),
    Column("certificate_bound", "bound to a certificate", yes_or_no),
    Column("created_at", "since", instant), Column("secrets", show=_secrets),
)  # fmt: skip
