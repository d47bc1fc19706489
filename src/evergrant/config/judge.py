"""
Rules that look at several keys at once: groups half set, values that contradict each other, things refused today.

Each rule yields sentences; `load` adds them to what the sources found, so that all problems are told together. A rule
about one key alone belongs to its kind, in `kinds` or `rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from evergrant.config.model import Config
from evergrant.config.rules import is_loopback

Where = Callable[[str], str]


def judge(config: Config, where: Where) -> Iterator[str]:
    """Yield what is wrong between keys; `where` turns a key's path into the place where it was written."""
    yield from _judge_server(config, where)
    yield from _judge_store(config, where)
    yield from _judge_lifetimes(config, where)
    yield from _judge_keys(config, where)
    yield from _judge_resources(config, where)
    yield from _judge_people(config, where)


def _judge_server(config: Config, where: Where) -> Iterator[str]:
    server = config.server
    host, _ = server.address
    if not server.issuer and not is_loopback(host):
        yield (
            f"{where('server.listen')}: server.issuer is needed, because server.listen ({server.listen}) is open to other "
            "machines and the issuer's name is never taken from a request"
        )
    if server.max_field > server.max_body:
        yield f"{where('server.max_field')}: server.max_field must not be larger than server.max_body"


def _judge_store(config: Config, where: Where) -> Iterator[str]:
    url = config.store.url
    if url.startswith(("postgresql://", "postgres://")):
        yield f"{where('store.url')}: store.url names PostgreSQL, which is not supported yet: leave it empty to use SQLite"
    elif url:
        yield f"{where('store.url')}: store.url must be empty (SQLite in the data directory)"


def _judge_lifetimes(config: Config, where: Where) -> Iterator[str]:
    yield from _ordered(config, where, "tokens.idle_lifetime", "tokens.absolute_lifetime")
    yield from _ordered(config, where, "tokens.idle_lifetime", "tokens.max_idle_lifetime")
    yield from _ordered(config, where, "tokens.absolute_lifetime", "tokens.max_absolute_lifetime")
    yield from _ordered(config, where, "tokens.max_idle_lifetime", "tokens.max_absolute_lifetime")
    yield from _ordered(config, where, "tokens.overlap", "tokens.until_used_max")
    yield from _ordered(config, where, "session.idle_lifetime", "session.absolute_lifetime")
    yield from _ordered(config, where, "throttle.base_delay", "throttle.max_delay")
    yield from _ordered(config, where, "throttle.max_delay", "throttle.window")


def _judge_keys(config: Config, where: Where) -> Iterator[str]:
    keys = config.keys
    if keys.key_encryption_key and keys.key_encryption_key_file is not None:
        yield (
            f"{where('keys.key_encryption_key_file')}: keys.key_encryption_key_file and keys.key_encryption_key "
            f"({where('keys.key_encryption_key')}) are both set: leave one of them out"
        )
    yield from _ordered(config, where, "keys.publish_before", "keys.rotate_every")
    yield from _ordered(config, where, "tokens.access_lifetime", "keys.retire_after")
    yield from _ordered(config, where, "tokens.id_token_lifetime", "keys.retire_after")


def _judge_resources(config: Config, where: Where) -> Iterator[str]:
    counted = Counter(resource.identifier for resource in config.resources)
    for index, resource in enumerate(config.resources):
        place = where(f"resource.{index}.identifier")
        if counted[resource.identifier] > 1:
            yield f'{place}: resource "{resource.identifier}" is declared more than once'
        if resource.lifetime > config.keys.retire_after:
            yield (
                f"{where(f'resource.{index}.lifetime')}: resource.lifetime must not be longer than keys.retire_after: "
                "a token would outlive the key that verifies it"
            )
        for scope in sorted(set(resource.scopes) - set(config.scopes)):
            yield (
                f'{where(f"resource.{index}.scopes")}: scope "{scope}" has no description for the consent page: '
                f'add "{scope}" = "…" to [scopes]'
            )


def _judge_people(config: Config, where: Where) -> Iterator[str]:
    if "openid" not in config.scopes:
        yield f"{where('scopes.openid')}: scopes.openid cannot be withdrawn: it is what asks for an ID token"
    if config.session.cookie_name.startswith("__") and not config.is_secure:
        yield f"{where('session.cookie_name')}: session.cookie_name begins with __, which browsers accept over https only"
    yield from _ordered(config, where, "password.min_length", "password.max_length")


def _ordered(config: Config, where: Where, smaller: str, larger: str) -> Iterator[str]:
    """Demand that one key is at most another, and blame the one that was written last by hand."""
    if _value(config, smaller) > _value(config, larger):
        blamed = smaller if where(smaller) != "default" else larger
        yield f"{where(blamed)}: {smaller} must not be larger than {larger}"


def _value(config: Config, path: str) -> int:
    section, _, name = path.partition(".")
    value = getattr(getattr(config, section), name)
    return int(value)
