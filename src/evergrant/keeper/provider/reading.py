"""From tables of plain values to facts, each read by its kind; everything that is wrong is told at once.

What lives here: walking a document, or an override, along the schema. What must not: the model (`load`), files
(`document`), what contradicts what (`rules`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evergrant.keeper.provider.address import NAME
from evergrant.keeper.provider.kinds import MOST, Text, shown
from evergrant.keeper.provider.problem import Problem, Trail, near
from evergrant.keeper.provider.schema import FACTS, LISTED, NAMED, SECTIONS, TOP, Fact

Place = Callable[[Trail], str]


@dataclass(frozen=True, slots=True)
class Stated:
    """What a document states: values as the model wants them, and problems."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def stated(self) -> frozenset[str]:
        """The dotted names of everything that is stated."""
        return frozenset(".".join(trail) for trail in _trails(self.values, ()))


def read_facts(values: Mapping[str, object], place: Place, *, whole: bool) -> Stated:
    """Read a document's *values*. *whole*: facts that a file needs must be there; not so in an override."""
    facts = Stated()
    _read_table({key: each for key, each in values.items() if key not in _SHELVES}, FACTS, (), facts, place, whole, TOP)
    for name, table in SECTIONS.items():
        if name in values:
            inner = _table(values[name], (name,), facts, place)
            facts.values[name] = _read_table(inner, table, (name,), facts, place, whole)
        elif whole and name == "revoke":
            facts.problems.append(
                Problem((), 'has no [revoke]; write one, with verb = "none" if there is no way', place(()))
            )
    for name, table in NAMED.items():
        if name in values:
            facts.values[name] = _read_named(values[name], name, table, facts, place, whole=whole)
    for name, table in LISTED.items():
        if name in values:
            facts.values[name] = _read_listed(values[name], name, table, facts, place)
    return facts


_SHELVES = frozenset({*SECTIONS, *NAMED, *LISTED})


def _read_table(
    values: Mapping[str, object], known: tuple[Fact, ...], above: Trail, facts: Stated, place: Place, whole: bool,  # noqa: FBT001
    names: tuple[str, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    by_name = {fact.name: fact for fact in known}
    found = facts.values if not above else {}
    for name, value in values.items():
        trail = (*above, str(name)[:60])
        if name not in by_name:
            hint = near(str(name), names or by_name)
            facts.problems.append(Problem(trail, f"is not a fact that exists{hint or '; remove it'}", place(trail)))
            continue
        try:
            found[name] = by_name[name].kind.read(value)
        except ValueError as error:
            facts.problems.append(Problem(trail, str(error), place(trail)))
    for fact in known:
        if whole and fact.needed and fact.name not in values:
            missing = Problem(above, f"has no {fact.name} ({fact.about}), and needs one", place(above))
            facts.problems.append(missing)
    return found


def _read_named(
    value: object, name: str, known: tuple[Fact, ...], facts: Stated, place: Place, *, whole: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each, inner in _table(value, (name,), facts, place).items():
        trail = (name, str(each)[:60])
        try:
            Text(40, empty=False, pattern=NAME, expects="lower-case letters, digits and _").read(each)
        except ValueError as error:
            facts.problems.append(Problem(trail, f"has a name that {error}", place(trail)))
            continue
        found[each] = _read_table(_table(inner, trail, facts, place), known, trail, facts, place, whole)
    return found


def _read_listed(
    value: object, name: str, known: tuple[Fact, ...], facts: Stated, place: Place
) -> list[dict[str, Any]]:
    if not isinstance(value, list | tuple) or len(value) > MOST:
        says = f"must be a list of at most {MOST} tables in square brackets, not {shown(value)}"
        facts.problems.append(Problem((name,), says, place((name,))))
        return []
    found = []
    for index, inner in enumerate(value):
        trail = (name, str(index))
        found.append(_read_table(_table(inner, trail, facts, place), known, trail, facts, place, whole=False))
    return found


def _table(value: object, trail: Trail, facts: Stated, place: Place) -> Mapping[str, object]:
    if isinstance(value, Mapping) and len(value) <= MOST:
        return value
    says = f"must be a table of at most {MOST} facts, not {shown(value)}"
    facts.problems.append(Problem(trail, says, place(trail)))
    return {}


def _trails(value: Mapping[str, object], above: Trail) -> Iterator[Trail]:
    for name, inner in value.items():
        yield (*above, name)
        if isinstance(inner, Mapping):
            yield from _trails(inner, (*above, name))
