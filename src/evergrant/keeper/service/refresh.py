"""Refreshing one record: claimed, noted, sent once, journalled, committed; then, and only then, served.

However many threads, processes and hosts ask, one of them spends, and whatever it leaves unfinished the next one
finishes: an intent that is open when the claim is taken is a doubt, and doubts are resolved before anything is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from evergrant.keeper.connection import Connection, Health, Intent, Reason, Record
from evergrant.keeper.decision.health import REFRESHING
from evergrant.keeper.decision.outcome import Ending
from evergrant.keeper.decision.verdict import ClientRefused, Granted
from evergrant.keeper.decision.window import Need, need
from evergrant.keeper.errors import NeedsReauth, NotUsable, RefreshInProgress, TryLater, UnknownConnection, VaultTrouble
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service import points
from evergrant.keeper.service.budget import Budget
from evergrant.keeper.service.clients import Clients
from evergrant.keeper.service.commit import Committer
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.failed import failure
from evergrant.keeper.service.flights import Flights
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.hold import Hold
from evergrant.keeper.service.learn import Learner
from evergrant.keeper.service.recover import Recoverer
from evergrant.keeper.service.spend import LEAST_SECONDS, Spender
from evergrant.keeper.service.watch import Watch
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Fenced, Found, Missing, VaultUnavailable

POLL_LEAST: Final = 0.02
POLL_MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Wish:
    """A record that should have a version above *beyond*."""

    tenant: str
    connection_id: str
    name: str
    beyond: int


@dataclass(frozen=True, slots=True)
class Spot:
    """What a refresher looks at: the connection as just read, and the facts that hold for it."""

    found: Found
    record: Record
    ours: Client
    provider: Provider

    @property
    def connection(self) -> Connection:
        return self.found.connection

    @property
    def intent(self) -> Intent | None:
        return self.found.intents.get(self.record.name)


class Refresher:
    """Refreshes records, each by one flight at a time."""

    def __init__(self, ground: Ground, *, owner: str, budget: Budget, clients: Clients, watch: Watch) -> None:
        self._ground = ground
        self._owner = owner
        self._budget = budget
        self._clients = clients
        self._watch = watch
        self._facts = Facts(ground.catalog)
        self._spender = Spender(ground)
        self._committer = Committer(ground, owner)
        self._learner = Learner(ground)
        self._recoverer = Recoverer(ground, self._spender, self._committer)
        self._unsent: dict[str, Intent] = {}
        """Intents of ours that were written, or perhaps were, and under which nothing has been sent."""
        self.changed: Callable[[str], None] = lambda _: None
        """Told the id of every connection that was changed here."""
        self.flights: Flights[Found] = Flights(ground.clock, ground.settings.failure_seconds)

    async def refresh(self, wish: Wish, *, wait: float | None = None) -> Found:
        """The connection once the record is newer than wished. Raises what `errors` has, `RefreshInProgress` late."""
        key = (wish.connection_id, wish.name)
        failed = self.flights.failed(key)
        if failed is not None:
            raise failed
        bound = self._ground.settings.wait_seconds if wait is None else wait
        found = await self.flights.join(key, lambda: self._fly(wish), bound)
        if found.records[wish.name].version <= wish.beyond:
            # The flight had begun for an older wish.
            found = await self.flights.join(key, lambda: self._fly(wish), bound)
        return found

    def start(self, wish: Wish) -> None:
        """Refresh in the background; failures are in the connection's health, where they belong."""
        key = (wish.connection_id, wish.name)
        if self.flights.failed(key) is None and not self.flights.flying(key):
            self.flights.start(key, lambda: self._fly(wish))

    def wants(self, found: Found, record: Record) -> bool:
        """Whether the background should refresh *record* now. Raises `UnknownProvider`, `BadRequest`."""
        connection, now = found.connection, self._ground.clock.now()
        ours = self._ground.client(connection.client)
        wanted = need(record, self._facts.of(ours, connection), now) is not Need.NOTHING
        return wanted and now >= connection.retry_at and connection.health in REFRESHING

    async def _fly(self, wish: Wish) -> Found:
        try:
            return await self._lead(wish)
        except VaultUnavailable as error:
            msg = "the vault does not read or write at the moment; nothing was spent"
            raise VaultTrouble.of(error, msg) from error
        except Unreadable as error:
            msg = f"what is kept of connection {wish.connection_id} does not open: a wrong key, or a changed row"
            raise NotUsable(msg, Health.DEGRADED, Reason.RECORD_UNREADABLE) from error
        except Missing as error:
            msg = f"connection {wish.connection_id} was removed meanwhile"
            raise UnknownConnection(msg) from error
        finally:
            self.changed(wish.connection_id)

    async def _lead(self, wish: Wish) -> Found:
        waited = 0.0
        delay = POLL_LEAST
        while True:
            spot = await self.spot(wish)
            if spot.record.version > wish.beyond and spot.intent is None:
                return spot.found
            self._check(spot)
            await self._clients.admit(spot.ours)
            async with self._budget.turn(spot.ours.name, spot.provider):
                hold = await Hold.take(self._ground, self._owner, wish.tenant, wish.connection_id, wish.name)
                if hold is not None:
                    points.reached(points.Point.CLAIMED)
                    try:
                        return await self._inside(hold, wish)
                    finally:
                        await hold.release()
            if waited >= self._ground.settings.wait_seconds:
                msg = "another process is refreshing this connection and has not finished in time"
                raise RefreshInProgress(msg, 2, Reason.NONE)
            await self._ground.pause(delay)
            waited, delay = waited + delay, min(delay * 2, POLL_MOST)

    async def spot(self, wish: Wish) -> Spot:
        """Read the connection and its facts. Raises `UnknownConnection`."""
        found = await self._ground.vault.load(wish.tenant, wish.connection_id)
        if found is None or wish.name not in found.records:
            msg = f"there is no connection {wish.connection_id} with a record {wish.name}"
            raise UnknownConnection(msg)
        ours = self._ground.client(found.connection.client)
        return Spot(found, found.records[wish.name], ours, self._facts.of(ours, found.connection))

    def _check(self, spot: Spot) -> None:
        connection, record = spot.connection, spot.record
        if connection.health is Health.NEEDS_REAUTH:
            msg = f"{connection.account} at {connection.client} has to be connected again: {connection.reason.value}"
            raise NeedsReauth(msg, connection.reason)
        if connection.health not in REFRESHING:
            msg = f"{connection.account} at {connection.client} is {connection.health.value}"
            raise NotUsable(msg, connection.health, connection.reason)
        if not record.refresh_token:
            msg = f"{connection.account} at {connection.client} has no refresh token"
            raise NeedsReauth(msg, Reason.NO_REFRESH_TOKEN)
        if record.fingerprint in record.dead:
            msg = f"the provider has declared the refresh token of {connection.account} dead"
            raise NeedsReauth(msg, Reason.GRANT_DEAD)
        wait = connection.retry_at - self._ground.clock.now()
        if wait > 0:
            msg = f"the last refresh of {connection.account} at {connection.client} failed; the next try is in {wait} s"
            raise TryLater(msg, wait, connection.reason)

    async def _inside(self, hold: Hold, wish: Wish) -> Found:
        """Everything that happens under the claim, beginning with a second look."""
        spot = await self.spot(wish)
        if spot.record.version > wish.beyond and spot.intent is None:
            return spot.found
        self._check(spot)
        self._enough(hold)
        intent = spot.intent
        ending: Ending | None = None
        if intent is None:
            intent = await self._intend(hold, spot)
            ending = await self._spend(hold, spot, intent)
        elif self._unsent.get(intent.id) == intent:
            # Nobody else has touched it since: what it announced can still be done.
            intent = self._unsent[intent.id] = await self._recoverer.renewed(hold, intent)
            ending = await self._spend(hold, spot, intent)
        doubt = await self._recoverer.settle(hold, spot, intent, ending, self._spend)
        if isinstance(doubt.ending, ClientRefused):
            await self._clients.suspend(spot.ours, doubt.ending)
        elif isinstance(doubt.ending, Granted):
            await self._clients.works(spot.ours)
            await self._watch.refreshed(spot.connection, spot.record)
        await self._watch.ended(doubt.found)
        error = failure(doubt.ending, doubt.found.connection, self._ground.clock.now())
        if error is not None:
            raise error
        points.reached(points.Point.SERVING)
        return await self._learner.learn(spot.ours, spot.provider, doubt.found, wish.name)

    async def _intend(self, hold: Hold, spot: Spot) -> Intent:
        now = self._ground.clock.now()
        intent = Intent(
            id=f"int_{self._ground.draw(16)}",
            connection_id=spot.connection.id,
            name=spot.record.name,
            record_version=spot.record.version,
            fingerprint=spot.record.fingerprint,
            fence=hold.claim.fence,
            written_at=now,
            deadline=now + int(self._ground.settings.request_seconds),
            retry=spot.provider.retry.value,
        )
        self._spender.request(spot.ours, spot.provider, hold.tenant, spot.record)
        self._unsent[intent.id] = intent
        try:
            await self._ground.vault.intend(hold.claim, intent, spot.record.version)
        except Fenced as error:
            self._unsent.pop(intent.id, None)
            msg = "the connection moved on while it was claimed"
            raise RefreshInProgress(msg, 1, Reason.NONE) from error
        points.reached(points.Point.INTENDED)
        return intent

    async def _spend(self, hold: Hold, spot: Spot, intent: Intent, *, with_scope: bool = True) -> Ending:
        """One request under a written intent."""
        await self._budget.pace(spot.ours.name, spot.provider)
        self._enough(hold)
        asked = self._spender.request(spot.ours, spot.provider, hold.tenant, spot.record, with_scope=with_scope)
        self._unsent.pop(intent.id, None)
        ending = await self._spender.spend(hold, asked, spot.provider, spot.record, intent)
        self._budget.note(spot.ours.name, spot.provider, ending)
        return ending

    def _enough(self, hold: Hold) -> None:
        if hold.for_request() < LEAST_SECONDS:
            msg = "too little is left of the claim to ask the provider safely"
            raise TryLater(msg, 1, Reason.NONE)
