"""Which facts hold for one client of ours and one connection: the catalog's, overridden, with every gap filled.

A client's secret and a user's code go wherever the filled addresses lead. So a caller may fill only what cannot lead
away from the provider; a whole host without a list of good ones is the operator's to name, in the client's overrides.
"""

from collections.abc import Mapping

from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.catalog import Catalog, filled, for_connection, with_overrides
from evergrant.keeper.provider.model import Placeholder, Provider, Stands
from evergrant.keeper.settings import Client


class Facts:
    """Asks the catalog; keeps nothing."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def base(self, ours: Client, connection: Connection | None = None) -> Provider:
        """The provider with the client's and the connection's overrides; gaps may be open."""
        provider = self._catalog.get(ours.provider)
        if ours.overrides:
            provider = with_overrides(provider, ours.overrides)
        if connection is not None and connection.overrides:
            provider = for_connection(provider, connection.overrides)
        return provider

    def of(
        self,
        ours: Client,
        connection: Connection,
        values: Mapping[str, str] | None = None,
        called_back: Mapping[str, str] | None = None,
    ) -> Provider:
        """The provider for this connection, by what is kept with it and, before that, by *values* from a caller.

        What was *called_back* counts before all that: it is how the provider names the user's own host.

        Raises `BadRequest` naming a value that may not be given, or does not fit.
        """
        provider = self.base(ours, connection)
        given = dict(values or {})
        for name in given:
            if name not in provider.placeholders:
                raise BadRequest(f"{provider.id} has no gap named {name[:40]}{_known(provider)}")
            if not may_fill(provider, name):
                raise BadRequest(f"{name} of {provider.id} is set by the operator, in the overrides of {ours.name}")
        said = {**connection.fields, **given, **(called_back or {})}
        return filled(
            provider, {name: said[name] for name in provider.placeholders if may_fill(provider, name) and name in said}
        )


def may_fill(provider: Provider, name: str) -> bool:
    """Whether whatever fits the gap stays with the provider."""
    rule = provider.fills.get(name, Placeholder(Stands.HOST))
    if rule.values or rule.hosts or rule.stands is Stands.SEGMENT:
        return True
    addresses = [
        provider.authorize_url,
        provider.token_url,
        provider.refresh_url,
        provider.device_url,
        provider.revoke.url,
    ]
    return rule.stands is Stands.LABEL and all(_below_a_domain(address, name) for address in addresses)


def _below_a_domain(address: str, name: str) -> bool:
    """`{shop}.myshopify.com` leads nowhere else; `start.exactonline.{country}` could end in anybody's domain."""
    host = address.partition("://")[2].partition("/")[0]
    before, gap, after = host.partition("{" + name + "}")
    del before
    return not gap or (after.startswith(".") and "." in after[1:] and "{" not in after)


def _known(provider: Provider) -> str:
    return f"; it has {', '.join(provider.placeholders)}" if provider.placeholders else ""
