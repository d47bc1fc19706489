"""Asking the issuer about a token (RFC 7662, RFC 9701): for opaque ones, and where it must be of this very moment.

An answer is kept no longer than the token lives and than a revocation may go unnoticed; one that says no is kept for
a moment only; and all who ask for one token at once share one request (attack I-04).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from evergrant.fetch.fetched import Fetched, Unfetched
from evergrant.fetch.fetcher import Fetcher
from evergrant.protocol.basic import write_basic
from evergrant.protocol.compact import Unreadable, json_object
from evergrant.resource.core import Core
from evergrant.resource.discovery import Directory, Undiscovered
from evergrant.resource.flight import Flight
from evergrant.resource.key_source import KeySource
from evergrant.resource.refused import Refused, Why
from evergrant.resource.signed_answer import MEDIA_TYPE, Accept, answer_of

_FOUND: Final = 200
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Introspection:
    """How to ask. *client_id* and *client_secret* are those of this API, registered as a service."""

    client_id: str
    client_secret: str = field(repr=False)
    url: str = ""
    """Where to ask; found by discovery when it is empty."""
    cache_seconds: int = 30
    """The longest that an answer is believed. Where a feed is followed it may be long, for ends are told at once."""
    inactive_seconds: float = 5.0
    at_once: int = 64
    """Requests in the air; whoever comes when there are as many is told to come again."""
    signed: bool = False
    """Ask for signed answers (RFC 9701), and take no others."""
    without_audience: bool = False
    """Take answers that name no audience, from an issuer that tells each API about its own tokens alone."""


class Introspector:
    """Asks. What it learns that is good is remembered by the core, by whoever asked it."""

    def __init__(
        self, how: Introspection, core: Core, fetcher: Fetcher, directory: Directory, keys: KeySource
    ) -> None:  # fmt: skip
        self.how: Final = how
        self._core: Final = core
        self._keys: Final = keys
        self._fetcher: Final = fetcher
        self._directory: Final = directory
        self._flights: dict[str, Flight[dict[str, Any]]] = {}
        self._inactive: dict[int, float] = {}
        """Hash → until when. No text: whoever sends long ones again and again would fill the memory with them."""

    async def claims(self, token: str, by: float) -> dict[str, Any]:
        """What the issuer says of an active token, if it does so until *by*, of the loop's time. Raises `Refused`."""
        now = self._core.clock.monotonic()
        if self._inactive.get(hash(token), now) > now:
            raise Refused(Why.INACTIVE, "the issuer said so a moment ago")
        flight = self._flights.get(token)
        if flight is None or not flight.flying:
            if len(self._flights) >= self.how.at_once:  # what another loop left behind, before a fork perhaps, is gone
                self._flights = {key: other for key, other in self._flights.items() if other.flying}
            if len(self._flights) >= self.how.at_once:
                raise Refused(Why.INTROSPECTION_UNREACHABLE, f"{self.how.at_once} requests are in the air already")
            flight = self._flights[token] = Flight(lambda: self._ask(token))
        task = flight.start()
        if not await flight.join(by) or task.cancelled():
            raise Refused(Why.INTROSPECTION_UNREACHABLE, "no answer within the budget")
        try:
            return dict(task.result())
        except Refused as error:  # many wait for one request: each gets a refusal of its own
            raise Refused(error.why, error.detail) from None

    async def stop(self) -> None:
        """End what is under way."""
        for flight in list(self._flights.values()):
            await flight.stop()

    async def _ask(self, token: str) -> dict[str, Any]:
        try:
            found = await self._answered(token)
        finally:
            self._flights.pop(token, None)
        if found.get("active") is not True:
            self._remember_inactive(token)
            raise Refused(Why.INACTIVE, "the issuer says so")
        return found

    async def _answered(self, token: str) -> dict[str, Any]:
        how = self.how
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        headers = {
            "Authorization": write_basic(how.client_id, how.client_secret),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": MEDIA_TYPE if how.signed else _JSON,
        }
        try:
            url = how.url or (await self._directory.look()).introspection
            if not url:
                raise Undiscovered("the issuer's document names no introspection_endpoint")  # noqa: TRY301
            answer = await self._fetcher.post(url, headers, body)
            if answer.status != _FOUND:
                raise Unreadable(f"the introspection endpoint answers {answer.status}")  # noqa: TRY301 - one place words it
            return await self._signed(answer) if how.signed else json_object(answer.body)
        except (Unfetched, Undiscovered, Unreadable, OSError) as error:
            self._directory.forget()
            raise Refused(Why.INTROSPECTION_UNREACHABLE, f"{type(error).__name__}: {error}") from error

    async def _signed(self, answer: Fetched) -> dict[str, Any]:
        """What a signed answer says. A key that is new is looked for as one of a token (attack J-14)."""
        if answer.media_type != MEDIA_TYPE:
            raise Unreadable("the answer is not signed")
        core = self._core
        by = asyncio.get_running_loop().time() + core.limits.fetch_seconds
        await self._keys.ready(by)
        accept = Accept(core.rules, self.how.client_id, core.clock.now())
        found = None if core.keys is None else answer_of(answer.body, core.keys, accept)
        if found is None and await self._keys.again(by) and core.keys is not None:
            found = answer_of(answer.body, core.keys, accept)
        if found is None:
            raise Unreadable("an answer with a key that the issuer does not publish")
        return found

    def _remember_inactive(self, token: str) -> None:
        if len(self._inactive) >= self._core.limits.most_tokens:
            self._inactive.clear()
        self._inactive[hash(token)] = self._core.clock.monotonic() + self.how.inactive_seconds
