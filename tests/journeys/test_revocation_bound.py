"""A revoked token is refused within a second, by the feed's own steps: the looks at the store and the ways between."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from evergrant.issuer.service.feed import LOOK_SECONDS
from evergrant.resource import Follow, Refused, Verifier, Why
from evergrant.resource.keyset import read_set
from evergrant.testing.in_process import ISSUER, Issuer, running
from tests.following import Follower, following, reader_of
from tests.issuing import Held, again, hold, post_as
from tests.jumping import JumpingLoop, on_jumping_loop

PROMISED = 1.0
VERIFIERS = 5
MOMENTS = (0.0, 0.013, 0.049, 0.3, 0.951, 0.999, 2.5)
"""Seconds that pass before a revocation: it may come just after a look, just before one, and around a beat."""


class Watch:
    """A verifier that is told what a stream of the issuer's says, and when it first refused a token."""

    def __init__(self, issuer: Issuer, keys: bytes, stream: Follower) -> None:
        self.verifier = Verifier.for_issuer(
            ISSUER, audience=f"{ISSUER}/resource", follow=Follow("api", "made up for a test"), clock=issuer.clock
        )
        core = self.verifier._core
        core.take(read_set(keys, core.rules.algorithms))
        core.keys_until = float("inf")
        self.stream, self.told = stream, 0

    def outcome(self, token: str) -> Why | None:
        """Why the token is refused after all that the stream has said; None while it is accepted."""
        follower: Any = self.verifier._asking._follower
        for frame in self.stream.frames[self.told :]:
            follower._take(frame)
        self.told = len(self.stream.frames)
        try:
            access = self.verifier.at_once(f"Bearer {token}")
        except Refused as refused:
            return refused.why
        assert access is not None
        return None


async def revoked(held: Held, watches: list[Watch]) -> list[float]:
    """How long each verifier has accepted the token after its revocation was answered."""
    loop = asyncio.get_running_loop()
    assert [watch.outcome(held.access) for watch in watches] == [None] * len(watches)
    await post_as(held.issuer, "/revoke", held.client, held.secret, {"token": held.refresh})
    answered = loop.time()

    async def refused(watch: Watch) -> float:
        await watch.stream.until(lambda _: watch.outcome(held.access) is Why.ENDED)
        return loop.time() - answered

    return await asyncio.gather(*map(refused, watches))


async def whole(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    async with running(folder) as issuer, AsyncExitStack() as streams:
        await issuer.person()
        first = await hold(issuer)
        helds = [first, *[await again(first) for _ in MOMENTS[1:]]]
        keys, reader = (await issuer.browser().get("/jwks")).body, await reader_of(issuer)
        opened = [await streams.enter_async_context(following(issuer, reader)) for _ in range(VERIFIERS)]
        watches = [Watch(issuer, keys, stream) for stream in opened]
        loop.jump()
        for moment, held in zip(MOMENTS, helds, strict=True):
            await asyncio.sleep(moment)
            spent = await revoked(held, watches)
            assert max(spent) <= LOOK_SECONDS * 1.001 < PROMISED, (moment, spent)


@pytest.mark.filterwarnings("error")
def test_a_revoked_token_is_refused_by_every_follower_within_one_look_at_the_store(tmp_path: Path) -> None:
    on_jumping_loop(whole(tmp_path))
