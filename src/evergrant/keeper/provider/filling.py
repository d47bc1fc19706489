"""Filling the gaps in a provider's addresses: the tenant, the shop, the region of one deployment or one account."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.address import fitting
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.provider.rules import ADDRESSES


def filled(provider: Provider, values: Mapping[str, str]) -> Provider:
    """*provider* with *values* in its addresses; what nobody says is filled with its default, if it has one.

    A gap without value and default stays, and stays in `placeholders`: some are known only when the callback comes.
    Values for gaps that the provider does not have are left alone, so everything a connection keeps may be passed.
    Raises `BadRequest` for a value that would lead out of its place.
    """
    said: dict[str, str] = {}
    for name in provider.placeholders:
        rule = provider.fills.get(name)
        if rule is None:
            raise BadRequest(f"{provider.id}: nothing says what may fill {{{name}}}")
        value = values.get(name) if name in values else rule.default
        if not value and name not in values:
            continue
        try:
            said[name] = fitting(rule, value)
        except ValueError as error:
            raise BadRequest(f"{provider.id}: {name} {error}") from error
    if not said:
        return provider
    changed: dict[str, Any] = {name: _put(getattr(provider, name), said) for name in ADDRESSES}
    return replace(
        provider,
        **changed,
        revoke=replace(provider.revoke, url=_put(provider.revoke.url, said)),
        placeholders=tuple(name for name in provider.placeholders if name not in said),
    )


def _put(address: str, said: Mapping[str, str]) -> str:
    for name, value in said.items():
        address = address.replace(f"{{{name}}}", value)
    return address
