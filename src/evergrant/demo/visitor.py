"""What the sample application remembers of one browser: sign-ins on their way, the tokens it holds, what happened last.

In memory only, and bounded: the demo ends with its process. Tokens are `Secret`s and leave only towards the issuer.
"""

import asyncio
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from evergrant.demo.oidc import Begun, Tokens
from evergrant.demo.outcome import Outcome
from evergrant.domain.secret import Secret, fingerprint
from evergrant.entropy import Entropy

MOST_VISITORS: Final = 200
MOST_PENDING: Final = 10


@dataclass(slots=True)
class Purse:
    """The tokens of one family. *held* is every refresh token the application was given, by its place in the chain.

    A real application forgets a spent token at once. This one keeps them, because it also has to play the thief:
    *stolen* is what the thief got out of the issuer, by its place in the chain.
    """

    tokens: Tokens
    family_id: str
    account_id: str
    held: dict[int, Secret]
    name: str = ""
    current: int = 0
    stolen: dict[int, Secret] = field(default_factory=dict)
    refused: bool = False

    @property
    def head(self) -> Secret:
        """The refresh token that the application would present next."""
        return self.held[self.current]

    def take(self, tokens: Tokens) -> int:
        """Hold what a refresh gave; the place of its refresh token in the chain."""
        known = next((place for place, token in self.held.items() if token == tokens.refresh), None)
        place = self.current + 1 if known is None else known
        self.tokens, self.current, self.refused = tokens, place, False
        self.held[place] = tokens.refresh
        return place

    def fingerprints(self) -> dict[int, str]:
        """Every refresh token known here, the thief's too, by its place in the chain."""
        known = {**self.stolen, **self.held}
        return {place: fingerprint(token.reveal()) for place, token in known.items()}


@dataclass(slots=True)
class Visitor:
    """One browser. *said*: the latest outcome of each step. *done*: the steps taken. *toured*: all of them, once."""

    csrf: str
    pending: OrderedDict[str, Begun] = field(default_factory=OrderedDict)
    purse: Purse | None = None
    said: dict[str, Outcome] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    toured: bool = False
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    def remember(self, begun: Begun) -> None:
        """Keep a sign-in on its way; several tabs may each have one."""
        self.pending[begun.state] = begun
        while len(self.pending) > MOST_PENDING:
            self.pending.popitem(last=False)

    def forget(self) -> None:
        """Nobody is signed in any more."""
        self.purse = None
        self.said.clear()
        self.done.clear()


class Visitors:
    """Every browser seen lately, by its cookie; the one not seen for longest goes first."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._known: OrderedDict[str, Visitor] = OrderedDict()

    def find(self, cookie: str) -> Visitor | None:
        visitor = self._known.get(cookie)
        if visitor is not None:
            self._known.move_to_end(cookie)
        return visitor

    def welcome(self) -> tuple[str, Visitor]:
        """A new browser, and the cookie that names it."""
        cookie = self._random()
        visitor = self._known[cookie] = Visitor(self._random())
        while len(self._known) > MOST_VISITORS:
            self._known.popitem(last=False)
        return cookie, visitor

    def rename(self, visitor: Visitor) -> str:
        """A new cookie for a browser that has just signed in: whoever planted the old one has nothing."""
        self._known = OrderedDict((name, known) for name, known in self._known.items() if known is not visitor)
        cookie = self._random()
        self._known[cookie] = visitor
        return cookie

    def _random(self) -> str:
        return urlsafe_b64encode(self._entropy.draw(32)).rstrip(b"=").decode("ascii")
