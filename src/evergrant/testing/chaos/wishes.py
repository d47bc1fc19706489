"""Asking for modes: how a wish is written, and which of them are in force for how long."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from evergrant.testing.chaos.behaviour import Behaviour
from evergrant.testing.chaos.mode import EVERYTHING, Mode, NoSuchMode, Occasion, Values
from evergrant.testing.chaos.modes import MODES


@dataclass(frozen=True, slots=True)
class Wish:
    """A mode that is asked for. *times* and *chance* None: always."""

    mode: Mode
    values: Values
    on: frozenset[Occasion]
    times: int | None = None
    chance: float | None = None

    def __str__(self) -> str:
        said = [f"{name}={json.dumps(value)}" for name, value in self.values.items() if value != self.mode.takes[name]]
        said += [f"times={self.times}"] if self.times is not None else []
        said += [f"chance={self.chance}"] if self.chance is not None else []
        said += [f"on={'+'.join(sorted(self.on))}"] if self.on != self.mode.on else []
        return ":".join([self.mode.name, *([",".join(said)] if said else [])])


def wish(text: str, **more: Any) -> Wish:
    """Read `lost_reply`, `slots:most=3` or `unavailable:chance=0.1,on=exchange+refresh`; *more* counts like the text.

    With `times=N` the mode is in force for the next N requests it is about (refreshes, unless `on=` says otherwise),
    with `chance=P` each time with that probability. Raises `NoSuchMode`.
    """
    name, _, rest = text.partition(":")
    mode = MODES.get(name.strip().replace("-", "_"))
    if mode is None:
        near = get_close_matches(name, MODES)
        raise NoSuchMode(f"no such mode: {name}{f'; did you mean {near[0]}?' if near else ''}")
    said: dict[str, Any] = dict(_settings(mode.name, rest), **more)
    times, chance, on = said.pop("times", None), said.pop("chance", None), said.pop("on", None)
    for key in said:
        if key not in mode.takes:
            known = ", ".join([*mode.takes, "times", "chance", "on"])
            raise NoSuchMode(f"{mode.name} has no setting {key!r}; it has {known}")
    if on is None and (times is not None or chance is not None) and mode.on == EVERYTHING:
        on = "refresh"
    where = mode.on if on is None else _occasions(on)
    return Wish(mode, {**mode.takes, **_checked(mode, said)}, where, _whole("times", times), _part(chance))


def _settings(name: str, text: str) -> Iterable[tuple[str, Any]]:
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise NoSuchMode(f"{name}: {part!r} is not of the form setting=value")
        yield key.strip(), _value(value.strip())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(mode: Mode, said: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in said.items():
        usual = mode.takes[key]
        if isinstance(usual, int | float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise NoSuchMode(f"{mode.name}: {key} is a number, not {value!r}")
    return said


def _occasions(on: object) -> frozenset[Occasion]:
    if on == "any":
        return EVERYTHING - {Occasion.CONNECTION}
    try:
        return frozenset(Occasion(part) for part in str(on).split("+"))
    except ValueError:
        raise NoSuchMode(f"on={on}: there are {', '.join(Occasion)}, several joined by +, and any") from None


def _whole(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise NoSuchMode(f"{name} is a whole number, not {value!r}")


def _part(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        return value
    raise NoSuchMode(f"chance is a number from 0 to 1, not {value!r}")


class InForce:
    """The modes in force, with what is left of each. *dice* gives numbers from 0 to 1."""

    def __init__(self, wishes: Iterable[Wish], dice: Callable[[], float]) -> None:
        """Begin with *wishes*."""
        self._dice = dice
        self._wishes: list[list[Any]] = []
        self.add(*wishes)

    def add(self, *wishes: Wish) -> None:
        """Let further modes come into force, after those there are."""
        self._wishes += [[one, one.times] for one in wishes]

    def clear(self) -> None:
        """Let none be in force."""
        self._wishes.clear()

    @property
    def wishes(self) -> list[Wish]:
        """What is in force, with the number of times that are left."""
        return [replace(one, times=left) for one, left in self._wishes]

    def changed(self, behaviour: Behaviour, occasion: Occasion) -> tuple[Behaviour, tuple[str, ...]]:
        """The behaviour at one request, and the names of the modes that made it so; their times are counted down."""
        names = []
        for entry in self._wishes:
            one, left = entry
            if occasion not in one.on or left == 0:
                continue
            if one.chance is not None and self._dice() >= one.chance:
                continue
            if left is not None:
                entry[1] = left - 1
            behaviour = one.mode.change(behaviour, one.values)
            names.append(one.mode.name)
        self._wishes = [entry for entry in self._wishes if entry[1] != 0]
        return behaviour, tuple(names)
