"""One call of one operation, as operations see it."""

from dataclasses import dataclass
from typing import Any

from evergrant.keeper.keeper import Keeper
from evergrant.keeper.serving.api_keys import ApiKeys
from evergrant.keeper.serving.house import House
from evergrant.keeper.vault.port import ApiKey


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks (*key*), which things the path names, and what was said, as the operation's own types."""

    house: House
    key: ApiKey
    parts: dict[str, str]
    query: Any
    body: Any

    @property
    def keeper(self) -> Keeper:
        return self.house.keeper

    @property
    def keys(self) -> ApiKeys:
        return self.house.keys

    @property
    def tenant(self) -> str:
        """Everything an operation reads or writes is this tenant's."""
        return self.key.tenant

    @property
    def id(self) -> str:
        """The connection that the path names."""
        return self.parts["connection_id"]
