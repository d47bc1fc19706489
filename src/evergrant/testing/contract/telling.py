"""Endings: told with the end, in order, and forgotten only by sweeping."""

import asyncio
from typing import Any

import pytest

from evergrant.domain import id as ids
from evergrant.domain.ending import End
from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Policy, Radius
from evergrant.domain.reason import Reason
from evergrant.domain.secret import Secret
from evergrant.store import applying
from evergrant.store.port import Store, Tx, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, OVER, ContractFixtures, put_families
from evergrant.testing.presenting import Presenter

LAST = OVER.at + applying.ON_THE_WAY
"""The second up to which a mass end takes what was issued."""
WHOLE = End(NOW, "revoked_by_client", "usr_1", "cli_1", ("fam_1", "fam_2"), ("ses_1",), "jti", every=True)


async def endings(store: Store, after: int = 0) -> list[End]:
    """What has been told after a number."""
    return [end for _, end in await store.read(lambda tx: tx.endings.find(after))]


async def _add(store: Store, *ends: End) -> None:
    await store.write(lambda tx: tx.endings.add(ends))


def _names(count: int, **changes: Any) -> tuple[list[Family], tuple[str, ...]]:
    families = sorted((specimens.family(("many", n), **changes) for n in range(count)), key=lambda one: one.id)
    return families, tuple(ids.text(ids.Kind.FAMILY, family.id) for family in families)


