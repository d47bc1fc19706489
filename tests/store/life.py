"""An honest client's life with one store, and the judgement: nothing acknowledged is lost, nothing is half done."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from evergrant.domain.family import Ended
from evergrant.domain.reason import Reason
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.store.port import EventQuery, Store, StoreUnavailable, Tx, Which
from evergrant.testing import specimens
from evergrant.testing.presenting import Presenter, ring

A, B = specimens.family("A"), specimens.family("B")
OVER = Ended(specimens.NOW + 1, Reason.SIGNED_OUT)
KEYS = ring("life")
TURNS = 4


@dataclass
class Life:
    """What the client holds, and what the store has acknowledged to it."""

    a: Secret
    b: Secret
    turns: int = 0
    b_turned: bool = False
    b_ended: bool = False
    accounts: set[int] = field(default_factory=set)
    finished: bool = False

    @classmethod
    async def begin(cls, store: Store) -> "Life":
        presenter = Presenter(store, SeededEntropy("life"), KEYS)
        return cls(await presenter.begin(A), await presenter.begin(B))

    async def go_on(self, store: Store, tries: int) -> None:
        """Live on; every step is tried that often, and after that the store's trouble ends the story."""
        presenter = Presenter(store, SystemEntropy(), KEYS)
        await _patiently(tries, partial(self._turn_a, presenter))
        await asyncio.gather(
            _patiently(tries, partial(self._turn_a, presenter)),
            _patiently(tries, partial(self._turn_b, presenter)),
            *(_patiently(tries, partial(self._sign_up, store, n)) for n in range(3)),
        )
        await _patiently(tries, partial(self._end_b, store))
        await _patiently(tries, partial(self._turn_a, presenter))
        await _patiently(tries, partial(self._turn_a, presenter))
        self.finished = True

    async def _turn_a(self, presenter: Presenter) -> None:
        answer = await presenter.present(self.a)
        assert answer.token is not None, f"an honest client was refused: {answer.refusal}"
        self.a, self.turns = answer.token, self.turns + 1

    async def _turn_b(self, presenter: Presenter) -> None:
        answer = await presenter.present(self.b)
        assert answer.token is not None
        self.b, self.b_turned = answer.token, True

    async def _sign_up(self, store: Store, n: int) -> None:
        await store.write(lambda tx: tx.accounts.put(specimens.account(n)))
        self.accounts.add(n)

    async def _end_b(self, store: Store) -> None:
        def work(tx: Tx) -> None:
            tx.families.end(Which(family_id=B.id), OVER)
            tx.sessions.put(specimens.session("B", ended=OVER))

        await store.write(work)
        self.b_ended = True


async def _patiently(tries: int, step) -> None:
    for left in reversed(range(tries)):
        try:
            await step()
        except StoreUnavailable:
            if not left:
                raise
        else:
            break


async def judge(store: Store, life: Life, where: str) -> None:
    """Before or after, never between; and the client goes on with what it holds."""
    a, b, session, accounts, events = await store.read(_everything)
    assert life.turns <= a.head.generation <= life.turns + (not life.finished), where
    assert [e.generation for e in events if e.family_id == _name(A)] == list(range(1, a.head.generation + 1)), where
    assert b.head.generation >= life.b_turned, where
    assert len([e for e in events if e.family_id == _name(B)]) == b.head.generation, where
    assert life.b_ended <= (b.ended == OVER), where
    assert (b.ended is None) == (session is None), f"{where}: half an end"
    assert life.accounts <= {n for n in range(3) if specimens.account(n) in accounts}, where
    presenter = Presenter(store, SystemEntropy(), KEYS)
    answers = await asyncio.gather(*(presenter.present(life.a) for _ in range(3)))
    assert len({answer.token for answer in answers}) == 1, where
    assert answers[0].token is not None, f"{where}: an honest client was refused: {answers[0].refusal}"
    after = await store.read(lambda tx: tx.families.get(A.id))
    assert after is not None
    assert after.head.generation == life.turns + 1, where


def _everything(tx: Tx):
    events = [event for _, event in tx.events.find(EventQuery(limit=1000))]
    session = tx.sessions.get(specimens.session("B").id)
    return tx.families.get(A.id), tx.families.get(B.id), session, tx.accounts.find(), events


def _name(family) -> str:
    from evergrant.domain import id as ids

    return ids.text(ids.Kind.FAMILY, family.id)
