"""Races: many presenters of one token, and ends against refreshes. One serial order, whatever the schedule."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from evergrant.domain.family import Ended
from evergrant.domain.policy import Policy, Radius
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.domain.secret import Secret
from evergrant.store.port import Store, Tx, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, OVER, ContractFixtures, row, told
from evergrant.testing.presenting import Answer, Presenter

PRESENTERS = 64

ENDS: dict[str, Callable[[Tx], int]] = {
    "revoked": lambda tx: tx.families.end(Which(family_id=specimens.family().id), OVER),
    "signed out": lambda tx: tx.families.end(Which(session_id=specimens.family().session_id, online=False), OVER),
    "password changed": lambda tx: tx.families.end(Which(account_id=specimens.family().account_id), OVER),
    "client deleted": lambda tx: tx.families.end(Which(client_id=specimens.family().client_id), OVER),
    "consent withdrawn": lambda tx: tx.families.end(Which(grant_id=specimens.family().grant_id), OVER),
}


class RacingContract(ContractFixtures):
    """Many at once."""

    async def test_rt_06_inv_1_sixty_four_presenters_of_one_token_get_one_successor(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        answers = await asyncio.gather(*(presenter.present(first) for _ in range(PRESENTERS)))
        assert Counter(answer.verdict for answer in answers) == {Verdict.ROTATE: 1, Verdict.REPEAT: PRESENTERS - 1}
        assert len({answer.token for answer in answers}) == 1
        after = await row(store, family.id)
        assert (after.ended, after.head.generation, after.head.repeats) == (None, 1, PRESENTERS - 1)
        assert Counter(await told(store)) == {
            "family.rotated": 1, "family.repeated": PRESENTERS - 1, "family.repeats_many": 1,
        }  # fmt: skip
        again = await asyncio.gather(*(presenter.present(_token(answer)) for answer in answers))
        assert len({answer.token for answer in again}) == 1
        assert (await row(store, family.id)).head.generation == 2

    async def test_rt_07_whoever_comes_while_the_winner_commits_is_a_repeat(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        token = await presenter.begin(family)
        for generation in range(1, 21):
            winner = asyncio.ensure_future(presenter.present(token))
            late = []
            while not winner.done():
                late.append(asyncio.ensure_future(presenter.present(token)))
                await asyncio.sleep(0)
            answers = [await winner, *await asyncio.gather(*late)]
            assert len({answer.token for answer in answers}) == 1
            assert (await row(store, family.id)).head.generation == generation
            token = _token(answers[0])

    async def test_sixty_four_presenters_of_a_reusable_token_all_keep_it(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        first = await presenter.begin(family)
        reusable = Policy(rotate=False)
        answers = await asyncio.gather(*(presenter.present(first, NOW + 9, policy=reusable) for _ in range(PRESENTERS)))
        assert {(answer.verdict, answer.token) for answer in answers} == {(Verdict.REFRESH, first)}
        assert (await row(store, family.id)).head.generation == 0

    async def test_inv_8_presenters_of_many_families_do_not_disturb_each_other(
        self, store: Store, presenter: Presenter
    ) -> None:
        tokens = [await presenter.begin(specimens.family(n)) for n in range(16)]
        for generation in range(1, 4):
            answers = await asyncio.gather(*(presenter.present(token) for token in tokens * 3))
            successors = [{answer.token for answer in answers[n::16]} for n in range(16)]
            assert all(len(one) == 1 for one in successors)
            tokens = [_token(answers[n]) for n in range(16)]
            for n in range(16):
                assert (await row(store, specimens.family(n).id)).head.generation == generation

    @pytest.mark.parametrize("first", ["end", "refresh"])
    @pytest.mark.parametrize("why", list(ENDS))
    async def test_rt_14_rt_15_nothing_minted_survives_an_acknowledged_end(
        self, store: Store, presenter: Presenter, why: str, first: str
    ) -> None:
        family = specimens.family()
        token = await presenter.begin(family)
        acknowledged = asyncio.Event()
        started_later: list[Answer] = []

        async def end() -> int:
            count = await store.write(ENDS[why])
            acknowledged.set()
            started_later.append(await presenter.present(token))
            return count

        async def refresh() -> Answer:
            return await presenter.present(token)

        crowd = [refresh() for _ in range(8)]
        stories = [end(), *crowd] if first == "end" else [*crowd, end()]
        answers = await asyncio.gather(*stories)
        assert 1 in answers
        assert acknowledged.is_set()
        assert [answer.refusal for answer in started_later] == [Refusal.ENDED]
        minted = [answer.token for answer in answers if isinstance(answer, Answer) and answer.token is not None]
        for survivor in (token, *minted):
            assert (await presenter.present(survivor)).refusal is Refusal.ENDED
        after = await row(store, family.id)
        assert (after.ended, after.head.sealed) == (OVER, None)

    async def test_a_reuse_that_ends_its_neighbours_ends_what_they_were_given_in_the_same_batch(
        self, store: Store, presenter: Presenter
    ) -> None:
        reused, near = specimens.family("reused"), specimens.family("near")
        spent, token = await presenter.begin(reused), await presenter.begin(near)
        await presenter.present(spent)
        widest = Policy(radius=Radius.USER)
        given, caught, late = await asyncio.gather(
            presenter.present(token, NOW + 90),
            presenter.present(spent, NOW + 90, policy=widest),
            presenter.present(token, NOW + 90),
        )
        assert (given.verdict, caught.verdict, late.refusal) == (Verdict.ROTATE, Verdict.REUSE, Refusal.ENDED)
        after = await row(store, near.id)
        assert (after.ended, after.head.generation, after.head.sealed) == (Ended(NOW + 90, Reason.REUSE), 1, None)
        assert (await presenter.present(_token(given), NOW + 91)).refusal is Refusal.ENDED
        assert await told(store) == [
            "family.rotated", "family.rotated", "family.reused", "family.ended", "families.ended", "family.refused",
            "family.refused",
        ]  # fmt: skip

    async def test_of_two_ends_at_once_one_wins_and_its_reason_stays(self, store: Store, presenter: Presenter) -> None:
        family = specimens.family()
        await presenter.begin(family)
        which = Which(family_id=family.id)
        reasons = (Reason.SIGNED_OUT, Reason.OPERATOR)
        counts = await asyncio.gather(
            *(store.write(lambda tx, why=why: tx.families.end(which, Ended(NOW, why))) for why in reasons)  # type: ignore[misc]
        )
        assert sorted(counts) == [0, 1]
        after = await row(store, family.id)
        assert after.ended == Ended(NOW, reasons[counts.index(1)])

    async def test_inv_7_a_thief_racing_the_victim_in_one_batch_is_a_repeat_until_the_overlap_is_over(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        stolen = await presenter.begin(family)
        victim, thief = await asyncio.gather(presenter.present(stolen), presenter.present(stolen))
        assert victim.token == thief.token
        victim, thief = await asyncio.gather(presenter.present(_token(victim)), presenter.present(_token(thief)))
        assert victim.token == thief.token
        mine = await presenter.present(_token(victim), NOW + 10)
        assert mine.verdict is Verdict.ROTATE
        await presenter.present(_token(mine), NOW + 20)
        assert (await presenter.present(_token(thief), NOW + 20)).verdict is Verdict.REUSE
        assert (await row(store, family.id)).ended == Ended(NOW + 20, Reason.REUSE)


def _token(answer: Answer) -> Secret:
    assert answer.token is not None, f"nothing was handed out: {answer.refusal}"
    return answer.token
