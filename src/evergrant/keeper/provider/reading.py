"""From tables of plain values to facts, each read by its kind; everything that is wrong is told at once.

What lives here: walking a document, or an override, along the schema. What must not: the model (`load`), files
(`document`), what contradicts what (`rules`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from evergrant.keeper.provider.address import NAME
from evergrant.keeper.provider.kinds import MOST, Text, shown
from evergrant.keeper.provider.problem import Problem, Trail, near
from evergrant.keeper.provider.schema import FACTS, LISTED, NAMED, SECTIONS, TOP, Fact

Place = Callable[[Trail], str]

_PARTS: Final = frozenset({*SECTIONS, *NAMED, *LISTED})
_NAME: Final = Text(40, empty=False, pattern=NAME, expects="lower-case letters, digits and _")
_LONGEST_NAME: Final = 60
"""Of a fact that does not exist, as an error shows it."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a document states: values as the model wants them, and everything that is wrong."""

    values: Mapping[str, Any]
    problems: tuple[Problem, ...]

    @property
    def names(self) -> frozenset[str]:
        """The dotted names of everything that is stated."""
        return frozenset(".".join(trail) for trail in _trails(self.values, ()))


def read_facts(values: Mapping[str, object], place: Place, *, whole: bool) -> Stated:
    """Read a document's *values*. *whole*: facts that a file needs must be there; not so in an override."""
    reader = _Reader(place, whole=whole)
    return Stated(reader.document(values), tuple(reader.problems))


class _Reader:
    """Goes through one document and collects what is wrong on the way."""

    def __init__(self, place: Place, *, whole: bool) -> None:
        self._place = place
        self._whole = whole
        self.problems: list[Problem] = []

    def document(self, values: Mapping[str, object]) -> dict[str, Any]:
        top = {name: value for name, value in values.items() if name not in _PARTS}
        found = self._facts(top, FACTS, (), among=TOP)
        for name, facts in SECTIONS.items():
            if name in values:
                found[name] = self._facts(self._table(values[name], (name,)), facts, (name,))
        for name, facts in NAMED.items():
            if name in values:
                found[name] = dict(self._named(self._table(values[name], (name,)), facts, name))
        for name, facts in LISTED.items():
            if name in values:
                found[name] = list(self._listed(values[name], facts, name))
        if self._whole and "revoke" not in values:
            self._wrong((), 'has no [revoke]; write one, with verb = "none" if there is no way')
        return found

    def _facts(
        self, values: Mapping[str, object], facts: tuple[Fact, ...], above: Trail, among: Iterable[str] = ()
    ) -> dict[str, Any]:
        known = {fact.name: fact for fact in facts}
        found: dict[str, Any] = {}
        for name, value in values.items():
            trail = (*above, str(name)[:_LONGEST_NAME])
            if name not in known:
                hint = near(str(name), among or known) or "; remove it"
                self._wrong(trail, f"is not a fact that exists{hint}")
                continue
            try:
                found[name] = known[name].kind.read(value)
            except ValueError as error:
                self._wrong(trail, str(error))
        for fact in facts:
            if self._whole and fact.needed and fact.name not in values:
                self._wrong(above, f"has no {fact.name} ({fact.about}), and needs one")
        return found

    def _named(
        self, values: Mapping[str, object], facts: tuple[Fact, ...], above: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, value in values.items():
            trail = (above, str(name)[:_LONGEST_NAME])
            try:
                _NAME.read(name)
            except ValueError as error:
                self._wrong(trail, f"has a name that {error}")
                continue
            yield name, self._facts(self._table(value, trail), facts, trail)

    def _listed(self, values: object, facts: tuple[Fact, ...], above: str) -> Iterator[dict[str, Any]]:
        if not isinstance(values, list | tuple) or len(values) > MOST:
            self._wrong((above,), f"must be a list of at most {MOST} tables in square brackets, not {shown(values)}")
            return
        for index, value in enumerate(values):
            trail = (above, str(index))
            yield self._facts(self._table(value, trail), facts, trail)

    def _table(self, value: object, trail: Trail) -> Mapping[str, object]:
        if isinstance(value, Mapping) and len(value) <= MOST:
            return value
        self._wrong(trail, f"must be a table of at most {MOST} facts, not {shown(value)}")
        return {}

    def _wrong(self, trail: Trail, says: str) -> None:
        self.problems.append(Problem(trail, says, self._place(trail)))


def _trails(value: Mapping[str, object], above: Trail) -> Iterator[Trail]:
    for name, inner in value.items():
        yield (*above, name)
        if isinstance(inner, Mapping):
            yield from _trails(inner, (*above, name))
