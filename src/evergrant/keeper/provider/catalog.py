"""Which providers there are: those shipped with the package, those in a folder of the deployment, and their overrides.

What lives here: finding a provider by its id, one file read when it is first asked for. What must not: what a file may
say (`schema`).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from evergrant.keeper.errors import UnknownProvider
from evergrant.keeper.provider.filling import filled
from evergrant.keeper.provider.load import load_file, overridden
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.provider.problem import BadProvider, Problem, near, nearest
from evergrant.keeper.provider.schema import OF_CONNECTION

SHIPPED: Final = Path(__file__).parent.parent / "providers"
_ENDING: Final = ".toml"
_ELSEWHERE: Final = "`evergrant keeper provider list` shows them all; other servers are found by their issuer's address"


class Catalog:
    """Providers by id. Nothing is read before it is asked for, and nothing twice."""

    def __init__(
        self,
        folders: tuple[Path, ...] = (SHIPPED,),
        overrides: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
    ) -> None:
        """*folders*: a file in a later one replaces a file of the same name in an earlier one."""
        self._files = {file.stem: file for folder in folders for file in sorted(folder.glob(f"*{_ENDING}"))}
        self._overrides = overrides
        self._added: dict[str, Provider] = {}
        self._loaded: dict[str, Provider] = {}

    @classmethod
    def shipped(
        cls, overrides: Mapping[str, Mapping[str, object]] = MappingProxyType({}), *, folder: Path | None = None
    ) -> "Catalog":
        """The providers of this package, and those in *folder*.

        *overrides*: provider id to facts that are different in this deployment. Raises `BadProvider` for an override of
        a provider that does not exist, and for a folder that is none; what the overrides say is judged by `get`.
        """
        if folder is not None and not folder.is_dir():
            raise BadProvider(
                [Problem((), "is not a folder; name the one that holds your providers' files", str(folder))]
            )
        found = cls((SHIPPED,) if folder is None else (SHIPPED, folder), overrides)
        unknown = [name for name in overrides if name not in found.ids()]
        if unknown:
            raise BadProvider(Problem((), found.sentence(name), "overrides of providers") for name in unknown)
        return found

    def ids(self) -> tuple[str, ...]:
        """All ids, sorted."""
        return tuple(sorted({*self._files, *self._added}))

    def get(self, provider_id: str) -> Provider:
        """The provider, with the deployment's overrides. Raises `UnknownProvider` or `BadProvider`."""
        if provider_id not in self._loaded:
            self._loaded[provider_id] = self._load(provider_id)
        return self._loaded[provider_id]

    def add(self, provider: Provider) -> None:
        """Add a provider that comes from no file: a discovered one, or one made by hand."""
        self._added[provider.id] = provider
        self._loaded.pop(provider.id, None)

    def file(self, provider_id: str) -> Path:
        """Where the provider is described. Raises `UnknownProvider`, also for one that comes from no file."""
        if provider_id not in self._files:
            raise UnknownProvider(self.sentence(provider_id), nearest(provider_id, self._files))
        return self._files[provider_id]

    def sentence(self, provider_id: str) -> str:
        """What to tell somebody who asked for a provider that there is not."""
        close = nearest(provider_id, self.ids())
        hint = "did you mean " + " or ".join(f'"{each}"' for each in close) + "?" if close else _ELSEWHERE
        return f"there is no provider {ascii(provider_id)[:60]}; {hint}"

    def _load(self, provider_id: str) -> Provider:
        if provider_id in self._added:
            provider = self._added[provider_id]
        elif provider_id in self._files:
            provider = load_file(self._files[provider_id])
        else:
            raise UnknownProvider(self.sentence(provider_id), nearest(provider_id, self.ids()))
        if provider_id in self._overrides:
            provider = overridden(provider, self._overrides[provider_id], f"overrides of {provider_id}")
        return provider


def with_overrides(provider: Provider, override: Mapping[str, object]) -> Provider:
    """*provider* with the facts of a deployment or client in place of its own. Raises `BadRequest` naming the fact."""
    return overridden(provider, override, f"override of {provider.id}") if override else provider


def for_connection(provider: Provider, override: Mapping[str, object]) -> Provider:
    """*provider* with what is different for one connection. Raises `BadRequest` naming the fact.

    A connection's overrides come from an application, so they may say how its tokens behave, and not where codes and
    secrets are sent.
    """
    for name in override:
        if name not in OF_CONNECTION:
            allowed = ", ".join(sorted(OF_CONNECTION))
            says = f"cannot be overridden for one connection{near(str(name), OF_CONNECTION)}; these can: {allowed}"
            raise BadProvider([Problem((str(name)[:60],), says, f"override of {provider.id}")])
    return with_overrides(provider, override)


__all__ = ["SHIPPED", "Catalog", "filled", "for_connection", "with_overrides"]
