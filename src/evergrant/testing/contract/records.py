"""Records: clients, accounts, sessions, grants, codes, flows, notices, keys, barred tokens and buckets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from evergrant.store.port import Records, Store, Tx
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, ContractFixtures


class Table(NamedTuple):
    """One table under test: how it is reached, its records' builder, key and one plain field; found by; end."""

    of: Callable[[Tx], Records[Any]]
    make: Callable[..., Any]
    key: str
    plain: str
    found_by: tuple[str, ...] = ()
    unique: str = ""
    end: str = ""


TABLES: dict[str, Table] = {
    "clients": Table(lambda tx: tx.clients, specimens.client, "id", "name"),
    "accounts": Table(lambda tx: tx.accounts, specimens.account, "id", "email", ("username",), "username"),
    "sessions": Table(
        lambda tx: tx.sessions,
        specimens.session,
        "id",
        "label",
        ("digest", "account_id", "previous"),
        "digest",
        "absolute_end",
    ),
    "grants": Table(lambda tx: tx.grants, specimens.grant, "id", "scope", ("account_id", "client_id")),
    "codes": Table(
        lambda tx: tx.codes, specimens.code, "digest", "misses", ("account_id", "client_id"), end="expires_at"
    ),
    "flows": Table(lambda tx: tx.flows, specimens.flow, "digest", "consented_by", end="expires_at"),
    "notices": Table(lambda tx: tx.notices, specimens.notice, "family_id", "label", ("account_id",)),
    "keys": Table(lambda tx: tx.keys, specimens.key, "id", "alg"),
    "barred": Table(lambda tx: tx.barred, specimens.barred, "jti", "expires_at", end="expires_at"),
    "streams": Table(lambda tx: tx.streams, specimens.stream, "id", "description"),
    "deliveries": Table(lambda tx: tx.deliveries, specimens.delivery, "id", "claims", ("client_id",), end="ends_at"),
    "buckets": Table(lambda tx: tx.buckets, specimens.bucket, "key", "failures", end="ends_at"),
    "leases": Table(lambda tx: tx.leases, specimens.lease, "name", "fence"),
}
SWEPT = [name for name, table in TABLES.items() if table.end]
KEPT = [name for name, table in TABLES.items() if not table.end]
UNIQUE = [name for name, table in TABLES.items() if table.unique]
FOUND = [(name, column) for name, table in TABLES.items() for column in table.found_by]


async def _put(store: Store, table: Table, *records: Any) -> None:
    def work(tx: Tx) -> None:
        for record in records:
            table.of(tx).put(record)

    await store.write(work)


async def _all(store: Store, table: Table) -> list[Any]:
    return await store.read(lambda tx: table.of(tx).find())


