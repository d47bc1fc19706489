"""Revocation by clients (RFC 7009): any generation ends the family at once; strangers end nothing and learn nothing."""

from pathlib import Path

import pytest

from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import Held, again, events, hold, is_oauth_error, post_as, unchanged

GONE = (200, b"")


async def revoke(held: Held, token: str, **more: str) -> Reply:
    return await post_as(held.issuer, "/revoke", held.client, held.secret, {"token": token, **more})


async def userinfo(issuer: Issuer, access: str) -> int:
    reply = await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {access}"})
    return reply.status


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.WEB])
@pytest.mark.parametrize("generation", [0, 1, 3])
async def test_r7009_2_1_f_r7009_2_1_c_and_r7009_2_1_e_any_generation_ends_the_family_and_its_access_tokens_at_once(
    both: Issuer, type_: ClientType, generation: int
) -> None:
    held = await hold(both, type_)
    refreshes, accesses = [held.refresh], [held.access]
    for _ in range(3):
        await held.turn()
        refreshes.append(held.refresh)
        accesses.append(held.access)
    both.clock.advance(300)

    reply = await revoke(held, refreshes[generation])

    assert (reply.status, reply.body) == GONE
    assert reply.header("cache-control") == "no-store"
    for access in accesses:
        assert await userinfo(both, access) == 401
    for refresh in refreshes:
        is_oauth_error(await held.present(refresh), "invalid_grant")
    family = await held.family()
    assert family.ended is not None
    assert family.ended.reason is Reason.REVOKED
    assert What.FAMILY_REUSED not in [event.what for event in await events(both)]


async def test_r7009_2_2_a_unknown_expired_and_revoked_tokens_get_200_and_nothing_else(
    both: Issuer, tmp_path: Path
) -> None:
    held = await hold(both)
    dead = await again(held)
    await revoke(dead, dead.refresh)
    with unchanged(both, tmp_path):
        for token in (
            dead.refresh, "x", "egr_" + "A" * 92, "ega_AAAA", "egc_x", "a.b.c", "\u00fc", "x" * 8_000,
            held.tokens["id_token"], held.access[:-3] + "AAA", held.refresh[:-2] + "AA",
        ):  # fmt: skip
            reply = await revoke(held, token)
            assert (reply.status, reply.body) == GONE, token
    both.clock.advance(700)
    with unchanged(both, tmp_path):
        assert (await revoke(held, held.access)).status == 200
    is_oauth_error(await revoke(held, ""), "invalid_request")
    await held.turn()


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "nonsense"])
async def test_r7009_2_1_b_a_wrong_hint_does_no_harm(both: Issuer, hint: str) -> None:
    held = await hold(both, ClientType.WEB)
    assert (await revoke(held, held.access, token_type_hint=hint)).status == 200
    assert not await held.active(held.access)
    assert await held.active(held.refresh)
    assert (await revoke(held, held.refresh, token_type_hint=hint)).status == 200
    assert not await held.active(held.refresh)


async def test_r7009_2_1_d_revoking_an_access_token_spares_the_family_and_the_other_access_tokens(
    both: Issuer,
) -> None:
    held = await hold(both, ClientType.WEB)
    first = held.access
    await held.turn()
    await revoke(held, first)
    assert not await held.active(first)
    assert await userinfo(both, first) == 401
    assert await held.active(held.access)
    await held.turn()
    assert [event.what for event in await events(both, What.ACCESS_REVOKED)] == [What.ACCESS_REVOKED]


async def test_r7009_2_1_a_and_i_01_a_confidential_client_is_told_that_a_token_is_not_its_own_and_nothing_ends(
    both: Issuer, tmp_path: Path
) -> None:
    held, other = await hold(both), await hold(both, ClientType.WEB, "Other")
    with unchanged(both, tmp_path):
        for token in (held.refresh, held.access):
            reply = await revoke(other, token)
            is_oauth_error(reply, "invalid_request")
            assert reply.json()["error_description"] == "The token was issued to another client."
    told = await events(both, What.FAMILY_REFUSED)
    assert [(event.client_id, event.reason) for event in told] == [(other.client.id, "revoked_by_another_client")]
    assert told[0].family_id.startswith("fam_")
    await held.turn()
    assert await userinfo(both, held.access) == 200


async def test_r7009_2_1_a_and_i_02_whoever_only_names_itself_learns_nothing_about_anothers_token(
    both: Issuer, tmp_path: Path
) -> None:
    """A public client's answer is the same for a live token of somebody else and for one that never was."""
    held, other = await hold(both), await hold(both, name="Other")
    with unchanged(both, tmp_path):
        for token in (held.refresh, held.access, "egr_" + "A" * 92):
            reply = await revoke(other, token)
            assert (reply.status, reply.body) == GONE
    assert len(await events(both, What.FAMILY_REFUSED)) == 1
    await held.turn()
    assert await userinfo(both, held.access) == 200


async def test_r7009_2_1_a_nobody_revokes_without_saying_who_it_is(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer, ClientType.WEB)
    with unchanged(issuer, tmp_path):
        reply = await issuer.browser().post("/revoke", {"token": held.refresh})
        is_oauth_error(reply, "invalid_client")
        reply = await issuer.browser().post("/revoke", {"token": held.refresh, "client_id": held.client.id})
        is_oauth_error(reply, "invalid_client")
    await held.turn()


async def test_i_05_revoking_one_family_spares_the_same_clients_others(both: Issuer) -> None:
    one = await hold(both)
    two = await again(one)
    await revoke(one, one.refresh)
    await two.turn()
    assert await userinfo(both, two.access) == 200


async def test_revoking_twice_tells_the_trail_once(both: Issuer) -> None:
    held = await hold(both)
    for _ in range(3):
        assert (await revoke(held, held.refresh)).status == 200
    assert len(await events(both, What.FAMILY_ENDED)) == 1


async def test_a_revoked_access_token_is_remembered_no_longer_than_it_would_have_lived(both: Issuer) -> None:
    held = await hold(both)
    await revoke(held, held.access)
    end = both.clock.now() + held.tokens["expires_in"]
    barred = await both.house.store.read(lambda tx: tx.barred.find())
    assert [item.expires_at for item in barred] == [end]
    assert await both.house.store.write(lambda tx: tx.barred.sweep(end + 1, 100)) == 1
