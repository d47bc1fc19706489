"""Housekeeping over families: what it may erase, end and delete, and never a moment too soon."""

import pytest

from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.store.port import EventQuery, Store, Swept, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import DAY, NOW, ContractFixtures, put_families, row
from evergrant.testing.presenting import Presenter

KEEP = 7 * DAY


async def _sweep(store: Store, now: int, limit: int = 100, after: bytes = b"") -> Swept:
    alive = {family.id for family in await store.read(lambda tx: tx.families.find(Which()))}
    swept = await store.write(lambda tx: tx.families.sweep(after, now, limit, KEEP))
    left = {family.id for family in await store.read(lambda tx: tx.families.find(Which()))}
    assert {family.id for family in swept.ended} == alive - left
    return swept._replace(ended=())


class SweepingContract(ContractFixtures):
    """`Families.sweep`."""

    async def test_a_sealed_successor_is_erased_only_when_its_overlap_is_over(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        second = (await presenter.present(first)).token
        before = await row(store, family.id)
        assert await _sweep(store, NOW + 60) == Swept(b"", 0, 0, 0)
        assert await row(store, family.id) == before
        assert (await presenter.present(first, NOW + 60)).token == second
        assert await _sweep(store, NOW + 61) == Swept(b"", 1, 0, 0)
        after = await row(store, family.id)
        assert after.head.sealed is None
        assert after.ended is None
        assert await _sweep(store, NOW + 61) == Swept(b"", 0, 0, 0)
        assert (await presenter.present(second, NOW + 62)).verdict is Verdict.ROTATE  # type: ignore[arg-type]

    async def test_sweeping_never_makes_reuse_look_like_anything_else(self, store: Store, presenter: Presenter) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        await presenter.present(first)
        await _sweep(store, NOW + 61)
        assert (await presenter.present(first, NOW + 62)).verdict is Verdict.REUSE

    @pytest.mark.parametrize(
        ("idle", "absolute", "reason"),
        [(0, 9, Reason.IDLE), (9, 0, Reason.ABSOLUTE), (0, 0, Reason.ABSOLUTE), (-5, -1, Reason.ABSOLUTE)],
    )
    async def test_what_has_expired_ends_with_the_right_reason(
        self, store: Store, idle: int, absolute: int, reason: Reason
    ) -> None:
        head = specimens.head(idle_end=NOW + idle, sealed=b"sealed", overlap_end=NOW + 60)
        family = specimens.family(absolute_end=NOW + absolute, head=head)
        await put_families(store, family)
        assert await _sweep(store, NOW - 6) == Swept(b"", 0, 0, 0)
        assert await row(store, family.id) == family
        assert await _sweep(store, NOW) == Swept(b"", 1, 1, 0)
        after = await row(store, family.id)
        assert after == family._replace(ended=Ended(NOW, reason), head=head._replace(sealed=None))
        assert await _sweep(store, NOW) == Swept(b"", 0, 0, 0)

    async def test_one_second_before_its_end_a_family_lives(self, store: Store) -> None:
        family = specimens.family(absolute_end=NOW + 1, head=specimens.head(idle_end=NOW + 1))
        await put_families(store, family)
        assert await _sweep(store, NOW) == Swept(b"", 0, 0, 0)
        assert await row(store, family.id) == family

    async def test_an_end_that_was_told_keeps_its_reason_and_loses_its_successor(self, store: Store) -> None:
        told = Ended(NOW - 10, Reason.PASSWORD_CHANGED)
        family = specimens.family(absolute_end=NOW - 5, head=specimens.head(sealed=b"sealed"), ended=told)
        await put_families(store, family)
        assert await _sweep(store, NOW) == Swept(b"", 1, 0, 0)
        after = await row(store, family.id)
        assert (after.ended, after.head.sealed) == (told, None)

    async def test_o_16_rt_10_a_row_is_deleted_only_long_after_its_absolute_end(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family(absolute_end=NOW + 100, head=specimens.head(idle_end=NOW + 100))
        token = await presenter.begin(family)
        assert await _sweep(store, NOW + 100 + KEEP) == Swept(b"", 0, 1, 0)
        assert (await presenter.present(token, NOW + 100 + KEEP)).refusal is Refusal.ENDED
        assert await _sweep(store, NOW + 101 + KEEP) == Swept(b"", 0, 0, 1)
        assert await store.read(lambda tx: tx.families.get(family.id)) is None
        assert (await presenter.present(token, NOW + 101 + KEEP)).refusal is Refusal.UNKNOWN

    async def test_the_walk_goes_through_every_row_in_small_steps(self, store: Store) -> None:
        old = [specimens.family(("old", n), head=specimens.head(idle_end=NOW)) for n in range(7)]
        live = [specimens.family(("live", n)) for n in range(6)]
        await put_families(store, *old, *live)
        after, steps, expired = b"", 0, 0
        while True:
            swept = await _sweep(store, NOW, 4, after)
            steps, expired, after = steps + 1, expired + swept.expired, swept.last
            if not after:
                break
        assert (steps, expired) == (4, 7)
        for family in live:
            assert await row(store, family.id) == family

    async def test_a_walk_that_ends_exactly_at_the_last_row_still_ends(self, store: Store) -> None:
        await put_families(store, *(specimens.family(n) for n in range(4)))
        first = await _sweep(store, NOW, 4)
        assert first.last
        assert await _sweep(store, NOW, 4, first.last) == Swept(b"", 0, 0, 0)

    async def test_deleting_on_the_way_skips_no_row(self, store: Store) -> None:
        gone = [specimens.family(n, absolute_end=NOW - KEEP - 1) for n in range(9)]
        await put_families(store, *gone)
        after, deleted = b"", 0
        while True:
            swept = await _sweep(store, NOW, 2, after)
            deleted, after = deleted + swept.deleted, swept.last
            if not after:
                break
        assert deleted == 9
        assert await store.read(lambda tx: tx.families.find(Which(live=False))) == []

    async def test_arranging_the_trail_lets_go_of_whole_days_alone_and_of_nothing_that_is_young(
        self, store: Store
    ) -> None:
        """Whatever a store arranges, what is left is found as ever, and what a retention still covers is all there."""
        await store.write(lambda tx: tx.events.arrange(NOW, 0))
        events = [Event(NOW + n * DAY // 2, What.FAMILY_ROTATED) for n in range(8)]
        await store.write(lambda tx: tx.events.add(events))
        await store.write(lambda tx: tx.events.arrange(NOW + DAY, NOW - DAY))
        assert [event.at for _, event in await _all_events(store)] == [event.at for event in events]
        horizon = NOW + 2 * DAY
        gone = await store.write(lambda tx: tx.events.arrange(NOW + 4 * DAY, horizon))
        left = await _all_events(store)
        assert {event.at for event in events if event.at >= horizon} <= {event.at for _, event in left}
        assert gone >= 0
        while await store.write(lambda tx: tx.events.sweep(horizon, 2)):
            pass
        assert [event.at for _, event in await _all_events(store)] == [e.at for e in events if e.at >= horizon]
        await store.write(lambda tx: tx.events.add([Event(NOW + 5 * DAY, What.FAMILY_ROTATED)]))
        assert (await _all_events(store))[-1][0] > left[-1][0]


async def _all_events(store: Store) -> list[tuple[int, Event]]:
    return await store.read(lambda tx: tx.events.find(EventQuery(limit=1_000)))
