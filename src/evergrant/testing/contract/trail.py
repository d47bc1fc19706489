"""The audit trail: in order, numbered for ever, and only what was committed."""

import asyncio
from typing import Any

import pytest

from evergrant.domain.event import Event, What
from evergrant.store.port import EventQuery, Store, Tx
from evergrant.testing.contract.fixtures import NOW, ContractFixtures


def _event(n: int, **changes: Any) -> Event:
    full = Event(
        NOW + n, What.FAMILY_ROTATED, "cli_1", "usr_1", "fam_1", "ses_1", "why", n, "192.0.2.1", "curl", f"{n}"
    )
    return full._replace(**changes)


async def _find(store: Store, query: EventQuery) -> list[tuple[int, Event]]:
    return await store.read(lambda tx: tx.events.find(query))


async def _add(store: Store, *events: Event) -> None:
    await store.write(lambda tx: tx.events.add(events))


class TrailContract(ContractFixtures):
    """`Events`."""

    async def test_events_come_back_whole_in_the_order_they_were_told(self, store: Store) -> None:
        events = [_event(n) for n in range(7)]
        await _add(store, *events[:3])
        await _add(store, *events[3:])
        await _add(store)
        found = await _find(store, EventQuery())
        assert [event for _, event in found] == events
        assert all(type(event.what) is What for _, event in found)
        numbers = [number for number, _ in found]
        assert numbers == sorted(set(numbers))

    async def test_every_kind_of_event_can_be_kept_and_read(self, store: Store) -> None:
        await _add(store, *(_event(0, what=what) for what in What))
        assert [event.what for _, event in await _find(store, EventQuery())] == list(What)

    async def test_rt_12_events_of_one_second_keep_their_order(self, store: Store) -> None:
        events = [_event(0, detail=str(n)) for n in range(20)]
        await asyncio.gather(*(_add(store, event) for event in events))
        assert [event for _, event in await _find(store, EventQuery())] == events

    async def test_following_goes_on_after_a_number_and_misses_nothing(self, store: Store) -> None:
        await _add(store, *(_event(n) for n in range(10)))
        seen: list[Event] = []
        after = 0
        while page := await _find(store, EventQuery(after=after, limit=3)):
            assert len(page) <= 3
            seen += [event for _, event in page]
            after = page[-1][0]
        assert seen == [_event(n) for n in range(10)]
        await _add(store, _event(10))
        assert [event for _, event in await _find(store, EventQuery(after=after))] == [_event(10)]

    async def test_the_newest_come_first_when_asked_for(self, store: Store) -> None:
        await _add(store, *(_event(n) for n in range(10)))
        found = await _find(store, EventQuery(newest=True, limit=3))
        assert [event.generation for _, event in found] == [9, 8, 7]

    @pytest.mark.parametrize("field", ["family_id", "account_id", "client_id", "what"])
    async def test_events_are_found_by_what_they_are_about(self, store: Store, field: str) -> None:
        other = _event(1, **{field: What.FAMILY_ENDED if field == "what" else "other"})
        await _add(store, _event(0), other, _event(2, **{field: What.SIGNED_IN if field == "what" else ""}))
        wanted = EventQuery()._replace(**{field: getattr(other, field)})
        assert [event for _, event in await _find(store, wanted)] == [other]
        assert len(await _find(store, EventQuery())) == 3
        assert await _find(store, wanted._replace(client_id="cli_nobody")) == []

    async def test_a_number_is_never_given_twice(self, store: Store) -> None:
        await _add(store, *(_event(n) for n in range(4)))
        last = (await _find(store, EventQuery(newest=True)))[0][0]
        assert await store.write(lambda tx: tx.events.sweep(NOW + 100, 100)) == 4
        await _add(store, _event(50))
        assert (await _find(store, EventQuery()))[0][0] > last

    async def test_retention_removes_the_oldest_in_small_steps(self, store: Store) -> None:
        await _add(store, *(_event(n) for n in range(10)))
        assert await store.write(lambda tx: tx.events.sweep(NOW + 5, 3)) == 3
        assert await store.write(lambda tx: tx.events.sweep(NOW + 5, 3)) == 2
        assert await store.write(lambda tx: tx.events.sweep(NOW + 5, 3)) == 0
        assert [event.generation for _, event in await _find(store, EventQuery())] == [5, 6, 7, 8, 9]

    async def test_o_17_events_of_work_that_failed_are_not_told(self, store: Store) -> None:
        def fails(tx: Tx) -> None:
            tx.events.add([_event(1)])
            raise LookupError("on purpose")

        with pytest.raises(LookupError):
            await store.write(fails)
        await _add(store, _event(2))
        assert [event.generation for _, event in await _find(store, EventQuery())] == [2]
