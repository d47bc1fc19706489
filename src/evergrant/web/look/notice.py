"""One message at the top of a page: something that was just done, or something to know."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Notice:
    """*tone* chooses the colour and the mark beside it."""

    text: str
    tone: Literal["good", "plain", "warning"] = "good"
