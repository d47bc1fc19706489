"""The keys: whether the key-encryption key opens them, and whether they take turns in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import duration, plural
from evergrant.domain.client import AUTHORIZATION_CODE, Client
from evergrant.domain.key import SealedKey, Use

if TYPE_CHECKING:
    from evergrant.cli.checks.facts import Facts
    from evergrant.config import Config
    from evergrant.keys.port import Kek


def opening(config: Config, facts: Facts) -> Iterator[Finding]:
    """Judge whether every key can be opened with the key-encryption key at hand."""
    from evergrant.assembly import open_kek
    from evergrant.entropy import SystemEntropy
    from evergrant.keys.port import KeyUnusable

    try:
        kek = open_kek(config, SystemEntropy())
        _open_all(kek, facts.keys)
    except KeyUnusable as error:
        yield fail(
            "key",
            str(error),
            "without it no token can be signed or recognised; nobody can make a second one",
            "restore the key-encryption key from where you keep it",
        )
        return
    yield ok("key", f"the key-encryption key {kek.id} opens {plural(len(facts.keys), 'key', 'keys')}")


def _open_all(kek: Kek, keys: tuple[SealedKey, ...]) -> None:
    from evergrant.keys.sealed import opened

    for key in keys:
        opened(key, kek)


def turns(config: Config, facts: Facts, now: int) -> Iterator[Finding]:
    """Judge the age of the signing keys, one finding per algorithm, and what clients need."""
    signing = [key for key in facts.keys if key.use is Use.SIGN and key.published(now)]
    for alg in sorted({key.alg for key in signing}):
        yield _turn(config, [key for key in signing if key.alg == alg], alg, now)
    missing = sorted(_wanted(facts.clients) - {key.alg for key in signing if key.active_at <= now})
    if missing:
        yield fail(
            "signing key",
            f"no {' and no '.join(missing)} key is active, but clients are registered for it",
            "nothing can be issued to them",
            f"run: evergrant key rotate --now --alg {missing[0]}",
        )


def _wanted(clients: tuple[Client, ...]) -> set[str]:
    access = {client.access_token_alg for client in clients}
    return access | {client.id_token_alg for client in clients if client.may(AUTHORIZATION_CODE)}


def _turn(config: Config, keys: list[SealedKey], alg: str, now: int) -> Finding:
    active = max((key.active_at for key in keys if key.active_at <= now), default=now)
    following = [key for key in keys if key.active_at > now]
    late = active + config.keys.rotate_every + config.keys.publish_before
    if not following and now > late:
        return warn(
            "signing key",
            f"{alg} has been signing for {duration(now - active)}, and no successor is published",
            f"a server does this by itself every {duration(config.keys.rotate_every)}: none has run for a while",
            f"start the server, or run: evergrant key rotate --alg {alg}",
        )
    hasty = [key for key in following if key.active_at - key.created_at < config.keys.publish_before]
    if hasty:
        return warn(
            "signing key",
            f"the next {alg} key signs {duration(hasty[0].active_at - hasty[0].created_at)} after it was published",
            "whoever verifies tokens and keeps the key set for longer than that refuses them for a while",
            "let keys.publish_before be longer than your verifiers keep the key set",
        )
    more = f", the next one signs in {duration(following[0].active_at - now)}" if following else ""
    return ok("signing key", f"{alg} has been signing for {duration(now - active)}{more}")
