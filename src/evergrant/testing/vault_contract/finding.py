"""Adding, finding and removing connections; and tenants that never see each other."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.vault.port import Missing, Taken, Vault, Wanted
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    OTHER,
    VaultFixtures,
    claimed,
    connected,
    connection,
    event,
    found,
    intent,
    pending,
    record,
    step,
)


class FindingContract(VaultFixtures):
    """What was added is found, by the right tenant alone, until it is removed."""

    async def test_what_was_added_is_found_as_it_was(self, vault: Vault) -> None:
        new = connection()
        await vault.add(new, [event()])
        there = await found(vault, new)
        assert (there.connection, dict(there.records), dict(there.intents), dict(there.claims)) == (new, {}, {}, {})
        assert await vault.look_up(ACME, new.client, new.account) == there
        assert [stored.event for stored in await vault.events()] == [event()]

    async def test_records_come_back_as_they_were(self, vault: Vault) -> None:
        new = connection()
        await vault.add(new)
        two = [record(new, name="bot"), record(new, name="user", refresh_token=b"", previous=b"", previous_until=0)]
        await vault.change(step(new, records=two))
        assert dict((await found(vault, new)).records) == {"bot": two[0], "user": two[1]}

    async def test_an_account_is_connected_once_per_tenant_and_client(self, vault: Vault) -> None:
        await vault.add(connection(1))
        with pytest.raises(Taken, match="user-1"):
            await vault.add(connection(1, id="con_another"), [event()])
        with pytest.raises(Taken, match="con_acme_001"):
            await vault.add(connection(2, id=connection(1).id), [event()])
        await vault.add(connection(1, id="con_another", client="google"))
        await vault.add(connection(1, OTHER))
        assert await vault.events() == []

    async def test_of_many_that_add_the_same_account_one_wins(self, vault: Vault) -> None:
        asked = (vault.add(connection(1, id=f"con_{n}")) for n in range(16))
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(answer is None for answer in told) == 1
        assert sum(isinstance(answer, Taken) for answer in told) == 15

    async def test_k_24_one_tenant_never_sees_another(self, vault: Vault) -> None:
        mine, theirs = await connected(vault, 1, ACME), await connected(vault, 1, OTHER)
        assert await vault.load(OTHER, mine.id) is None
        assert await vault.load("", mine.id) is None
        both = {
            tenant: await vault.look_up(tenant, mine.client, mine.account) for tenant in (ACME, OTHER, "acm", "", "%")
        }
        assert {tenant: there.connection.id for tenant, there in both.items() if there} == {
            ACME: mine.id, OTHER: theirs.id,
        }  # fmt: skip
        for wanted in (Wanted(""), Wanted("acm"), Wanted("%"), Wanted("acme%")):
            assert await vault.search(wanted) == []
        assert [c.id for c in await vault.search(Wanted(OTHER, account="user-1", tags={"team": "blue"}))] == [theirs.id]
        for tenant in (OTHER, ""):
            with pytest.raises(Missing):
                await vault.remove(tenant, mine.id, [event()])
            with pytest.raises(Missing):
                await vault.change(step(replace(mine, tenant=tenant), events=[event()]))
        assert await vault.events() == []
        assert (await found(vault, mine)).connection == mine

    async def test_k_24_events_of_one_tenant_are_not_told_to_another(self, vault: Vault) -> None:
        await vault.note([event(1), event(2, "con_other_001", OTHER), event(3), event(4, "", "")])
        assert [stored.number for stored in await vault.events(tenant=ACME)] == [1, 3]
        assert [stored.number for stored in await vault.events(tenant=OTHER, connection_id="con_acme_001")] == []
        assert [stored.number for stored in await vault.events(tenant=ACME, connection_id="con_acme_001")] == [1, 3]
        assert [stored.number for stored in await vault.events()] == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("narrowed", "ids"),
        [
            ({}, [1, 2, 3, 4]), ({"client": "google"}, [3, 4]), ({"provider": "hubspot"}, [1, 2, 3]),
            ({"account": "user-2"}, [2]), ({"user": "user-4"}, [4]), ({"health": "degraded"}, [2, 4]),
            ({"tags": {"team": "blue"}}, [1, 2, 3]), ({"tags": {"team": "blue", "n": "3"}}, [3]),
            ({"tags": {"team": "red"}}, [4]), ({"tags": {"n": "blue"}}, []), ({"tags": {"none": ""}}, []),
            ({"client": "google", "health": "degraded", "tags": {"n": "4"}}, [4]), ({"client": "x"}, []),
        ],
    )  # fmt: skip
    async def test_a_search_narrows_by_whatever_is_given(
        self, vault: Vault, narrowed: dict[str, object], ids: list[int]
    ) -> None:
        every = [
            connection(1), connection(2, health=Health.DEGRADED), connection(3, client="google"),
            connection(4, client="google", provider="google", health=Health.DEGRADED, tags={"team": "red", "n": "4"}),
        ]  # fmt: skip
        for one in reversed(every):
            await vault.add(one)
        wanted = replace(Wanted(ACME), **narrowed)  # type: ignore[arg-type]
        assert await vault.search(wanted) == [every[n - 1] for n in ids]

    async def test_a_search_goes_on_page_by_page(self, vault: Vault) -> None:
        for n in range(7):
            await vault.add(connection(n))
        pages, after = [], ""
        while page := await vault.search(Wanted(ACME), after=after, limit=3):
            pages.append([one.account for one in page])
            after = page[-1].id
        assert pages == [["user-0", "user-1", "user-2"], ["user-3", "user-4", "user-5"], ["user-6"]]

    async def test_tags_that_changed_are_found_by_their_new_values(self, vault: Vault) -> None:
        old = await connected(vault)
        await vault.change(step(replace(old, tags={"team": "red"})))
        assert await vault.search(Wanted(ACME, tags={"team": "blue"})) == []
        assert await vault.search(Wanted(ACME, tags={"n": "1"})) == []
        assert [c.id for c in await vault.search(Wanted(ACME, tags={"team": "red"}))] == [old.id]

    async def test_what_was_removed_is_gone_with_all_its_parts(self, vault: Vault) -> None:
        mine, kept = await connected(vault, 1), await connected(vault, 2)
        claim = await claimed(vault, mine)
        await vault.intend(claim, intent(claim), 1)
        await vault.await_callback(pending(1, mine.id))
        await vault.await_callback(pending(2, kept.id))
        await vault.remove(ACME, mine.id, [event()])
        assert await vault.load(ACME, mine.id) is None
        assert await vault.holders(record(mine).fingerprint) == []
        assert await vault.open_intents() == []
        assert await vault.take_callback(pending(1).state_digest, NOW) is None
        assert await vault.take_callback(pending(2).state_digest, NOW) == pending(2, kept.id)
        assert len(await vault.search(Wanted(ACME))) == 1
        with pytest.raises(Missing):
            await vault.remove(ACME, mine.id, [event()])
        with pytest.raises(Missing):
            await vault.journal(intent(claim).id, b"late", NOW)
        await vault.add(connection(1))
        again = await found(vault, mine)
        assert (dict(again.records), dict(again.intents), dict(again.claims)) == ({}, {}, {})
        assert len(await vault.events()) == 1

    async def test_who_holds_a_refresh_token_is_found_by_its_fingerprint(self, vault: Vault) -> None:
        for n in (1, 2, 3):
            one = await connected(vault, n, ACME if n < 3 else OTHER)
            await vault.change(step(one, records=[record(one, 2, fingerprint="same" if n != 2 else "")]))
        assert await vault.holders("same") == [
            (ACME, "con_acme_001", "main"), (OTHER, "con_other_003", "main"),
        ]  # fmt: skip
        assert await vault.holders("") == []
        assert await vault.holders("sam") == []

    async def test_what_is_still_to_be_revoked_is_found_when_its_time_has_come(self, vault: Vault) -> None:
        await vault.add(connection(1, health=Health.REVOKING, retry_at=NOW + 20))
        await vault.add(connection(2, health=Health.REVOKING))
        await vault.add(connection(3, OTHER, health=Health.REVOKING, retry_at=NOW + 10))
        await vault.add(connection(4, health=Health.REVOKED))
        assert await vault.revoking(NOW) == [(ACME, "con_acme_002")]
        assert await vault.revoking(NOW + 10) == [(ACME, "con_acme_002"), (OTHER, "con_other_003")]
        assert len(await vault.revoking(NOW + 20)) == 3
        assert len(await vault.revoking(NOW + 20, limit=2)) == 2

    async def test_counts_are_by_health_and_over_all_tenants(self, vault: Vault) -> None:
        assert dict(await vault.counts()) == {}
        await vault.add(connection(1))
        await vault.add(connection(2, OTHER))
        await vault.add(connection(3, health=Health.IN_DOUBT))
        assert dict(await vault.counts()) == {Health.ACTIVE: 2, Health.IN_DOUBT: 1}

    async def test_what_falls_due_comes_soonest_first(self, vault: Vault) -> None:
        ends = {1: NOW + 300, 2: NOW + 100, 3: NOW + 200, 4: NOW + 900}
        for n, end in ends.items():
            one = await connected(vault, n)
            await vault.change(step(one, records=[record(one, 2, expires_at=end)]))
        assert [row[1][-1] for row in await vault.due(NOW + 301, limit=10)] == ["2", "3", "1"]
        assert await vault.due(NOW + 300, limit=1) == [(ACME, "con_acme_002", "main")]
        assert await vault.due(NOW + 100, limit=10) == []

    @pytest.mark.parametrize(
        ("of_connection", "of_record", "due"),
        [
            ({}, {}, True),
            ({"health": Health.DEGRADED}, {}, True),
            ({"health": Health.NEEDS_REAUTH}, {}, False),
            ({"health": Health.IN_DOUBT}, {}, False),
            ({"health": Health.QUARANTINED}, {}, False),
            ({"health": Health.REVOKING}, {}, False),
            ({"retry_at": NOW}, {}, True),
            ({"retry_at": NOW + 1}, {}, False),
            ({}, {"refresh_token": b""}, False),
            ({}, {"expires_at": 0}, False),
            ({}, {"expires_at": 0, "refresh_idle_end": NOW + 50}, True),
            ({}, {"expires_at": NOW + 9_000, "refresh_idle_end": NOW + 50}, True),
            ({}, {"expires_at": NOW + 100}, False),
        ],
    )
    async def test_only_what_can_be_refreshed_now_falls_due(
        self, vault: Vault, of_connection: dict[str, object], of_record: dict[str, object], *, due: bool
    ) -> None:
        one = await connected(vault)
        members = {"expires_at": NOW + 50, "refresh_idle_end": 0, **of_record}
        await vault.change(step(replace(one, **of_connection), records=[record(one, 2, **members)]))  # type: ignore[arg-type]
        assert (await vault.due(NOW + 100, limit=10) == [(ACME, one.id, "main")]) is due

    async def test_what_could_not_be_refreshed_falls_due_again_when_it_recovers(self, vault: Vault) -> None:
        one = await connected(vault)
        for health, due in (
            (Health.NEEDS_REAUTH, 0),
            (Health.QUARANTINED, 0),
            (Health.ACTIVE, 1),
            (Health.DEGRADED, 1),
        ):
            there = (await found(vault, one)).connection
            await vault.change(step(replace(there, health=health)))
            assert len(await vault.due(NOW + 90_000, limit=10)) == due, health

    async def test_a_retry_waits_for_the_vaults_own_clock(self, vault: Vault, clock: FixedClock) -> None:
        one = await connected(vault)
        await vault.change(step(replace(one, retry_at=NOW + 60), records=[record(one, 2)]))
        assert await vault.due(NOW + 9_000, limit=10) == []
        clock.advance(60)
        assert len(await vault.due(NOW + 9_000, limit=10)) == 1

    async def test_a_use_is_noted_and_never_moves_back(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.touch(one.id, "main", NOW + 100)
        await vault.touch(one.id, "main", NOW + 50)
        await vault.touch(one.id, "nothing", NOW)
        await vault.touch("con_nothing", "main", NOW)
        there = await found(vault, one)
        assert there == replace(there, connection=one, records={"main": record(one, used_at=NOW + 100)})
        await vault.change(step(one, records=[record(one, 2)]))
        assert (await found(vault, one)).records["main"].used_at == NOW + 100
