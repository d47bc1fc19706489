"""What is kept as a document comes back as it was, whatever it holds; on both stores."""

import asyncio
import string
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.domain.account import Account
from evergrant.domain.client import Client
from evergrant.domain.grant import Code, Flow, Grant
from evergrant.domain.key import SealedKey
from evergrant.domain.lease import Lease
from evergrant.domain.receiver import Delivery, Stream
from evergrant.domain.session import Notice, Session
from evergrant.domain.throttle import Barred, Bucket
from evergrant.store import shape
from evergrant.store.memory import MemoryStore
from evergrant.store.sqlite import SqliteStore

odd = st.sampled_from(["null", "true", "1", "[]", "", "\0", "NaN"])
texts = st.text(st.characters(codec="utf-8"), max_size=20) | odd
numbers = st.integers(-(2**63), 2**63 - 1)
blobs = st.binary(max_size=48) | st.sampled_from([b"", b"\x9e\xe9e", b"null", b"\0" * 32, bytes(range(256))])
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
deep = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
trees = st.dictionaries(texts, deep)

st.register_type_strategy(str, texts)
st.register_type_strategy(int, numbers)
st.register_type_strategy(bytes, blobs)

RECORDS = {
    Client: shape.CLIENTS, Account: shape.ACCOUNTS, Session: shape.SESSIONS, Grant: shape.GRANTS, Code: shape.CODES,
    Flow: shape.FLOWS, Notice: shape.NOTICES, SealedKey: shape.KEYS, Barred: shape.BARRED, Bucket: shape.BUCKETS,
    Lease: shape.LEASES, Stream: shape.STREAMS, Delivery: shape.DELIVERIES,
}  # fmt: skip


def records(kind):
    return st.builds(kind, claims=trees) if kind is Account else st.from_type(kind)


@pytest.mark.parametrize("kind", list(RECORDS))
def test_a_record_survives_its_document(kind):
    @settings(max_examples=settings().max_examples * 3 // 2)
    @given(records(kind))
    def survives(record):
        found = RECORDS[kind].read(RECORDS[kind].write(record))
        assert found == record
        assert type(found) is type(record)
        assert hash(str(found)) == hash(str(record))

    survives()


@pytest.mark.parametrize("kind", list(RECORDS))
def test_both_stores_answer_the_same_about_any_records(kind, tmp_path):
    name = shape.attribute(RECORDS[kind])

    @settings(max_examples=settings().max_examples // 4)
    @given(st.lists(records(kind), max_size=5))
    def same(many):
        stores = [MemoryStore(), SqliteStore.open(tmp_path / "shape.sqlite")]
        assert asyncio.run(_answers(stores[0], name, kind, many)) == asyncio.run(_answers(stores[1], name, kind, many))

    same()


async def _answers(store, name, kind, many):
    told = []
    shaped = RECORDS[kind]
    of = partial(_of, name)
    for record in many:
        try:
            await store.write(lambda tx, record=record: of(tx).put(record))
        except ValueError:
            told.append("taken")
        told.append(await store.read(lambda tx, record=record: of(tx).get(getattr(record, shaped.key))))
        for column in shaped.found_by:
            value = getattr(record, column)
            if value is not None:
                by = {column: value}
                told.append(await store.read(lambda tx, by=by: of(tx).find(**by)))
    told.append(await store.read(lambda tx: of(tx).find()))
    told.append(await store.read(lambda tx: of(tx).find(2)))
    if shaped.end:
        told.append(await store.write(lambda tx: of(tx).sweep(0, 100)))
        told.append(await store.read(lambda tx: of(tx).find()))
    for key in {getattr(record, shaped.key) for record in many}:
        assert await store.write(lambda tx, key=key: of(tx).delete(key)) in {True, False}
    left = await store.read(lambda tx: of(tx).find())
    assert left == []
    await store.close()
    return told


def _of(name, tx):
    return getattr(tx, name)


def test_every_shape_has_a_place_in_a_transaction():
    assert [RECORDS[kind] for kind in RECORDS] == list(shape.SHAPES)
    assert len({shape.attribute(one) for one in shape.SHAPES}) == len(shape.SHAPES)
    for one in shape.SHAPES:
        assert set(one.table) <= set(string.ascii_lowercase + "_")
