"""Authorizations under way, API keys, letters, and what is kept once."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.keeper.vault.port import ApiKey, Missing, Taken, Vault
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    OTHER,
    VaultFixtures,
    connected,
    event,
    letter,
    pending,
    step,
)


def api_key(n: int = 1, tenant: str = ACME) -> ApiKey:
    """A caller of the REST API."""
    return ApiKey(f"key_{n}", tenant, f"service {n}", b"digest \x00%d" % n, ("lease", "read"), NOW)


class KeepingContract(VaultFixtures):
    """Small things with sharp promises."""

    async def test_k_06_an_authorization_under_way_is_taken_once(self, vault: Vault) -> None:
        await vault.await_callback(pending())
        assert await vault.take_callback(pending().state_digest, NOW + 1) == pending()
        assert await vault.take_callback(pending().state_digest, NOW + 1) is None
        assert await vault.take_callback(b"never", NOW) is None

    async def test_k_06_of_many_that_take_one_at_once_one_gets_it(self, vault: Vault) -> None:
        for n in range(5):
            await vault.await_callback(pending(n))
            told = await asyncio.gather(*(vault.take_callback(pending(n).state_digest, NOW) for _ in range(32)))
            assert [answer for answer in told if answer is not None] == [pending(n)]

    async def test_k_06_one_that_has_expired_is_refused_and_gone(self, vault: Vault) -> None:
        await vault.await_callback(pending())
        assert await vault.take_callback(pending().state_digest, pending().until) is None
        assert await vault.take_callback(pending().state_digest, NOW) is None

    async def test_k_06_a_state_cannot_be_awaited_twice(self, vault: Vault) -> None:
        await vault.await_callback(pending())
        with pytest.raises(Taken):
            await vault.await_callback(pending(user="thief"))
        assert await vault.take_callback(pending().state_digest, NOW) == pending()

    async def test_api_keys_are_listed_by_tenant_and_end_once(self, vault: Vault) -> None:
        for n, tenant in ((1, ACME), (2, OTHER), (3, ACME)):
            await vault.add_api_key(api_key(n, tenant), [event(n)])
        with pytest.raises(Taken):
            await vault.add_api_key(api_key(1, OTHER), [event(9)])
        assert await vault.api_keys(ACME) == [api_key(1), api_key(3)]
        assert len(await vault.api_keys()) == 3
        await vault.end_api_key("key_1", NOW + 5, [event(4)])
        await vault.end_api_key("key_1", NOW + 9)
        assert await vault.api_keys(ACME) == [replace(api_key(1), ended_at=NOW + 5), api_key(3)]
        with pytest.raises(Missing):
            await vault.end_api_key("key_9", NOW, [event(9)])
        assert [stored.event.version for stored in await vault.events()] == [1, 2, 3, 4]

    async def test_letters_wait_until_they_are_due_and_go_when_sent(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.change(step(one, letters=[letter(3), letter(1), letter(2)]))
        assert await vault.letters(NOW) == []
        assert await vault.letters(NOW + 2) == [letter(1), letter(2)]
        assert await vault.letters(NOW + 3, limit=1) == [letter(1)]
        again = replace(letter(2), tries=1, due=NOW + 60, last_error="503")
        await vault.post(["evt_1"], [again])
        assert await vault.letters(NOW + 59) == [letter(3)]
        assert await vault.letters(NOW + 60) == [letter(3), again]

    async def test_a_letter_that_somebody_has_sent_is_not_put_back(self, vault: Vault) -> None:
        one = await connected(vault)
        await vault.change(step(one, letters=[letter(1)]))
        await vault.post(["evt_1"], [])
        await vault.post(["evt_1"], [replace(letter(1), tries=1)])
        assert await vault.letters(NOW + 99) == []

    async def test_of_many_that_keep_something_the_first_one_wins(self, vault: Vault) -> None:
        told = await asyncio.gather(*(vault.keep_once("name", b"sealed %d" % n) for n in range(16)))
        assert len(set(told)) == 1
        assert await vault.keep_once("name", b"later") == told[0]
        assert await vault.keep_once("other name", b"its own") == b"its own"
