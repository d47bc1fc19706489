"""Kinds of value that are numbers: plain, or with a unit of time or of size. What a kind is, is said in `kinds`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from evergrant.config.kinds import Kind

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

_WITH_UNIT: Final = re.compile(r"([0-9]{1,12})\s*([A-Za-z]{1,3})", re.ASCII)


@dataclass(frozen=True)
class Whole(Kind[int]):
    """A whole number between two bounds."""

    natural: ClassVar[tuple[type, ...]] = (int,)

    least: int = 0
    most: int = 2**31 - 1

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: object) -> int:
        """Read an integer; a boolean is not one."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise self.wrong(value)
        return value

    def read_text(self, text: str) -> int:
        """Read decimal digits."""
        if re.fullmatch(r"-?[0-9]{1,12}", text, re.ASCII) is None:
            raise self.wrong(text)
        return self.read(int(text))


@dataclass(frozen=True)
class Scaled(Whole):
    """A whole number that may be written with a unit."""

    natural: ClassVar[tuple[type, ...]] = (int, str)

    units: ClassVar[Mapping[str, int]]

    most: int = 2**40

    def read(self, value: object) -> int:
        """Read a plain number, or a string with a unit."""
        number = value
        if isinstance(value, str):
            found = _WITH_UNIT.fullmatch(value)
            if found is None or found[2] not in self.units:
                raise self.wrong(value)
            number = int(found[1]) * self.units[found[2]]
        if isinstance(number, bool) or not isinstance(number, int) or not self.least <= number <= self.most:
            raise self.wrong(value)
        return number

    def read_text(self, text: str) -> int:
        """Read digits alone as a plain number, anything else with its unit."""
        return self.read(int(text) if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) else text)

    def write(self, value: int) -> str:
        """Write with the largest unit that divides the number."""
        return f'"{self._spelled(value)}"'

    def _spelled(self, value: int) -> str:
        fitting = [(factor, unit) for unit, factor in self.units.items() if value % factor == 0]
        factor, unit = max(fitting) if value else min(fitting)
        return f"{value // factor}{unit}"


@dataclass(frozen=True)
class Duration(Scaled):
    """A number of seconds."""

    units: ClassVar[Mapping[str, int]] = SECONDS

    most: int = 10 * 366 * 86400

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        bounds = f"from {self._spelled(self.least)} to {self._spelled(self.most)}"
        return f'a duration {bounds}: seconds, or a string such as "90s", "15m", "12h", "30d"'

    @property
    def unit(self) -> str:
        """Name the unit."""
        return "seconds"


@dataclass(frozen=True)
class Size(Scaled):
    """A number of bytes."""

    units: ClassVar[Mapping[str, int]] = BYTES

    most: int = 2**30

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        bounds = f"from {self._spelled(self.least)} to {self._spelled(self.most)}"
        return f'a size {bounds}: bytes, or a string such as "512B", "64KiB", "1MiB"'

    @property
    def unit(self) -> str:
        """Name the unit."""
        return "bytes"
