"""
Rules that look at several keys at once: groups half set, values that contradict each other, things refused today.

Each rule yields conflicts; `load` says where the keys were written and adds the sentences to what the sources found, so
that all problems are told together. A rule about one key alone belongs to its kind, in `kinds` or `rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from evergrant.config.model import CLIENT_TABLE, Config
from evergrant.protocol.resource import canonical


@dataclass(frozen=True, slots=True)
class Conflict:
    """A sentence about some keys; the first of them that somebody wrote is the one to look at."""

    keys: tuple[str, ...]
    sentence: str


# No member may be larger than the next one.
_ORDERS: Final = (
    ("server.max_field", "server.max_body"),
    ("tokens.idle_lifetime", "tokens.absolute_lifetime"),
    ("tokens.idle_lifetime", "tokens.max_idle_lifetime"),
    ("tokens.absolute_lifetime", "tokens.max_absolute_lifetime"),
    ("tokens.max_idle_lifetime", "tokens.max_absolute_lifetime"),
    ("tokens.overlap", "tokens.until_used_max"),
    ("tokens.access_lifetime", "keys.retire_after"),
    ("tokens.id_token_lifetime", "keys.retire_after"),
    ("keys.publish_before", "keys.rotate_every"),
    ("session.idle_lifetime", "session.absolute_lifetime"),
    ("password.min_length", "password.max_length"),
    ("throttle.base_delay", "throttle.max_delay"),
    ("throttle.max_delay", "throttle.window"),
    ("keeper.connect_timeout", "keeper.request_timeout"),
    ("keeper.backoff_least", "keeper.backoff_most"),
)


def judge(config: Config) -> Iterator[Conflict]:
    """Yield what is wrong between keys."""
    yield from _judge_server(config)
    yield from _judge_store(config)
    yield from _judge_keys(config)
    yield from _judge_orders(config)
    yield from _judge_resources(config)
    yield from _judge_pages(config)
    yield from _judge_keeper(config)
    yield from _judge_vault(config)
    yield from _judge_clients(config)


def _judge_server(config: Config) -> Iterator[Conflict]:
    if config.is_reachable and not config.server.issuer:
        yield Conflict(
            ("server.listen", "server.issuer"),
            f"server.issuer is needed, because server.listen ({config.server.listen}) is open to other machines and "
            "the issuer's name is never taken from a request",
        )


def _judge_store(config: Config) -> Iterator[Conflict]:
    if config.store.url and not config.store.url.startswith(("postgresql://", "postgres://")):
        sentence = "store.url must begin with postgresql://, or be empty for SQLite in the data directory"
        yield Conflict(("store.url",), sentence)


def _judge_keys(config: Config) -> Iterator[Conflict]:
    if config.keys.key_encryption_key and config.keys.key_encryption_key_file is not None:
        yield Conflict(
            ("keys.key_encryption_key_file", "keys.key_encryption_key"),
            "keys.key_encryption_key_file and keys.key_encryption_key are both set: leave one of them out",
        )


def _judge_orders(config: Config) -> Iterator[Conflict]:
    for smaller, larger in _ORDERS:
        if _value(config, smaller) > _value(config, larger):
            yield Conflict((smaller, larger), f"{smaller} must not be larger than {larger}")


def _judge_resources(config: Config) -> Iterator[Conflict]:
    counted = Counter(canonical(resource.identifier) for resource in config.resources if resource.identifier)
    for index, resource in enumerate(config.resources):
        here = f"resource.{index}"
        if resource.identifier and counted[canonical(resource.identifier)] > 1:
            yield Conflict((f"{here}.identifier",), f'resource "{resource.identifier}" is declared more than once')
        if resource.lifetime > config.keys.retire_after:
            yield Conflict(
                (f"{here}.lifetime", "keys.retire_after"),
                "resource.lifetime must not be larger than keys.retire_after: a token would outlive its key",
            )
        for scope in sorted(set(resource.scopes) - set(config.scopes)):
            yield Conflict(
                (f"{here}.scopes",),
                f'scope "{scope}" has no description for the consent page: add "{scope}" = "…" to [scopes]',
            )


def _judge_pages(config: Config) -> Iterator[Conflict]:
    if "openid" not in config.scopes:
        yield Conflict(("scopes.openid",), "scopes.openid cannot be withdrawn: it is what asks for an ID token")
    if config.session.cookie_name.startswith("__") and not config.is_secure:
        yield Conflict(
            ("session.cookie_name",),
            "session.cookie_name begins with __, which browsers accept over https only",
        )


_DATABASES: Final = ("postgresql://", "postgres://")


def _judge_vault(config: Config) -> Iterator[Conflict]:
    keeper = config.keeper
    if str(keeper.vault or "").startswith(("postgresql:/", "postgres:/")):
        yield Conflict(("keeper.vault",), "keeper.vault is a file's path: a database's address is keeper.vault_url")
    elif keeper.vault is not None and keeper.vault_url:
        yield Conflict(
            ("keeper.vault_url", "keeper.vault_url_file", "keeper.vault"),
            "keeper.vault and keeper.vault_url are both set: the vault is a file or a database",
        )
    if keeper.vault_url and not keeper.vault_url.startswith(_DATABASES):
        yield Conflict(
            ("keeper.vault_url", "keeper.vault_url_file"), "keeper.vault_url must be an address as in postgresql://…"
        )
    if keeper.vault_url and not (keeper.keys or keeper.keys_file or keeper.keyring):
        yield Conflict(
            ("keeper.vault_url", "keeper.vault_url_file"),
            "keeper.vault_url needs keeper.keys_file, keeper.keys or keeper.keyring: hosts that share a vault share "
            "its keys",
        )


def _judge_keeper(config: Config) -> Iterator[Conflict]:
    keeper = config.keeper
    given = {"keys": bool(keeper.keys), "keys_file": keeper.keys_file is not None, "keyring": bool(keeper.keyring)}
    named = [f"keeper.{name}" for name, is_set in given.items() if is_set]
    if len(named) > 1:
        yield Conflict(tuple(named), f"{' and '.join(named)} are both set: the vault's keys come from one place")
    if keeper.claim < keeper.request_timeout + keeper.commit_allowance:
        yield Conflict(
            ("keeper.claim", "keeper.request_timeout", "keeper.commit_allowance"),
            "keeper.claim must be at least keeper.request_timeout and keeper.commit_allowance together, or a second "
            "refresher could begin while the first one's request is still on its way",
        )
    if bool(keeper.webhook) != bool(keeper.webhook_secret):
        yield Conflict(
            ("keeper.webhook", "keeper.webhook_secret"),
            "keeper.webhook and keeper.webhook_secret go together: letters that are not signed could be from anybody",
        )


def _judge_clients(config: Config) -> Iterator[Conflict]:
    counted = Counter(client.redirect_uri for client in config.clients.values() if client.redirect_uri)
    for name, client in config.clients.items():
        here = f"keeper.client.{name}"
        written = tuple(f"{here}.{row.name}" for row in CLIENT_TABLE)
        if not client.client_id:
            yield Conflict(written, f"{here} has no client_id, and needs one")
        if client.secret and client.secret_file is not None:
            yield Conflict(
                (f"{here}.secret_file", f"{here}.secret"),
                f"{here}.secret and its secret_file are both set: leave one out",
            )
        if client.provider and client.issuer:
            yield Conflict(
                (f"{here}.issuer", f"{here}.provider"),
                f"{here} names a provider and an issuer: leave one of them out, and put what is different in overrides",
            )
        if counted[client.redirect_uri] > 1:
            yield Conflict(
                (f"{here}.redirect_uri",),
                f"{here}.redirect_uri belongs to another client too: each needs its own, since it tells whose answer "
                "a callback brings",
            )


def _value(config: Config, path: str) -> int:
    section, _, name = path.partition(".")
    return int(getattr(getattr(config, section), name))
