"""What is asked of the issuer, in its order: its keys, what has ended, and what an opaque token is worth."""

import asyncio
from typing import Final

from evergrant.entropy import Entropy
from evergrant.fetch.fetcher import Fetcher
from evergrant.protocol.ending import MARGIN
from evergrant.resource import kinds
from evergrant.resource.access import Access
from evergrant.resource.authorization import Presented
from evergrant.resource.claims import judge
from evergrant.resource.core import Core
from evergrant.resource.discovery import Directory
from evergrant.resource.follow import Follow, Follower, WhenBlind
from evergrant.resource.introspection import Introspection, Introspector
from evergrant.resource.key_source import KeySource
from evergrant.resource.refused import Refused, Why


class Asking:
    """Everything of a verifier that waits for the issuer."""

    def __init__(
        self, core: Core, fetcher: Fetcher, keys_url: str, introspection: Introspection | None, follow: Follow | None,
        entropy: Entropy,
    ) -> None:  # fmt: skip
        self._core: Final = core
        self._directory: Final = Directory(core.rules.issuer, fetcher.get)
        self._keys: Final = KeySource(core, fetcher, self._directory, keys_url)
        self._introspector = None
        if introspection is not None:
            self._introspector = Introspector(introspection, core, fetcher, self._directory, self._keys)
        self._follower = None if follow is None else Follower(follow, core, fetcher, self._directory, entropy)
        if follow is not None and follow.when_blind is WhenBlind.INTROSPECT and introspection is None:
            raise ValueError("who introspects when the feed is silent must say how: introspection is missing")
        if follow is not None and core.rules.leeway > MARGIN:
            raise ValueError(f"a feed remembers {MARGIN} seconds longer than tokens live: the leeway cannot be more")

    def start(self) -> None:
        """Begin what runs in the background, in the running loop."""
        if self._follower is not None:
            self._follower.start()

    async def stop(self) -> None:
        """End it."""
        if self._follower is not None:
            await self._follower.stop()
        if self._introspector is not None:
            await self._introspector.stop()
        await self._keys.stop()
        await self._directory.stop()

    async def access(self, presented: Presented) -> Access:
        """The access behind a token that memory does not know. Raises `Refused`."""
        by = asyncio.get_running_loop().time() + self._core.limits.budget_seconds
        if self._follower is not None:
            await self._follower.ready(by)
        if not presented.dotted:
            return await self._opaque(presented, by)
        access = await self._signed(presented, by)
        if self._follower is not None and self._follower.blind and self._introspector is not None:
            await self._introspector.claims(presented.token, by)
        return access

    async def _signed(self, presented: Presented, by: float) -> Access:
        core = self._core
        await self._keys.ready(by)
        access = core.judged(presented)
        if access is None and await self._keys.again(by):
            access = core.judged(presented)
        if access is None:
            raise Refused(Why.UNKNOWN_KEY, "the issuer publishes no key of that id and algorithm")
        return access

    async def _opaque(self, presented: Presented, by: float) -> Access:
        token, core = presented.token, self._core
        kind = kinds.of_text(token)
        if kind is not None and (kind is not Why.OPAQUE or self._introspector is None):
            raise Refused(kind, "its prefix says so")
        if token.count(".") == 4:  # noqa: PLR2004 - RFC 7516 section 7.1
            raise Refused(Why.ENCRYPTED, "five parts: encrypted tokens are not read")
        if self._introspector is None:
            raise Refused(Why.NOT_A_TOKEN, "no JWT, and no introspection is set up")
        how, (epoch, revision) = self._introspector.how, core.mark()
        said = await self._introspector.claims(token, by)
        now = core.clock.now()
        access = judge(_completed(said, core, how, now), core.rules, now, opaque=True)
        core.living(access)
        core.remember(presented, access, min(access.expires_at, now + how.cache_seconds), epoch, revision)
        return access


def _completed(said: dict[str, object], core: Core, how: Introspection, now: int) -> dict[str, object]:
    """The claims of an answer (RFC 7662 section 2.2), of which all but `active` may be left out. Raises `Refused`."""
    habit = kinds.of_habit(said)
    kind = str(said.get("token_type") or "Bearer").lower()
    if habit is not None or kind not in {"bearer", "dpop", "n_a"}:
        raise Refused(habit or Why.REFRESH_TOKEN, "the issuer knows it, as something else than an access token")
    found = {"iss": core.rules.issuer, "exp": now + how.cache_seconds, **said}
    if how.without_audience and "aud" not in said:
        found["aud"] = sorted(core.rules.audience)
    return found
