"""Settling: one family, one decision, one transaction; whatever fails, fails alone."""

import asyncio
import gc
from collections.abc import Callable, Generator
from typing import Any

import pytest

from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Policy, Radius
from evergrant.domain.reason import Declined, Reason, Refusal
from evergrant.domain.rotation import Ask, Settlement, Verdict
from evergrant.store.port import EventQuery, Store, Tx, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, ContractFixtures, put_families, row, told
from evergrant.testing.presenting import ASK, Answer, Presenter

STRANGER = Ask("cli_stranger")


class SettlingContract(ContractFixtures):
    """`Store.settle`."""

    async def test_an_unknown_family_is_settled_as_none_and_its_events_are_kept(self, store: Store) -> None:
        seen: list[Family | None] = []
        event = Event(NOW, What.FAMILY_REFUSED, detail="nobody")

        def decide(family: Family | None) -> Settlement:
            seen.append(family)
            return Settlement(Verdict.REFUSE, None, events=(event,), refusal=Refusal.UNKNOWN)

        settled = await store.settle(b"\x00" * 16, decide)
        assert settled.refusal is Refusal.UNKNOWN
        assert seen[-1] is None
        assert await told(store) == ["family.refused"]

    async def test_the_decision_is_given_the_family_as_it_was_added(self, store: Store) -> None:
        family = specimens.family(
            online=True, binding="jkt:abc", head=specimens.head(predecessor=b"p" * 32, sealed=b"s")
        )
        await put_families(store, family)
        settled = await store.settle(family.id, lambda found: Settlement(Verdict.REFUSE, found))
        assert settled.family == family
        assert type(settled.family) is Family

    async def test_what_was_settled_is_what_is_read(self, store: Store, presenter: Presenter) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        answer = await presenter.present(first, NOW + 7)
        assert answer.verdict is Verdict.ROTATE
        after = await row(store, family.id)
        assert after.head.generation == 1
        assert after.head.spent_at == after.head.used_at == NOW + 7
        assert after.head.overlap_end == NOW + 67
        assert (after.head.network, after.head.agent) == (ASK.network, ASK.agent)
        assert after._replace(head=family.head) == family

    @pytest.mark.parametrize("late", [False, True], ids=["decision", "finish"])
    async def test_a_08_refusals_leave_nothing_to_the_collector(self, store: Store, *, late: bool) -> None:
        family = specimens.family()
        await put_families(store, family)

        def decide(found: Family | None) -> Settlement:
            if not late:
                raise Declined("no")
            return Settlement(Verdict.REFUSE, found)

        def finish(_: Settlement) -> Generator[None, None, None]:
            yield
            raise Declined("no")

        async def refused() -> set[type]:
            asked = [store.settle_then(family.id, decide, finish) for _ in range(8)]
            return {type(error) for error in await asyncio.gather(*asked, return_exceptions=True)}

        assert await refused() == {Declined}
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await refused()
            found = gc.collect()
        finally:
            gc.enable()
        assert found < 80, "every one of eighty refusals left a cycle"

    async def test_inv_11_a_refused_presentation_leaves_the_row_byte_equal(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family(binding="jkt:holder")
        first = await presenter.begin(family)
        holder = ASK._replace(binding="jkt:holder")
        second = (await presenter.present(first, ask=holder)).token
        assert second is not None
        before = await row(store, family.id)
        refusals = [
            (first, STRANGER._replace(binding="jkt:holder"), Refusal.WRONG_CLIENT),
            (second, STRANGER, Refusal.WRONG_CLIENT),
            (first, ASK, Refusal.WRONG_KEY),
            (second, ASK._replace(binding="jkt:thief"), Refusal.WRONG_KEY),
            (second, holder._replace(scope="openid admin"), Refusal.SCOPE),
            (first, holder._replace(scope="admin"), Refusal.SCOPE),
            (second, holder._replace(resources="https://evil.example"), Refusal.TARGET),
        ]
        for token, ask, refusal in refusals:
            assert (await presenter.present(token, ask=ask)).refusal is refusal
            assert await row(store, family.id) == before
        assert (await presenter.present(second, ask=holder)).verdict is Verdict.ROTATE

    async def test_a_decision_that_raises_reaches_its_caller_and_spares_its_neighbours(
        self, store: Store, presenter: Presenter
    ) -> None:
        first, second = specimens.family(1), specimens.family(2)
        one, two = await presenter.begin(first), await presenter.begin(second)

        def burst(_: Family | None) -> Settlement:
            raise ZeroDivisionError

        answers = await asyncio.gather(
            presenter.present(one), store.settle(first.id, burst), presenter.present(two), return_exceptions=True
        )
        assert isinstance(answers[1], ZeroDivisionError)
        assert [answers[0].verdict, answers[2].verdict] == [Verdict.ROTATE, Verdict.ROTATE]  # type: ignore[union-attr]
        assert (await row(store, first.id)).head.generation == 1
        assert (await row(store, second.id)).head.generation == 1

    async def test_an_effect_that_cannot_be_written_leaves_nothing_and_spares_its_neighbours(
        self, store: Store, presenter: Presenter
    ) -> None:
        bad, good = specimens.family("bad"), specimens.family("good")
        await put_families(store, bad)
        token = await presenter.begin(good)
        # A family without account cannot be widened to "all of that user": the effect fails after its first write.
        nobody = bad._replace(account_id="")

        def widen(family: Family | None) -> Settlement:
            assert family is not None
            over = Ended(NOW, Reason.REUSE)
            return Settlement(Verdict.REUSE, nobody, family.head, over, Radius.USER, refusal=Refusal.REUSED)

        answers = await asyncio.gather(
            store.settle(bad.id, widen), presenter.present(token), store.settle(bad.id, widen), return_exceptions=True
        )
        assert isinstance(answers[0], ValueError)
        assert isinstance(answers[2], ValueError)
        assert not isinstance(answers[1], BaseException)
        assert answers[1].verdict is Verdict.ROTATE
        assert await row(store, bad.id) == bad
        assert (await row(store, good.id)).head.generation == 1

    async def test_rt_08_row_events_and_notice_are_written_together(self, store: Store, presenter: Presenter) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        await presenter.present(first)
        answer = await presenter.present(first, NOW + 61, ASK._replace(network="203.0.113.9", agent="curl"))
        assert (answer.verdict, answer.refusal) == (Verdict.REUSE, Refusal.REUSED)
        after = await row(store, family.id)
        assert after.ended == Ended(NOW + 61, Reason.REUSE)
        assert after.head.sealed is None
        assert await told(store) == ["family.rotated", "family.reused", "family.ended"]
        notices = await store.read(lambda tx: tx.notices.find(account_id=family.account_id))
        assert [(n.holder.network, n.presenter.network, n.presenter.agent) for n in notices] == [
            (ASK.network, "203.0.113.9", "curl")
        ]

    async def test_an_end_by_settling_erases_the_sealed_successor(self, store: Store) -> None:
        family = specimens.family(head=specimens.head(sealed=b"sealed", overlap_end=NOW + 60))
        await put_families(store, family)
        over = Ended(NOW, Reason.IDLE)
        await store.settle(family.id, lambda found: Settlement(Verdict.REFUSE, found, family.head, over))
        after = await row(store, family.id)
        assert (after.ended, after.head.sealed) == (over, None)

    async def test_inv_5_settling_never_opens_what_has_ended(self, store: Store) -> None:
        over = Ended(NOW, Reason.REVOKED)
        family = specimens.family(ended=over)
        await put_families(store, family)
        head = family.head._replace(generation=1)
        await store.settle(family.id, lambda found: Settlement(Verdict.ROTATE, found, head))
        assert (await row(store, family.id)).ended == over

    @pytest.mark.parametrize("radius", list(Radius))
    async def test_asvs_10_4_5_reuse_ends_what_lies_within_its_radius_and_nothing_else(
        self, store: Store, presenter: Presenter, radius: Radius
    ) -> None:
        mine = specimens.family("mine")
        others = _bystanders(mine)
        await put_families(store, *others.values())
        await store.write(lambda tx: _open_sessions(tx, mine))
        first = await presenter.begin(mine)
        await presenter.present(first)
        await presenter.present(first, NOW + 90, policy=Policy(radius=radius))
        over = Ended(NOW + 90, Reason.REUSE)
        assert (await row(store, mine.id)).ended == over
        ended = {name for name, family in others.items() if (await row(store, family.id)).ended == over}
        spared = {name for name, family in others.items() if (await row(store, family.id)).ended is None}
        within = {
            Radius.FAMILY: set(),
            Radius.SESSION: {"same session"},
            Radius.CLIENT: {"same client", "same session"},
            Radius.USER: {"same client", "same session", "same user"},
        }[radius]
        assert ended == within
        assert spared == set(others) - within - {"ended before"}
        trail = await store.read(lambda tx: tx.events.find(EventQuery(what=What.FAMILIES_ENDED)))
        assert [event.detail for _, event in trail] == ([f"{len(within)} in the same {radius}"] if within else [])
        sessions = await store.read(lambda tx: tx.sessions.find(account_id=mine.account_id))
        closed = {session.id for session in sessions if session.ended == over}
        everything = {session.id for session in sessions}
        assert closed == {
            Radius.FAMILY: set(), Radius.CLIENT: set(), Radius.SESSION: {mine.session_id}, Radius.USER: everything,
        }[radius]  # fmt: skip

    async def test_rt_28_reuse_in_one_family_leaves_the_users_other_devices_alone(
        self, store: Store, presenter: Presenter
    ) -> None:
        phone, laptop = specimens.family("phone"), specimens.family("laptop")
        stolen, kept = await presenter.begin(phone), await presenter.begin(laptop)
        await presenter.present(stolen)
        before = await row(store, laptop.id)
        assert (await presenter.present(stolen, NOW + 61)).verdict is Verdict.REUSE
        assert await row(store, laptop.id) == before
        assert (await presenter.present(kept, NOW + 62)).verdict is Verdict.ROTATE

    async def test_rt_34_a_caller_that_went_away_finds_the_same_successor(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        gone = asyncio.create_task(presenter.present(first))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        again = await presenter.present(first)
        assert again.given
        assert (await row(store, family.id)).head.generation == 1
        third = await presenter.present(again.token, NOW + 1)  # type: ignore[arg-type]
        assert third.verdict is Verdict.ROTATE

    async def test_inv_12_what_finishes_a_settlement_is_told_when_it_stands(self, store: Store) -> None:
        family = specimens.family()
        await put_families(store, family)
        head = family.head._replace(generation=1)

        def finish(settlement: Settlement) -> Generator[None, None, str]:
            yield
            assert settlement.head == head
            yield
            return f"{settlement.verdict} finished"

        told = await store.settle_then(family.id, lambda found: Settlement(Verdict.ROTATE, found, head), finish)
        assert told == "rotate finished"
        assert (await row(store, family.id)).head == head

    async def test_a_finish_that_raises_reaches_its_caller_and_the_settlement_stands(
        self, store: Store, presenter: Presenter
    ) -> None:
        one, two = specimens.family(1), specimens.family(2)
        token = await presenter.begin(one)
        await put_families(store, two)
        head = two.head._replace(generation=1)

        def bursts(_: Settlement) -> Generator[None, None, str]:
            yield
            raise ZeroDivisionError

        answers = await asyncio.gather(
            presenter.present(token),
            store.settle_then(two.id, lambda found: Settlement(Verdict.ROTATE, found, head), bursts),
            presenter.present(token),
            return_exceptions=True,
        )
        assert isinstance(answers[1], ZeroDivisionError)
        assert isinstance(answers[0], Answer)
        assert isinstance(answers[2], Answer)
        assert (answers[0].verdict, answers[2].verdict) == (Verdict.ROTATE, Verdict.REPEAT)
        assert (await row(store, two.id)).head == head

    async def test_a_decision_that_raises_is_not_finished(self, store: Store) -> None:
        def bursts(_: Family | None) -> Settlement:
            raise ZeroDivisionError

        def finish(_: Settlement) -> Generator[None, None, str]:
            yield
            pytest.fail("there was nothing to finish")

        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(store.settle_then(b"\x00" * 16, bursts, finish), 20)

    async def test_work_that_raises_is_undone_alone(self, store: Store) -> None:
        def good(name: str) -> Callable[[Tx], str]:
            def work(tx: Tx) -> str:
                tx.families.add(specimens.family(name))
                return name

            return work

        def bad(tx: Tx) -> None:
            tx.families.add(specimens.family("bad"))
            tx.accounts.put(specimens.account("bad"))
            tx.events.add([Event(NOW, What.ACCOUNT_ADDED)])
            tx.turn()
            raise LookupError("on purpose")

        answers = await asyncio.gather(
            store.write(good("before")), store.write(bad), store.write(good("after")), return_exceptions=True
        )
        assert (answers[0], answers[2]) == ("before", "after")
        assert isinstance(answers[1], LookupError)
        assert (await row(store, specimens.family("before").id)).ended is None
        assert (await row(store, specimens.family("after").id)).ended is None
        assert await store.read(lambda tx: tx.families.get(specimens.family("bad").id)) is None
        assert await store.read(lambda tx: tx.accounts.find()) == []
        assert await told(store) == []
        assert await store.read(lambda tx: tx.revision()) == 0

    @pytest.mark.parametrize("error", [StopIteration(), KeyError("x"), MemoryError()])
    async def test_whatever_work_raises_is_told_and_the_store_goes_on(self, store: Store, error: BaseException) -> None:
        def fails(_: object) -> Settlement:
            raise error

        for verb in (store.write, store.read, lambda work: store.settle(b"\x00" * 16, work)):
            kind = RuntimeError if isinstance(error, StopIteration) else type(error)
            with pytest.raises(kind):
                await asyncio.wait_for(verb(fails), 20)
        await put_families(store, specimens.family())

    async def test_work_that_asks_nonsense_of_the_store_hurts_nobody_else(self, store: Store) -> None:
        await put_families(store, specimens.family("taken"))
        answers = await asyncio.gather(
            store.write(lambda tx: tx.families.add(specimens.family("one"))),
            store.write(lambda tx: tx.families.add(specimens.family("taken"))),
            store.write(lambda tx: tx.families.end(Which(), Ended(NOW, Reason.OPERATOR))),
            store.write(lambda tx: tx.families.add(specimens.family("two"))),
            return_exceptions=True,
        )
        assert answers[0] is answers[3] is None
        assert isinstance(answers[1], ValueError)
        assert isinstance(answers[2], ValueError)
        assert (await row(store, specimens.family("one").id)).ended is None
        assert (await row(store, specimens.family("two").id)).ended is None


def _bystanders(mine: Family) -> dict[str, Family]:
    """Families that share something with *mine*, or nothing."""
    account, client, session = "usr_other", "cli_other", "ses_other"
    named: dict[str, dict[str, Any]] = {
        "same session": {"client_id": mine.client_id},
        "same client": {"session_id": session},
        "same user": {"session_id": session, "client_id": client},
        "other user": {"account_id": account, "session_id": session},
        "nothing shared": {"account_id": account, "session_id": session, "client_id": client},
        "ended before": {"ended": Ended(NOW - 1, Reason.SIGNED_OUT)},
    }
    return {name: specimens.family(name)._replace(**changes) for name, changes in named.items()}


def _open_sessions(tx: Tx, mine: Family) -> None:
    tx.sessions.put(specimens.session("mine", id=mine.session_id, account_id=mine.account_id))
    tx.sessions.put(specimens.session("second", account_id=mine.account_id))
    tx.sessions.put(specimens.session("stranger", account_id="usr_other"))
