"""Where a command finds its keeper: the configuration's clients and windows, the vault, and what errors mean.

What a command says is in its own file; what is configured is declared in `evergrant.config.sections`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from evergrant.cli.output import Exit, Failure, lowered
from evergrant.cli.place import Place, placed

if TYPE_CHECKING:
    from evergrant.config import Config, KeeperClientConfig
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.keyring import Keyring
    from evergrant.keeper.provider.catalog import Catalog
    from evergrant.keeper.serving import ServingSettings
    from evergrant.keeper.settings import Client, Settings

T = TypeVar("T")

FILE: Final = "keeper.db"
# The configuration's key to the keeper's own name for it, where the two differ.
_NUMBERS: Final = {
    "link_lifetime": "link_seconds", "reconnect_lifetime": "reconnect_seconds", "request_timeout": "request_seconds",
    "connect_timeout": "connect_seconds", "commit_allowance": "commit_seconds", "claim": "claim_seconds",
    "wait": "wait_seconds", "background_pause": "background_seconds",
}  # fmt: skip
_ALIKE: Final = (
    "return_to", "reconnect_page", "backoff_least", "backoff_most", "concurrent", "per_second", "breaker_after",
    "background_ahead", "hard_limit_notice", "quarantine", "unusual_rate", "keep_events",
)  # fmt: skip


def kept(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command `--config`, `--data` and `--tenant`; it receives a `Place` and the tenant."""

    @click.option("--tenant", metavar="NAME", default="", help="Whose connections; tenants never see each other.")
    @functools.wraps(command)
    def called(*args: Any, **options: Any) -> T:
        return command(*args, **options)

    return placed(called)


def vault_path(config: Config) -> Path:
    """Where the vault is, or will be."""
    return config.keeper.vault or config.store.data / FILE


def existing(config: Config) -> Path:
    """The vault's file. Raises `Failure` where there is none."""
    path = vault_path(config)
    if not path.exists():
        raise Failure(
            f"{path}: there is no vault here",
            hint="name its place with --data or EVERGRANT_KEEPER_VAULT; one is made by: evergrant keeper connect",
            code=Exit.NOT_FOUND,
        )
    return path


def catalog(config: Config) -> Catalog:
    """Every provider that is described by a file."""
    from evergrant.keeper.provider.catalog import Catalog

    return Catalog.shipped(folder=config.keeper.providers)


def settings(config: Config, url: str = "") -> Settings:
    """What the configuration says, in the keeper's own words; *url*: where `keeper serve` has its pages, if it runs."""
    from evergrant.keeper.settings import Settings

    said = {name: getattr(config.keeper, name) for name in _ALIKE}
    said |= {theirs: getattr(config.keeper, ours) for ours, theirs in _NUMBERS.items()}
    said["reconnect_page"] = said["reconnect_page"] or (f"{url}/reconnect" if url else "")
    return Settings(**said, clients={name: _client(name, one, url) for name, one in config.clients.items()})


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


def opened(config: Config, url: str = "") -> Keeper:
    """A keeper by the configuration; the vault itself is opened when it is first used. Call it outside a loop."""
    from evergrant.keeper.keeper import Keeper

    path = vault_path(config)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keeper.open(str(path), key=keyring(config), settings=settings(config, url), catalog=with_issuers(config))


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
    from evergrant.keeper.vault.port import Missing, VaultUnavailable, VaultUnusable

    try:
        yield
    except KeeperError as error:
        raise _refusal(error) from error
    except VaultUnavailable as error:
        raise Failure(
            "the vault does not answer at the moment", hint="nothing was half done; try again",
            code=Exit.STORE_UNAVAILABLE,
        ) from error  # fmt: skip
    except VaultUnusable as error:
        raise Failure(str(error), code=Exit.STORE_UNAVAILABLE) from error
    except Missing as error:
        raise Failure(str(error), code=Exit.NOT_FOUND) from error


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


def keyring(config: Config) -> Keyring:
    """The keys that seal the vault; a first one is made together with a new vault. Raises `KeyUnusable`, `Failure`."""
    from evergrant.entropy import SystemEntropy
    from evergrant.keeper import keyring as keys

    keeper, vault = config.keeper, vault_path(config)
    if keeper.keys:
        return keys.from_keys_text(keeper.keys, "keeper.keys")
    if keeper.keyring:
        return keys.from_system(SystemEntropy(), account=keeper.keyring, make=not vault.exists())
    file = key_file(config)
    if vault.exists() and not file.exists():
        # A new key made here would open nothing, and hide that the old one is missing.
        raise Failure(
            f"{file}: the key of {vault} is not there", hint="put it back; without it nobody can read the vault",
            code=Exit.STORE_UNAVAILABLE,
        )  # fmt: skip
    return keys.from_file(file, SystemEntropy(), make=True)


def key_file(config: Config) -> Path:
    """Where the keys are, when they are in a file."""
    vault = vault_path(config)
    return config.keeper.keys_file or vault.with_name(f"{vault.name}.key")


def _client(name: str, said: KeeperClientConfig, url: str) -> Client:
    from evergrant.domain.secret import Secret
    from evergrant.keeper.settings import Client

    secret = said.secret or (_read(said.secret_file) if said.secret_file is not None else "")
    private = _read(said.private_key_file) if said.private_key_file is not None else ""
    return Client(
        provider=name if said.issuer else said.provider or name,
        client_id=said.client_id,
        secret=Secret(secret) if secret else None,
        redirect_uri=said.redirect_uri or (f"{url}/callback/{name}" if url else ""),
        overrides=said.overrides or {},
        scopes=said.scopes,
        name=name,
        private_key=Secret(private) if private else None,
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def with_issuers(config: Config) -> Catalog:
    """The catalog, with the issuers that clients name; each is asked for its document when nobody has lately."""
    known = catalog(config)
    named = {name: client.issuer for name, client in config.clients.items() if client.issuer}
    if named:
        from evergrant.cli.keeper.issuers import found

        for provider in found(config, named, vault_path(config)):
            known.add(provider)
    return known