class RecordsContract(ContractFixtures):
    """`Records` of every table."""

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_a_record_comes_back_as_it_was_put(self, store: Store, name: str) -> None:
        table = TABLES[name]
        record = table.make("one")
        await _put(store, table, record, table.make("two"))
        found = await store.read(lambda tx: table.of(tx).get(getattr(record, table.key)))
        assert found == record
        assert type(found) is type(record)
        for field in record.__dataclass_fields__:
            assert type(getattr(found, field)) is type(getattr(record, field)), field

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_an_unknown_key_is_none_and_deleting_it_is_false(self, store: Store, name: str) -> None:
        table = TABLES[name]
        key = getattr(table.make("nobody"), table.key)
        assert await store.read(lambda tx: table.of(tx).get(key)) is None
        assert await store.write(lambda tx: table.of(tx).delete(key)) is False

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_putting_again_replaces_and_deleting_removes_one(self, store: Store, name: str) -> None:
        table = TABLES[name]
        record, other = table.make("one"), table.make("two")
        newer = replace(record, **{table.plain: _other(getattr(record, table.plain))})
        assert newer != record
        await _put(store, table, record, other)
        await _put(store, table, newer)
        assert sorted(map(repr, await _all(store, table))) == sorted(map(repr, [newer, other]))
        assert await store.write(lambda tx: table.of(tx).delete(getattr(record, table.key))) is True
        assert await _all(store, table) == [other]

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_records_are_found_page_by_page_in_key_order(self, store: Store, name: str) -> None:
        table = TABLES[name]
        records = sorted((table.make(n) for n in range(11)), key=lambda record: getattr(record, table.key))
        await _put(store, table, *reversed(records))
        found: list[Any] = []
        after = None
        while page := await store.read(lambda tx, after=after: table.of(tx).find(4, after)):  # type: ignore[misc]
            assert len(page) <= 4
            found += page
            after = getattr(page[-1], table.key)
        assert found == records

    @pytest.mark.parametrize(("name", "column"), FOUND)
    async def test_records_are_found_by_their_columns(self, store: Store, name: str, column: str) -> None:
        table = TABLES[name]
        value = _other(getattr(table.make("x"), column))
        wanted = table.make("wanted", **{column: value})
        await _put(store, table, table.make("a"), wanted, table.make("b"))
        by = {column: value}
        assert await store.read(lambda tx: table.of(tx).find(**by)) == [wanted]
        assert await store.read(lambda tx: table.of(tx).find(1, getattr(wanted, table.key), **by)) == []
        by = {column: _other(value)}
        assert await store.read(lambda tx: table.of(tx).find(**by)) == []

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_a_column_that_is_not_kept_apart_cannot_be_searched(self, store: Store, name: str) -> None:
        table = TABLES[name]
        await _put(store, table, table.make("one"))
        with pytest.raises(ValueError, match="not found by"):
            await store.read(lambda tx: table.of(tx).find(no_such_column="x"))
        plain = {table.plain: getattr(table.make("one"), table.plain)}
        with pytest.raises(ValueError, match="not found by"):
            await store.read(lambda tx: table.of(tx).find(**plain))

    @pytest.mark.parametrize(("name", "column"), FOUND)
    async def test_what_shares_a_column_is_cleared_a_few_at_a_time(self, store: Store, name: str, column: str) -> None:
        table = TABLES[name]
        if column == table.unique:
            return
        value = getattr(table.make(1), column)
        other = table.make("other", **{column: _other(value)})
        await _put(store, table, *(table.make(n, **{column: value}) for n in range(3)), other)
        by = {column: value}
        assert await store.write(lambda tx: table.of(tx).clear(2, **by)) == 2
        assert await store.write(lambda tx: table.of(tx).clear(2, **by)) == 1
        assert await store.write(lambda tx: table.of(tx).clear(2, **by)) == 0
        assert await _all(store, table) == [other]

    @pytest.mark.parametrize("name", list(TABLES))
    async def test_nothing_is_cleared_without_a_choice(self, store: Store, name: str) -> None:
        table = TABLES[name]
        await _put(store, table, table.make("one"))
        for by in ({}, {"no_such_column": "x"}):
            with pytest.raises(ValueError, match=r"no choice|not found by"):
                await store.write(lambda tx, by=by: table.of(tx).clear(10, **by))  # type: ignore[misc]
        assert len(await _all(store, table)) == 1

    @pytest.mark.parametrize("name", UNIQUE)
    async def test_what_is_unique_is_taken_once(self, store: Store, name: str) -> None:
        table = TABLES[name]
        first = table.make("first")
        taken = {table.unique: getattr(first, table.unique)}
        await _put(store, table, first)
        await _put(store, table, first)
        with pytest.raises(ValueError):
            await _put(store, table, table.make("second", **taken))
        assert await _all(store, table) == [first]

        def work(tx: Tx) -> bool:
            table.of(tx).put(table.make("third"))
            try:
                table.of(tx).put(table.make("second", **taken))
            except ValueError:
                return True
            return False

        assert await store.write(work) is True
        assert len(await _all(store, table)) == 2
        await store.write(lambda tx: table.of(tx).delete(getattr(first, table.key)))
        await _put(store, table, table.make("second", **taken))

    @pytest.mark.parametrize("name", SWEPT)
    async def test_sweeping_deletes_what_ended_before_and_never_more_than_asked(self, store: Store, name: str) -> None:
        table = TABLES[name]
        ends = [NOW - 3, NOW - 2, NOW - 1, NOW, NOW + 1]
        await _put(store, table, *(table.make(end, **{table.end: end}) for end in ends))
        assert await store.write(lambda tx: table.of(tx).sweep(NOW, 2)) == 2
        assert len(await _all(store, table)) == 3
        assert await store.write(lambda tx: table.of(tx).sweep(NOW, 2)) == 1
        assert await store.write(lambda tx: table.of(tx).sweep(NOW, 2)) == 0
        assert sorted(getattr(record, table.end) for record in await _all(store, table)) == [NOW, NOW + 1]

    @pytest.mark.parametrize("name", KEPT)
    async def test_o_16_what_has_no_end_is_never_swept(self, store: Store, name: str) -> None:
        table = TABLES[name]
        await _put(store, table, table.make("one"))
        with pytest.raises(ValueError, match="no end"):
            await store.write(lambda tx: table.of(tx).sweep(NOW + 10**9, 100))
        assert len(await _all(store, table)) == 1

    async def test_a_turn_grows_the_revision_and_an_undone_one_does_not(self, store: Store) -> None:
        before = await store.read(lambda tx: tx.revision())

        def fails(tx: Tx) -> None:
            tx.turn()
            raise LookupError("on purpose")

        with pytest.raises(LookupError):
            await store.write(fails)
        assert await store.read(lambda tx: tx.revision()) == before == store.seen_revision
        await store.write(lambda tx: tx.turn())
        assert store.seen_revision > before
        assert await store.read(lambda tx: tx.revision()) == store.seen_revision

    async def test_a_05_text_of_every_script_comes_back_unchanged(self, store: Store) -> None:
        odd = "\u202eevil\u0000\ufffd\U0001f98a e\u0301 \u00e9 'quote\" \\ null \x7f"
        account = specimens.account(1, claims={"name": odd, "n": {"deep": [1, 2.5, None, True, odd]}}, email=odd)
        await _put(store, TABLES["accounts"], account)
        assert await _all(store, TABLES["accounts"]) == [account]


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes):
        return bytes(reversed(value)) + b"!"
    if isinstance(value, str):
        return value + "-other"
    raise TypeError(value)
