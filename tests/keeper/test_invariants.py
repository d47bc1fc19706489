"""What holds whatever happens: two keepers, one vault, a provider that misbehaves, deaths, failures, clocks.

The provider takes a spent token again for a day, so nothing may ever be lost, and no user may ever be asked.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import KeeperError, NeedsReauth
from evergrant.keeper.event import What
from evergrant.keeper.provider.model import Retry, Rotates
from evergrant.keeper.service.points import Point
from evergrant.keeper.service.sealed import access_of
from evergrant.testing.chaos import MODES, PLAIN
from evergrant.testing.chaos.mode import Kind
from tests.keeper.cable import Cable, Killed, Killing
from tests.keeper.living import Life, living, settled

WINDOWED = replace(PLAIN, retry=Retry.WINDOW, grace=10 * 86_400, rotates=Rotates.ALWAYS)
DEFINITE = {"withdrawn", "invalid_grant", "invalid_client", "interaction_required", "invalid_scope", "wrong_subject"}
REAL_SECONDS = {"slow_reply", "held_reply", "late_spend"}
FAULTS = sorted(name for name, mode in MODES.items() if mode.kind is Kind.FAULT and name not in DEFINITE | REAL_SECONDS)
ACCOUNTS = ("ada", "bea")
VERBS = ("load", "claim", "intend", "journal", "change", "release", "renew", "look_up")
KEEPERS = st.integers(0, 1)


class Keeping(RuleBasedStateMachine):
    """One example: a provider, a vault and two keepers, until the end of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FixedClock()
        self.committed: set[str] = set()
        self.leases: list[Any] = []
        self.does(self._begin())

    def does(self, work: Any) -> Any:
        return self.runner.run(asyncio.wait_for(work, 8))

    async def _begin(self) -> None:
        self.context = living(
            WINDOWED, "replay_window:seconds=864000", clock=self.clock, claim_seconds=45, breaker_after=1000,
            backoff_most=60, wait_seconds=0.1, per_second=100_000,
        )  # fmt: skip
        self.life: Life = await self.context.__aenter__()
        original = self.life.vault.change

        async def change(one: Any) -> None:
            await original(one)
            sealer = (await self.life.keeper.rooms()).ground.sealer
            for record in one.records:
                token = access_of(sealer, one.connection.tenant, record)
                if token is not None:
                    self.committed.add(token.reveal())

        self.life.vault.change = change  # type: ignore[method-assign]
        for account in ACCOUNTS:
            await self.life.connect(account)
        self.cables = [Cable(self.life.vault), Cable(self.life.vault)]
        self.keepers = [self._another(0), self._another(1)]

    def _another(self, which: int) -> Any:
        async def pause(seconds: float) -> None:
            self.clock.advance(max(1, round(seconds)))
            await asyncio.sleep(0)

        return self.life.another(vault=self.cables[which], pause=pause)

    # ---- what may happen

    @rule(which=KEEPERS, account=st.sampled_from(ACCOUNTS))
    def somebody_leases(self, which: int, account: str) -> None:
        self.does(self._leased(which, account))

    async def _leased(self, which: int, account: str) -> None:
        with suppress(KeeperError):
            try:
                lease = await self.keepers[which].lease("here", account)
            except NeedsReauth as error:
                raise AssertionError(str(error)) from error
            assert lease.token.reveal() in self.committed
            self.leases.append(lease)

    @rule(which=KEEPERS)
    def both_lease_at_once(self, which: int) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._leased(one, account) for one in (0, 1) for account in ACCOUNTS))

        del which
        self.does(all_of_them())

    @rule(which=KEEPERS)
    def an_api_answers_401(self, which: int) -> None:
        async def reported() -> None:
            with suppress(KeeperError):
                await self.keepers[which].report_unauthorized(self.leases[-1])

        if self.leases:
            self.does(reported())

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 3))
    def the_provider_misbehaves(self, fault: str, times: int) -> None:
        self.life.chaos.set(fault, times=times)

    @rule(which=KEEPERS, verb=st.sampled_from(VERBS), times=st.integers(1, 3))
    def the_vault_fails(self, which: int, verb: str, times: int) -> None:
        self.cables[which].failing[verb] = times

    @rule(which=KEEPERS, account=st.sampled_from(ACCOUNTS), point=st.sampled_from(Point))
    def a_process_dies(self, which: int, account: str, point: Point) -> None:
        async def died() -> None:
            cable = self.cables[which]
            with Killing(point, cable) as killing, suppress(Killed, KeeperError):
                await self.keepers[which].lease("here", account)
                await settled(self.keepers[which])
            if killing.fired:
                self.cables[which] = Cable(self.life.vault)
                self.keepers[which] = self._another(which)

        self.does(died())

    @rule(which=KEEPERS)
    def the_background_works(self, which: int) -> None:
        async def worked() -> None:
            with suppress(Exception):
                await (await self.keepers[which].rooms()).running.round()

        self.does(worked())

    @rule(seconds=st.sampled_from([1, 10, 46, 600, 3000, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(step=st.sampled_from([-3600, -60, -5, 5, 60, 3600]))
    def the_clock_steps(self, step: int) -> None:
        self.clock.set(self.clock.now() + step)

    # ---- what must hold

    @invariant()
    def no_token_is_ever_in_flight_twice(self) -> None:
        assert self.life.chaos.ledger.most_in_flight <= 1

    @invariant()
    def no_grant_dies_and_no_user_is_asked(self) -> None:
        assert not self.life.chaos.ledger.killed
        assert self.life.chaos.ledger.astray == 0
        told = [one.event.what for one in self.life.vault._events]
        assert What.NEEDS_REAUTH not in told

    @invariant()
    def no_secret_is_in_an_event_or_a_letter(self) -> None:
        said = repr(self.life.vault._events) + repr(self.life.vault._letters) + repr(self.life.vault._connections)
        assert "cha_" not in said
        assert "chr_" not in said

    def teardown(self) -> None:
        try:
            self.does(self._recovers())
        finally:
            self.does(self._end())
            self.runner.close()

    async def _recovers(self) -> None:
        """When the trouble is over, every account is served again, and nothing is left open."""
        self.life.chaos.clear()
        for cable in self.cables:
            cable.failing.clear()
        for account in ACCOUNTS:
            found = None
            for _ in range(40):
                # A clock that was put back makes a token live longer: then it takes more than one hour.
                self.clock.advance(3700)
                with suppress(KeeperError):
                    await self.keepers[0].lease("here", account)
                await settled(self.keepers[0])
                found = await self.life.vault.load("", f"con_{account}")
                if found is not None and found.connection.health is Health.ACTIVE and not found.intents:
                    break
            else:
                raise AssertionError(found)
            assert await self.keepers[0].lease("here", account)

    async def _end(self) -> None:
        for keeper in self.keepers:
            await settled(keeper)
        for keeper in self.keepers:
            await keeper.close()
        self.life.vault._closed = False
        await self.context.__aexit__(None, None, None)


Keeping.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.long
class TestKeepInv1To7(Keeping.TestCase):  # type: ignore[name-defined, misc]
    """Keeper invariants 1 to 5 and 7, in process (6 is in the keyring's and sealing's own tests)."""