class TellingContract(ContractFixtures):
    """`Endings`, and that ends are told by `evergrant.store.applying`."""

    async def test_an_end_comes_back_as_it_was_told(self, store: Store) -> None:
        await _add(store, WHOLE, End(NOW, "reuse"))
        found = await endings(store)
        assert found == [WHOLE, End(NOW, "reuse")]
        assert all(type(end) is End for end in found)

    async def test_ends_are_followed_by_number_page_by_page(self, store: Store) -> None:
        assert await store.read(lambda tx: tx.endings.newest()) == 0
        await asyncio.gather(*(_add(store, End(NOW, "reuse", jti=str(n))) for n in range(10)))
        seen: list[str] = []
        after = 0
        while page := await store.read(lambda tx, after=after: tx.endings.find(after, 3)):  # type: ignore[misc]
            assert len(page) <= 3
            assert [number for number, _ in page] == sorted({number for number, _ in page})
            seen += [end.jti for _, end in page]
            after = page[-1][0]
        assert sorted(seen) == [str(n) for n in range(10)]
        assert await store.read(lambda tx: tx.endings.newest()) == after

    async def test_the_oldest_are_swept_and_no_number_is_given_twice(self, store: Store) -> None:
        await _add(store, *(End(NOW + n, "reuse") for n in range(5)))
        assert await store.write(lambda tx: tx.endings.sweep(NOW + 4, 3)) == 3
        assert await store.write(lambda tx: tx.endings.sweep(NOW + 4, 3)) == 1
        assert await store.write(lambda tx: tx.endings.sweep(NOW + 4, 3)) == 0
        assert await endings(store) == [End(NOW + 4, "reuse")]
        assert await store.write(lambda tx: tx.endings.sweep(NOW + 9, 3)) == 1
        newest = await store.read(lambda tx: tx.endings.newest())
        await _add(store, End(NOW, "reuse"))
        assert await store.read(lambda tx: tx.endings.newest()) > newest
        assert await endings(store, newest) == [End(NOW, "reuse")]

    async def test_work_that_fails_tells_nothing(self, store: Store) -> None:
        await put_families(store, specimens.family())

        def fails(tx: Tx) -> None:
            applying.end_families(tx, Which(family_id=specimens.family().id), OVER)
            raise LookupError("on purpose")

        with pytest.raises(LookupError):
            await store.write(fails)
        assert await endings(store) == []

    async def test_few_families_are_told_by_name_in_one_end(self, store: Store) -> None:
        families, names = _names(applying.MOST_NAMED)
        await put_families(store, *families)
        which = Which(account_id=specimens.family().account_id)
        assert await store.write(lambda tx: applying.end_families(tx, which, OVER)) == len(names)
        (end,) = await endings(store)
        assert (end.families, end.at, end.reason, end.every) == (names, OVER.at, OVER.reason, False)
        assert await store.write(lambda tx: applying.end_families(tx, which, OVER)) == 0
        assert len(await endings(store)) == 1

    @pytest.mark.parametrize("choice", ["account", "client", "grant", "account and client"])
    async def test_many_families_are_told_in_one_end_of_what_they_share(self, store: Store, choice: str) -> None:
        families, names = _names(applying.MOST_NAMED + 1)
        await put_families(store, *families)
        family, grant = specimens.family(), specimens.grant(id=specimens.family().grant_id)
        await store.write(lambda tx: tx.grants.put(grant))
        account, client = family.account_id, family.client_id
        which, wanted = {
            "account": (Which(account_id=account), End(LAST, OVER.reason, account, every=True)),
            "client": (Which(client_id=client), End(LAST, OVER.reason, "", client, every=True)),
            "grant": (Which(grant_id=grant.id), End(LAST, OVER.reason, account, client, every=True)),
            "account and client": (
                Which(account_id=account, client_id=client), End(LAST, OVER.reason, account, client, every=True),
            ),
        }[choice]  # fmt: skip
        assert await store.write(lambda tx: applying.end_families(tx, which, OVER)) == len(names)
        assert await endings(store) == [wanted]

    async def test_many_families_of_a_session_are_told_by_name_and_offline_ones_are_not(self, store: Store) -> None:
        families, names = _names(2 * applying.MOST_NAMED + 1, online=True)
        await put_families(store, *families, specimens.family("offline"))
        which = Which(session_id=specimens.family().session_id, online=True)
        assert await store.write(lambda tx: applying.end_families(tx, which, OVER)) == len(names)
        told = await endings(store)
        assert tuple(name for end in told for name in end.families) == names
        assert not any(end.every or len(end.families) > applying.MOST_NAMED for end in told)

    async def test_a_session_is_told_once(self, store: Store) -> None:
        session = specimens.session()
        await store.write(lambda tx: tx.sessions.put(session))
        assert await store.write(lambda tx: applying.end_session(tx, session.id, OVER))
        assert not await store.write(lambda tx: applying.end_session(tx, session.id, OVER))
        assert await endings(store) == [End(OVER.at, OVER.reason, session.account_id, sessions=(session.id,))]

    async def test_sessions_of_an_account_are_told_but_the_one_that_stays(self, store: Store) -> None:
        def work(tx: Tx) -> None:
            for n in range(3):
                tx.sessions.put(specimens.session(n))

        await store.write(work)
        stays = specimens.session(1)
        assert await store.write(lambda tx: applying.end_sessions(tx, stays.account_id, OVER, stays.id)) == 2
        (end,) = await endings(store)
        assert set(end.sessions) == {specimens.session(0).id, specimens.session(2).id}

    async def test_a_deleted_client_is_told_even_without_families_for_its_own_tokens(self, store: Store) -> None:
        await store.write(lambda tx: applying.end_client(tx, "cli_1", OVER))
        assert await endings(store) == [End(LAST, OVER.reason, client_id="cli_1", every=True)]

    async def test_one_access_token_is_told_and_barred(self, store: Store) -> None:
        barred = specimens.barred()
        await store.write(lambda tx: applying.end_access(tx, barred, OVER, "usr_1", "cli_1"))
        assert await endings(store) == [End(OVER.at, OVER.reason, "usr_1", "cli_1", jti=barred.jti)]
        assert await store.read(lambda tx: tx.barred.get(barred.jti)) == barred

    @pytest.mark.parametrize("radius", list(Radius))
    async def test_reuse_tells_all_that_it_ends(self, store: Store, presenter: Presenter, radius: Radius) -> None:
        token, _ = await _spent(store, presenter)
        policy = Policy(overlap=0, radius=radius)
        await presenter.present(token, NOW + 9, policy=policy)
        live = {family.id for family in await store.read(lambda tx: tx.families.find(Which()))}
        ended = {family for family in (specimens.family().id, specimens.family("near").id) if family not in live}
        told = {name for end in await endings(store) for name in end.families}
        assert told == {ids.text(ids.Kind.FAMILY, family) for family in ended}
        assert len(told) == (1 if radius is Radius.FAMILY else 2)

    async def test_a_rotation_and_an_end_by_expiry_tell_nothing(self, store: Store, presenter: Presenter) -> None:
        token, successor = await _spent(store, presenter)
        family = specimens.family()
        await presenter.present(token, family.absolute_end + 1)
        await store.write(lambda tx: tx.families.sweep(b"", family.absolute_end + 1, 100, 10))
        assert successor
        assert await endings(store) == []

    async def test_an_end_is_told_whatever_its_reason(self, store: Store) -> None:
        for n, reason in enumerate(Reason):
            await put_families(store, specimens.family(n))
            which = Which(family_id=specimens.family(n).id)
            await store.write(lambda tx, w=which, r=reason: applying.end_families(tx, w, Ended(NOW, r)))  # type: ignore[misc]
        assert [end.reason for end in await endings(store)] == [reason.value for reason in Reason]


async def _spent(store: Store, presenter: Presenter) -> tuple[Secret, bool]:
    """A token that was spent, of a family with another one next to it; and whether it had a successor."""
    token = await presenter.begin(specimens.family())
    await put_families(store, specimens.family("near"))
    answer = await presenter.present(token, NOW + 1, policy=Policy(overlap=0))
    return token, answer.given
