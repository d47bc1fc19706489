"""Ends: revocation, sign-out, password change, account disabled, client deleted, consent withdrawn."""

import pytest

from evergrant.domain.family import Ended, Family
from evergrant.domain.reason import Reason
from evergrant.store.port import Store, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, OVER, ContractFixtures, put_families, row

MINE = specimens.family("mine", online=True)
OTHERS = {
    "account": specimens.family("account", online=True, account_id="usr_other"),
    "client": specimens.family("client", online=True, client_id="cli_other"),
    "session": specimens.family("session", online=True, session_id="ses_other"),
    "grant": specimens.family("grant", online=True, grant_id="gra_other"),
    "offline": specimens.family("offline"),
}
CHOICES = {
    "one family": (Which(family_id=MINE.id), set()),
    "an account": (Which(account_id=MINE.account_id), {"client", "session", "grant", "offline"}),
    "a client": (Which(client_id=MINE.client_id), {"account", "session", "grant", "offline"}),
    "a session": (Which(session_id=MINE.session_id), {"account", "client", "grant", "offline"}),
    "a session, online": (Which(session_id=MINE.session_id, online=True), {"account", "client", "grant"}),
    "a session, offline": (Which(session_id=MINE.session_id, online=False), {"offline"}),
    "a grant": (Which(grant_id=MINE.grant_id), {"account", "client", "session", "offline"}),
    "client and account": (
        Which(account_id=MINE.account_id, client_id=MINE.client_id), {"session", "grant", "offline"},
    ),
}  # fmt: skip


class EndingContract(ContractFixtures):
    """`Families.end` and `Families.find`."""

    @pytest.mark.parametrize("choice", list(CHOICES))
    async def test_an_end_takes_exactly_what_was_chosen(self, store: Store, choice: str) -> None:
        which, names = CHOICES[choice]
        await put_families(store, MINE, *OTHERS.values())
        before = {name: await row(store, family.id) for name, family in OTHERS.items()}
        chosen = {family.id for family in await store.read(lambda tx: tx.families.find(which))}
        count = await store.write(lambda tx: tx.families.end(which, OVER))
        ended = {name for name, family in OTHERS.items() if (await row(store, family.id)).ended == OVER}
        mine = (await row(store, MINE.id)).ended == OVER
        assert ended == names
        assert mine == ("offline" not in choice)
        assert count == len(names) + mine
        assert len(chosen) == count
        for name in set(OTHERS) - names:
            assert await row(store, OTHERS[name].id) == before[name]

    async def test_an_end_erases_sealed_successors_and_touches_no_other_field(self, store: Store) -> None:
        family = specimens.family(head=specimens.head(sealed=b"sealed", predecessor=b"p" * 32, overlap_end=NOW + 60))
        await put_families(store, family)
        await store.write(lambda tx: tx.families.end(Which(family_id=family.id), OVER))
        assert await row(store, family.id) == family._replace(ended=OVER, head=family.head._replace(sealed=None))

    async def test_inv_5_the_first_end_keeps_its_reason_and_its_time(self, store: Store) -> None:
        await put_families(store, MINE)
        which = Which(account_id=MINE.account_id)
        assert await store.write(lambda tx: tx.families.end(which, OVER)) == 1
        assert await store.write(lambda tx: tx.families.end(which, Ended(NOW + 99, Reason.OPERATOR))) == 0
        assert (await row(store, MINE.id)).ended == OVER

    @pytest.mark.parametrize("choice", list(CHOICES))
    async def test_all_that_match_are_named_by_their_ids(self, store: Store, choice: str) -> None:
        which, _ = CHOICES[choice]
        await put_families(store, MINE, *OTHERS.values())
        for live in (True, False):
            chosen = which._replace(live=live)
            found = await store.read(lambda tx, chosen=chosen: tx.families.find(chosen))  # type: ignore[misc]
            named = await store.read(lambda tx, chosen=chosen: tx.families.ids(chosen))  # type: ignore[misc]
            assert sorted(named) == [family.id for family in found]
            await store.write(lambda tx: tx.families.end(Which(client_id="cli_other"), OVER))

    async def test_named_families_end_once_and_others_and_strangers_stay(self, store: Store) -> None:
        families = [specimens.family(n, head=specimens.head(sealed=b"sealed")) for n in range(4)]
        await put_families(store, *families)
        await store.write(lambda tx: tx.families.end(Which(family_id=families[0].id), OVER))
        ids = [*(family.id for family in families[:3]), specimens.family("nobody").id]
        late = Ended(NOW + 99, Reason.OPERATOR)
        assert await store.write(lambda tx: tx.families.end_these(ids, late)) == 2
        assert await store.write(lambda tx: tx.families.end_these(ids, late)) == 0
        assert await store.write(lambda tx: tx.families.end_these([], late)) == 0
        assert (await row(store, families[0].id)).ended == OVER
        for family in families[1:3]:
            assert await row(store, family.id) == family._replace(ended=late, head=family.head._replace(sealed=None))
        assert await row(store, families[3].id) == families[3]

    async def test_an_empty_choice_is_refused_and_ends_nothing(self, store: Store) -> None:
        await put_families(store, MINE)
        for which in (Which(), Which(live=False), Which(online=True)):
            with pytest.raises(ValueError, match="which families"):
                await store.write(lambda tx, which=which: tx.families.end(which, OVER))  # type: ignore[misc]
        assert await row(store, MINE.id) == MINE

    async def test_asking_to_end_ended_ones_too_does_not_rewrite_them(self, store: Store) -> None:
        before = Ended(NOW - 9, Reason.IDLE)
        await put_families(store, MINE._replace(ended=before))
        which = Which(family_id=MINE.id, live=False)
        assert await store.write(lambda tx: tx.families.end(which, OVER)) == 0
        assert (await row(store, MINE.id)).ended == before

    async def test_an_id_that_is_taken_is_refused_and_the_first_stays(self, store: Store) -> None:
        await put_families(store, MINE)
        with pytest.raises(ValueError):
            await put_families(store, MINE._replace(scope="other"))
        assert await row(store, MINE.id) == MINE

    async def test_ended_families_are_found_only_when_asked_for(self, store: Store) -> None:
        over = MINE._replace(ended=OVER)
        await put_families(store, over, OTHERS["offline"])
        live = await store.read(lambda tx: tx.families.find(Which()))
        every = await store.read(lambda tx: tx.families.find(Which(live=False)))
        assert live == [OTHERS["offline"]]
        assert every == sorted([over, OTHERS["offline"]])

    async def test_families_are_found_page_by_page_in_order(self, store: Store) -> None:
        families = sorted((specimens.family(n) for n in range(23)), key=lambda family: family.id)
        await put_families(store, *reversed(families))
        found: list[Family] = []
        after = b""
        while page := await store.read(lambda tx, after=after: tx.families.find(Which(), 5, after)):  # type: ignore[misc]
            assert len(page) <= 5
            found += page
            after = page[-1].id
        assert found == families

    async def test_inv_15_a_family_is_one_row_however_often_it_turned(self, store: Store) -> None:
        family = specimens.family()
        await put_families(store, family)
        for generation in range(1, 200):
            head = family.head._replace(generation=generation, sealed=b"s" * 61)
            await store.write(lambda tx, head=head: tx.families.settle(family.id, head, None))  # type: ignore[misc]
        assert len(await store.read(lambda tx: tx.families.find(Which(live=False)))) == 1
        assert (await row(store, family.id)).head.generation == 199
