"""The reference vault: dictionaries and one lock. For tests and for reading; nothing here is durable.

Every verb compares first and writes last, so that one that raises has changed nothing.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from evergrant.clock import Clock, SystemClock
from evergrant.keeper.connection import Claim, Connection, Health, Intent, Pending, Record, Step
from evergrant.keeper.event import Event, Letter, Stored
from evergrant.keeper.vault import comparing
from evergrant.keeper.vault.chain import chained
from evergrant.keeper.vault.port import (
    ApiKey,
    Change,
    Fenced,
    Found,
    Missing,
    Taken,
    TrailEnds,
    VaultUnavailable,
    Wanted,
)
from evergrant.keeper.vault.turning import KEPT, PENDING, Turn, turned_intent, turned_pending, turned_record

Key = tuple[str, str]


class MemoryVault:
    """The vault of one process (see `evergrant.keeper.vault.port.Vault`)."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Final = clock or SystemClock()
        self._lock = threading.Lock()
        self._stamp = 0
        self._fence = 0
        self._closed = False
        self._connections: dict[str, Connection] = {}
        self._records: dict[Key, Record] = {}
        self._claims: dict[Key, comparing.Held] = {}
        self._intents: dict[str, tuple[Intent, int]] = {}
        self._pendings: dict[bytes, Pending] = {}
        self._events: list[Stored] = []
        self._ends = TrailEnds()
        self._letters: dict[str, Letter] = {}
        self._api_keys: dict[str, ApiKey] = {}
        self._kept: dict[str, bytes] = {}

    @contextmanager
    def _reading(self) -> Iterator[float]:
        with self._lock:
            if self._closed:
                msg = "the vault is closed"
                raise VaultUnavailable(msg)
            yield float(self._clock.now())

    @contextmanager
    def _writing(self) -> Iterator[float]:
        with self._reading() as now:
            yield now
            self._stamp += 1

    late = 0.0

    async def close(self) -> None:
        """Say so to whoever asks later."""
        self._closed = True

    def stamp(self) -> int:
        """A number that changes with every change."""
        return self._stamp

    # ---- reading

    async def load(self, tenant: str, connection_id: str) -> Found | None:
        with self._reading() as now:
            connection = self._connections.get(connection_id)
            return self._found(connection, now) if connection is not None and connection.tenant == tenant else None

    async def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        with self._reading() as now:
            for connection in self._connections.values():
                if (connection.tenant, connection.client, connection.account) == (tenant, client, account):
                    return self._found(connection, now)
            return None

    def _found(self, connection: Connection, now: float) -> Found:
        mine = connection.id
        intents = [intent for intent, _ in self._intents.values() if intent.connection_id == mine]
        return Found(
            connection,
            {name: record for (owner, name), record in sorted(self._records.items()) if owner == mine},
            {intent.name: intent for intent in intents if intent.step is not Step.CLOSED},
            {
                name: Claim(mine, name, held.owner, held.fence, held.until)
                for (owner, name), held in sorted(self._claims.items())
                if owner == mine and held.live(now)
            },
        )

    async def search(self, wanted: Wanted, *, after: str = "", limit: int = 100) -> list[Connection]:
        with self._reading():
            found = [self._connections[key] for key in sorted(self._connections) if key > after]
            return [connection for connection in found if _matches(connection, wanted)][:limit]

    async def due(self, before: int, *, limit: int) -> list[tuple[str, str, str]]:
        with self._reading() as now:
            found = []
            for record in self._records.values():
                connection = self._connections[record.connection_id]
                end = comparing.due_at(record)
                if connection.health in comparing.REFRESHED and connection.retry_at <= now and 0 < end < before:
                    found.append((end, connection.id, record.name, connection.tenant))
            return [(tenant, key, name) for _, key, name, tenant in sorted(found)[:limit]]

    async def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        with self._reading():
            found = [key for key, record in sorted(self._records.items()) if fingerprint == record.fingerprint != ""]
            return [(self._connections[key].tenant, key, name) for key, name in found]

    async def revoking(self, before: int, *, limit: int = 100) -> list[tuple[str, str]]:
        with self._reading():
            going = [
                connection
                for connection in self._connections.values()
                if connection.health is Health.REVOKING and connection.retry_at <= before
            ]
            going.sort(key=lambda connection: (connection.retry_at, connection.id))
            return [(connection.tenant, connection.id) for connection in going[:limit]]

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        with self._reading() as now:
            found = []
            for intent, _ in sorted(self._intents.values(), key=lambda kept: (kept[0].connection_id, kept[0].name)):
                held = self._claims.get((intent.connection_id, intent.name))
                if intent.step is not Step.CLOSED and not (held and held.live(now)):
                    found.append((self._connections[intent.connection_id].tenant, intent))
            return found[:limit]

    async def counts(self) -> Mapping[Health, int]:
        with self._reading():
            return Counter(connection.health for connection in self._connections.values())

    # ---- connections

    async def add(self, connection: Connection, events: Sequence[Event] = ()) -> None:
        with self._writing():
            if connection.id in self._connections:
                msg = f"there is a connection {connection.id} already"
                raise Taken(msg)
            self._refuse_taken(connection)
            self._connections[connection.id] = connection
            self._append(events)

    async def change(self, change: Change) -> None:
        with self._writing():
            connection = change.connection
            self._owned(connection.tenant, connection.id)
            if self._connections[connection.id].version != change.expected:
                msg = f"connection {connection.id} has moved on"
                raise Fenced(msg)
            if change.claim is not None:
                self._held(change.claim)
            self._refuse_intent(change)
            self._refuse_taken(connection)
            self._connections[connection.id] = connection
            for record in change.records:
                key = (record.connection_id, record.name)
                self._records[key] = comparing.kept(self._records.get(key), record)
            if change.intent is not None:
                noted_by = change.claim.fence if change.claim else change.intent.fence
                self._intents[change.intent.id] = (change.intent, noted_by)
            if change.claim is not None and change.release:
                self._give_up(change.claim)
            self._append(change.events)
            self._letters |= {letter.id: letter for letter in change.letters}

    async def remove(self, tenant: str, connection_id: str, events: Sequence[Event] = ()) -> None:
        with self._writing():
            self._owned(tenant, connection_id)
            self._take_away(connection_id)
            self._append(events)

    def _take_away(self, connection_id: str) -> None:
        del self._connections[connection_id]
        self._records = {key: value for key, value in self._records.items() if key[0] != connection_id}
        self._claims = {key: value for key, value in self._claims.items() if key[0] != connection_id}
        self._intents = {k: v for k, v in self._intents.items() if v[0].connection_id != connection_id}
        self._pendings = {k: v for k, v in self._pendings.items() if v.connection_id != connection_id}

    async def touch(self, connection_id: str, name: str, used_at: int) -> None:
        with self._writing():
            record = self._records.get((connection_id, name))
            if record is not None and record.used_at < used_at:
                self._records[connection_id, name] = replace(record, used_at=used_at)

    def _owned(self, tenant: str, connection_id: str) -> None:
        found = self._connections.get(connection_id)
        if found is None or found.tenant != tenant:
            msg = f"there is no connection {connection_id}"
            raise Missing(msg)

    def _refuse_taken(self, connection: Connection) -> None:
        place = (connection.tenant, connection.client, connection.account)
        for other in self._connections.values():
            if other.id != connection.id and (other.tenant, other.client, other.account) == place:
                msg = f"{connection.client} has a connection of account {connection.account} already"
                raise Taken(msg)

    def _refuse_intent(self, change: Change) -> None:
        intent = change.intent
        if intent is None:
            return
        if intent.id in self._intents:
            comparing.refuse_unseen(*self._intents[intent.id], change)
        standing = self._open_intent(intent.connection_id, intent.name)
        if standing is not None and standing.id != intent.id and intent.step is not Step.CLOSED:
            msg = f"record {intent.name} of {intent.connection_id} has another open intent"
            raise Fenced(msg)

    # ---- the right to spend

    async def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        with self._writing() as now:
            if connection_id not in self._connections:
                msg = f"there is no connection {connection_id}"
                raise Missing(msg)
            stored = self._claims.get((connection_id, name))
            if stored is not None and stored.live(now) and stored.owner != owner:
                self._claims[connection_id, name] = comparing.capped(stored, now)
                return None
            self._fence += 1
            held = self._claims[connection_id, name] = comparing.held(owner, self._fence, now, seconds)
            return Claim(connection_id, name, owner, held.fence, held.until)

    async def renew(self, claim: Claim, seconds: float) -> Claim:
        with self._writing() as now:
            held = comparing.prolonged(self._held(claim), now, seconds)
            self._claims[claim.connection_id, claim.name] = held
            return replace(claim, until=held.until)

    async def release(self, claim: Claim) -> None:
        with self._writing():
            self._give_up(claim)

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        with self._writing() as now:
            if not self._held(claim).live(now):
                msg = f"the claim on {claim.connection_id} has run out"
                raise Fenced(msg)
            record = self._records.get((claim.connection_id, claim.name))
            if (record.version if record is not None else 0) != expected:
                msg = f"record {claim.name} of {claim.connection_id} has moved on"
                raise Fenced(msg)
            standing = self._open_intent(claim.connection_id, claim.name)
            if standing is not None and standing != intent:
                msg = f"record {claim.name} of {claim.connection_id} has an open intent"
                raise Fenced(msg)
            if standing is None and intent.id in self._intents:
                msg = f"intent {intent.id} is there already"
                raise Taken(msg)
            self._intents[intent.id] = (intent, claim.fence)

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        with self._writing():
            if intent_id not in self._intents:
                msg = f"there is no intent {intent_id}"
                raise Missing(msg)
            stored, noted_by = self._intents[intent_id]
            record = self._records.get((stored.connection_id, stored.name))
            standing = (record.version if record is not None else 0) == stored.record_version and self._open_intent(
                stored.connection_id, stored.name
            ) is None
            self._intents[intent_id] = (comparing.answered(stored, reply, at, standing=standing), noted_by)

    def _held(self, claim: Claim) -> comparing.Held:
        stored = self._claims.get((claim.connection_id, claim.name))
        if stored is None or not stored.is_of(claim):
            msg = f"the claim {claim.fence} on {claim.connection_id} is not ours any more"
            raise Fenced(msg)
        return stored

    def _give_up(self, claim: Claim) -> None:
        stored = self._claims.get((claim.connection_id, claim.name))
        if stored is not None and stored.is_of(claim):
            self._claims[claim.connection_id, claim.name] = comparing.released(stored)

    def _version(self, connection_id: str, name: str) -> int:
        record = self._records.get((connection_id, name))
        return record.version if record is not None else 0

    def _open_intent(self, connection_id: str, name: str) -> Intent | None:
        for intent, _ in self._intents.values():
            if (intent.connection_id, intent.name) == (connection_id, name) and intent.step is not Step.CLOSED:
                return intent
        return None

    # ---- authorizations under way

    async def await_callback(self, pending: Pending) -> None:
        with self._writing():
            if pending.state_digest in self._pendings:
                msg = "this state is awaited already"
                raise Taken(msg)
            self._pendings[pending.state_digest] = pending

    async def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        with self._writing():
            pending = self._pendings.pop(state_digest, None)
            return pending if pending is not None and pending.until > now else None

    # ---- keys

    async def rewrap(self, turn: Callable[[bytes], bytes], *, after: str, limit: int) -> tuple[str, int]:
        with self._writing():
            turning = Turn(turn)
            if after == "":
                kept = {name: turning(sealed) for name, sealed in self._kept.items()}
                self._kept = kept
                return KEPT, turning.changed
            if after.startswith(PENDING):
                return self._rewrap_pendings(turning, after.removeprefix(PENDING), limit)
            last = after.removeprefix(KEPT)
            ids = [key for key in sorted(self._connections) if key > last][:limit]
            records = {k: turned_record(r, turning) for k, r in self._records.items() if k[0] in ids}
            intents = {
                key: (turned_intent(intent, turning), noted_by)
                for key, (intent, noted_by) in self._intents.items()
                if intent.connection_id in ids
            }
            self._records |= records
            self._intents |= intents
            return (KEPT + ids[-1] if len(ids) == limit else PENDING), turning.changed

    def _rewrap_pendings(self, turning: Turn, last: str, limit: int) -> tuple[str, int]:
        keys = [key for key in sorted(self._pendings) if key.hex() > last][:limit]
        self._pendings |= {key: turned_pending(self._pendings[key], turning) for key in keys}
        return (PENDING + keys[-1].hex() if len(keys) == limit else ""), turning.changed

    async def keep_once(self, name: str, sealed: bytes) -> bytes:
        with self._writing():
            return self._kept.setdefault(name, sealed)

    # ---- what happened

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]:
        with self._reading():
            return [
                stored
                for stored in self._events
                if stored.number > after
                and (not tenant or stored.event.tenant == tenant)
                and (not connection_id or stored.event.connection_id == connection_id)
            ][:limit]

    async def trail_ends(self) -> TrailEnds:
        with self._reading():
            return self._ends

    async def note(self, events: Sequence[Event]) -> None:
        with self._writing():
            self._append(events)

    def _append(self, events: Sequence[Event]) -> None:
        stored = chained(self._ends.last_chain, self._ends.last, events)
        if stored:
            self._events += stored
            self._ends = replace(self._ends, last=stored[-1].number, last_chain=stored[-1].chain)

    async def letters(self, due: int, *, limit: int = 100) -> list[Letter]:
        with self._reading():
            found = [letter for letter in self._letters.values() if letter.due <= due]
            return sorted(found, key=lambda letter: (letter.due, letter.id))[:limit]

    async def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        with self._writing():
            self._letters |= {letter.id: letter for letter in again if letter.id in self._letters}
            for letter_id in sent:
                self._letters.pop(letter_id, None)

    async def add_api_key(self, key: ApiKey, events: Sequence[Event] = ()) -> None:
        with self._writing():
            if key.id in self._api_keys:
                msg = f"there is an API key {key.id} already"
                raise Taken(msg)
            self._api_keys[key.id] = key
            self._append(events)

    async def api_keys(self, tenant: str = "") -> list[ApiKey]:
        with self._reading():
            keys = [self._api_keys[key] for key in sorted(self._api_keys)]
            return [key for key in keys if not tenant or key.tenant == tenant]

    async def end_api_key(self, key_id: str, at: int, events: Sequence[Event] = ()) -> None:
        with self._writing():
            if key_id not in self._api_keys:
                msg = f"there is no API key {key_id}"
                raise Missing(msg)
            key = self._api_keys[key_id]
            self._api_keys[key_id] = replace(key, ended_at=key.ended_at or at)
            self._append(events)

    async def use_api_key(self, key_id: str, at: int) -> None:
        with self._writing():
            key = self._api_keys.get(key_id)
            if key is not None and key.used_at < at:
                self._api_keys[key_id] = replace(key, used_at=at)

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        with self._writing():
            rest = now - comparing.INTENT_REST
            intents = [intent for intent, _ in self._intents.values()]
            over = [(i.deadline, i.id) for i in intents if i.step is Step.CLOSED and i.deadline < rest]
            closed = sorted(over)[:limit]
            for _, intent_id in closed:
                del self._intents[intent_id]
            left = limit - len(closed)
            expired = sorted((pending.until, key) for key, pending in self._pendings.items() if pending.until <= now)[
                :left
            ]
            for _, digest in expired:
                del self._pendings[digest]
            left -= len(expired)
            left -= self._forget_abandoned(now - comparing.ABANDONED_REST, left)
            windows = [(r.previous_until, key) for key, r in self._records.items() if r.previous]
            past = sorted(one for one in windows if 0 < one[0] < now)[:left]
            for _, key in past:
                self._records[key] = replace(self._records[key], previous=b"", previous_until=0)
            left -= len(past)
            return limit - left + self._forget_events(now - keep_events, left)

    def _forget_abandoned(self, before: int, limit: int) -> int:
        wanted = {pending.connection_id for pending in self._pendings.values()}
        wanted |= {intent.connection_id for intent, _ in self._intents.values() if intent.step is not Step.CLOSED}
        wanted |= {connection_id for connection_id, _ in self._records}
        begun = [one for one in self._connections.values() if comparing.abandoned(one, before) and one.id not in wanted]
        for one in begun[:limit]:
            self._take_away(one.id)
        return len(begun[:limit])

    def _forget_events(self, before: int, limit: int) -> int:
        count = 0
        while count < min(limit, len(self._events)) and self._events[count].event.at < before:
            count += 1
        if count:
            last = self._events[count - 1]
            self._ends = replace(self._ends, swept=last.number, swept_chain=last.chain)
            del self._events[:count]
        return count


def _matches(connection: Connection, wanted: Wanted) -> bool:
    if connection.tenant != wanted.tenant:
        return False
    members = ("client", "provider", "account", "user", "health")
    for member in members:
        asked = getattr(wanted, member)
        if asked and getattr(connection, member) != asked:
            return False
    return all(connection.tags.get(name) == value for name, value in wanted.tags.items())
