"""Epochs and leases: what a store remembers about having forgotten, and who may do a job that only one may do."""

import pytest

from evergrant.domain.epoch import Epoch
from evergrant.domain.event import What
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.store.port import EventQuery, Store, Tx
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import ContractFixtures, put_families, row, told
from evergrant.testing.presenting import ASK, Presenter

RESTORED = Epoch().following(heads_trusted=False)


async def _forget(store: Store, family_id: bytes, steps: int) -> None:
    """Put a family's row back to what it was before its last *steps* rotations, as a restored backup does."""

    def work(tx: Tx) -> None:
        family = tx.families.get(family_id)
        assert family is not None
        head = family.head._replace(generation=family.head.generation - steps, digest=b"\x07" * 32, predecessor=None)
        tx.families.settle(family_id, head, None)

    await store.write(work)


class LosingContract(ContractFixtures):
    """`Tx.epoch`, `Tx.begin`, `Head.epoch` and `Tx.leases`."""

    async def test_o_13_a_new_store_is_in_its_first_epoch_and_one_that_begins_is_heard_of(self, store: Store) -> None:
        assert await store.read(lambda tx: tx.epoch()) == Epoch(0, 0)
        before = await store.read(lambda tx: tx.revision())
        await store.write(lambda tx: tx.begin(RESTORED))
        await store.write(lambda tx: tx.begin(tx.epoch().following(heads_trusted=True)))
        assert await store.read(lambda tx: tx.epoch()) == Epoch(2, 1)
        assert await store.read(lambda tx: tx.revision()) > before

    @pytest.mark.parametrize("epoch", [0, 1, 70_000])
    async def test_a_family_remembers_the_epoch_of_its_head(self, store: Store, epoch: int) -> None:
        family = specimens.family(head=specimens.head(epoch=epoch))
        await put_families(store, family)
        assert await row(store, family.id) == family

    async def test_o_03_o_13_a_lost_successor_is_an_alarm_and_after_a_declared_loss_the_family_lives_on(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        token = await presenter.begin(family)
        for _ in range(4):
            answer = await presenter.present(token)
            assert answer.token is not None
            token = answer.token
        await _forget(store, family.id, 2)
        proved = ASK._replace(authenticated=True)
        assert (await presenter.present(token, ask=proved)).refusal is Refusal.AHEAD
        assert (await row(store, family.id)).ended is None
        adopted = await presenter.present(token, ask=proved._replace(epoch=RESTORED))
        assert adopted.verdict is Verdict.ROTATE
        assert adopted.token is not None
        head = (await row(store, family.id)).head
        assert (head.generation, head.epoch) == (5, 1)
        assert (await presenter.present(token, ask=proved._replace(epoch=RESTORED))).token == adopted.token
        assert (await presenter.present(adopted.token, ask=proved._replace(epoch=RESTORED))).given
        assert What.FAMILY_ADOPTED in await told(store)

    async def test_o_13_after_a_restore_a_public_clients_family_ends_without_a_word_of_theft(
        self, store: Store, presenter: Presenter
    ) -> None:
        family = specimens.family()
        token = await presenter.begin(family)
        answer = await presenter.present(token, ask=ASK._replace(epoch=RESTORED))
        assert answer.refusal is Refusal.RESTORED
        ended = (await row(store, family.id)).ended
        assert ended is not None
        assert ended.reason is Reason.RESTORED
        assert await store.read(lambda tx: tx.notices.find()) == []
        events = await store.read(lambda tx: tx.events.find(EventQuery()))
        assert [(event.what, event.reason) for _, event in events] == [(What.FAMILY_ENDED, Reason.RESTORED)]

    async def test_o_18_the_stores_time_serves_exclusion(self, store: Store) -> None:
        times = [await store.write(lambda tx: tx.now(specimens.NOW)) for _ in range(2)]
        assert times[0] <= times[1]
        assert await store.read(lambda tx: tx.now(specimens.NOW)) >= times[1]
