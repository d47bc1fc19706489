"""Where a command finds its keeper: the configuration's clients and windows, the vault, and what errors mean.

What a command says is in its own file; what is configured is declared in `evergrant.config.sections`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evergrant.cli.output import Exit, Failure, lowered, note
from evergrant.cli.place import Place, placed
from evergrant.keeping.places import vault_is_there, vault_path, vault_shown

if TYPE_CHECKING:
    from evergrant.config import Config
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.keyring import Keyring
    from evergrant.keeper.provider.catalog import Catalog
    from evergrant.keeper.serving import ServingSettings

T = TypeVar("T")


def kept(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command `--config`, `--data` and `--tenant`; it receives a `Place` and the tenant."""

    @click.option("--tenant", metavar="NAME", default="", help="Whose connections; tenants never see each other.")
    @functools.wraps(command)
    def called(*args: Any, **options: Any) -> T:
        return command(*args, **options)

    return placed(called)


def existing(config: Config) -> Path:
    """The vault's file, or its place on this host when it is in a database. Raises `Failure` where there is none."""
    with told():
        there = vault_is_there(config)
    if not there:
        raise Failure(
            f"{vault_shown(config)}: there is no vault here",
            hint="name its place with --data or EVERGRANT_KEEPER_VAULT; one is made by: evergrant keeper connect",
            code=Exit.NOT_FOUND,
        )
    return vault_path(config)


def serving_settings(config: Config, address: str, *, background: bool) -> ServingSettings:
    """What the configuration says about serving the keeper at *address*, in its own words."""
    from evergrant.domain.secret import Secret
    from evergrant.keeper.serving import Endpoint, ServingSettings
    from evergrant.keeper.wire.fetch import Reach

    secrets = tuple(Secret(one.strip()) for one in config.keeper.webhook_secret.split(",") if one.strip())
    return ServingSettings(
        address=address,
        brand=config.branding.name,
        support_url=config.branding.support_url,
        extra_hosts=config.server.extra_hosts,
        trusted_proxies=tuple(map(str, config.server.trusted_proxies)),
        metrics_networks=tuple(map(str, config.server.metrics_networks)),
        background=background,
        webhooks=(Endpoint("webhook", config.keeper.webhook, secrets),) if config.keeper.webhook else (),
        webhook_reach=Reach(config.keeper.loopback, tuple(map(str, config.keeper.private_networks))),
        log_sample=config.log.sample,
    )


def keeping(place: Place, work: Callable[[Keeper], Awaitable[T]], *, make: bool = False) -> T:
    """What *work* did with the keeper; *make* a vault where there is none."""
    config = place.config
    if not make:
        existing(config)

    with told():
        keeper = opened(config)

    async def once() -> T:
        async with keeper:
            return await work(keeper)

    return finished(once)


def finished(work: Callable[[], Awaitable[T]]) -> T:
    """Run *work* to its end; what the keeper refuses becomes a sentence and an exit code."""
    import asyncio

    async def whole() -> T:
        return await work()

    with told():
        return asyncio.run(whole())


@contextmanager
def told() -> Iterator[None]:
    """Tell what the keeper refused: its own sentence, what to do, and the exit code of its kind."""
    from evergrant.keeper.errors import KeeperError
    from evergrant.keeper.vault.port import Missing, VaultMoved, VaultUnavailable, VaultUnusable

    try:
        yield
    except KeeperError as error:
        if isinstance(error.__cause__, VaultMoved):
            raise _gone(error.__cause__) from error
        raise _refusal(error) from error
    except VaultMoved as error:
        raise _gone(error) from error
    except VaultUnavailable as error:
        raise Failure(
            "the vault does not answer at the moment", hint="nothing was half done; try again",
            code=Exit.STORE_UNAVAILABLE,
        ) from error  # fmt: skip
    except VaultUnusable as error:
        raise Failure(str(error), code=Exit.STORE_UNAVAILABLE) from error
    except Missing as error:
        raise Failure(str(error), code=Exit.NOT_FOUND) from error


def _gone(error: Exception) -> Failure:
    return Failure(str(error), hint="name the new place: keeper.vault or keeper.vault_url", code=Exit.STORE_UNAVAILABLE)


def _refusal(error: Exception) -> Failure:
    from evergrant.keeper import errors

    said = lowered(str(error))
    match error:
        case errors.UnknownConnection():
            return Failure(said, hint="see all of them with: evergrant keeper list", code=Exit.NOT_FOUND)
        case errors.UnknownProvider():
            hint = "clients are named in the configuration: [keeper.client.NAME]" if "client" in said else ""
            return Failure(said, hint=hint, code=Exit.NOT_FOUND)
        case errors.NeedsReauth():
            hint = f"send them to {error.reconnect}" if error.reconnect else f"connect it again: {_typed('connect')}"
            return Failure(said, hint=hint, code=Exit.NEEDS_PERSON)
        case errors.CallbackRefused():
            return Failure(said, code=Exit.NEEDS_PERSON)
        case errors.NotUsable():
            return Failure(said, hint=_unusable(error), code=Exit.CONFLICT)
        case errors.VaultTrouble():
            return Failure(said, hint="nothing was spent; try again", code=Exit.STORE_UNAVAILABLE)
        case errors.TryLater():
            return Failure(said, hint=f"try again in {max(error.after, 1)} seconds", code=Exit.TRY_LATER)
        case errors.AlreadyConnected():
            return Failure(said, code=Exit.CONFLICT)
    return Failure(said)


def _unusable(error: Any) -> str:
    from evergrant.keeper.connection import Health

    return {
        Health.SUSPENDED_CLIENT: "put the right id and secret into the configuration; it is tried again by itself",
        Health.QUARANTINED: f"look at it with keeper show, then: {_typed('release')}",
        Health.REVOKING: "it is being disconnected",
        Health.REVOKED: f"connect it again: {_typed('connect')}",
    }.get(error.health, "look at it with: evergrant keeper show")


def _typed(verb: str) -> str:
    """A verb with the names that were typed, for somebody who will type it next."""
    context = click.get_current_context(silent=True)
    said = context.params if context is not None else {}
    named = [f"--{name} {said[name]}" for name in ("account", "tenant") if said.get(name)]
    return " ".join(["evergrant keeper", verb, str(said.get("client") or ""), *named]).rstrip()


def opened(config: Config, url: str = "") -> Keeper:
    """A keeper by the configuration; the vault itself is opened when it is first used. Call it outside a loop."""
    from evergrant.keeping.configured import keeper

    with _key_there():
        return keeper(config, with_issuers(config), url)


def keyring(config: Config) -> Keyring:
    """The keys that seal the vault; a first one is made together with a new vault. Raises `KeyUnusable`, `Failure`."""
    from evergrant.keeping import configured

    with _key_there():
        return configured.keyring(config)


@contextmanager
def _key_there() -> Iterator[None]:
    from evergrant.keeping.configured import KeyMissing

    try:
        yield
    except KeyMissing as error:
        raise Failure(
            str(error), hint="put it back; without it nobody can read the vault", code=Exit.STORE_UNAVAILABLE
        ) from error


def with_issuers(config: Config) -> Catalog:
    """The catalog, with the issuers that clients name; each is asked for its document when nobody has lately."""
    from evergrant.keeping.configured import catalog

    known = catalog(config)
    if any(one.issuer for one in config.clients.values()):
        import asyncio

        from evergrant.keeping.issuers import add_issuers

        asyncio.run(add_issuers(known, config, note))
    return known
