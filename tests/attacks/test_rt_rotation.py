"""Refresh tokens presented again: inside the overlap, after it, by the wrong party, by both (attack RT-01 and on)."""

import asyncio
from pathlib import Path

import pytest

from evergrant.domain import id as ids
from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.policy import Preset
from evergrant.domain.reason import Reason
from evergrant.issuer.service.housekeeping import KEEP_SECONDS
from evergrant.store.port import Tx
from evergrant.testing.in_process import Issuer
from tests.bound import hold_bound
from tests.issuing import SQLITE, Held, again, claims_of, events, hold, is_oauth_error, issuing, unchanged, whats

OVERLAP = 60
DAY = 86_400


async def test_rt_01_and_o21_4_3_1_b_reuse_after_the_overlap_ends_the_family_and_its_access_tokens_at_once(
    both: Issuer,
) -> None:
    held = await hold(both, ClientType.WEB, overlap=OVERLAP)
    first, old_access = held.refresh, held.access
    await held.turn()
    assert await held.active(old_access)
    assert await held.active(held.access)
    both.clock.advance(OVERLAP + 1)

    is_oauth_error(await held.present(first), "invalid_grant")

    family = await held.family()
    assert family.ended is not None
    assert family.ended.reason is Reason.REUSE
    for token in (old_access, held.access, held.refresh):
        assert not await held.active(token)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")
    told = await whats(both)
    assert told.index(What.FAMILY_REUSED) < told.index(What.FAMILY_ENDED)


async def test_rt_01_the_description_tells_the_client_to_start_the_authorization_again(issuer: Issuer) -> None:
    held = await hold(issuer)
    first = held.refresh
    await held.turn()
    issuer.clock.advance(OVERLAP + 1)
    reply = await held.present(first)
    assert reply.json()["error_description"] == "The refresh token is not valid. Start the authorization again."


@pytest.mark.parametrize("later", [0, 1, OVERLAP])
async def test_rt_02_inside_the_overlap_the_same_successor_comes_again(both: Issuer, later: int) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    both.clock.advance(later)

    reply = await held.present(first)

    assert reply.status == 200
    assert reply.json()["refresh_token"] == held.refresh
    assert reply.json()["access_token"] != held.access
    assert (await held.family()).head.generation == 1
    assert not {What.FAMILY_REUSED, What.FAMILY_ENDED} & set(await whats(both))


async def test_rt_02_a_used_successor_closes_the_overlap(issuer: Issuer) -> None:
    held = await hold(issuer)
    first = held.refresh
    await held.turn()
    await held.turn()
    is_oauth_error(await held.present(first), "invalid_grant")
    assert (await held.family()).ended is not None


async def test_rt_03_another_client_inside_the_overlap_harms_nobody(both: Issuer, tmp_path: Path) -> None:
    held, other = await hold(both), await hold(both, name="Other")
    first = held.refresh
    await held.turn()
    with unchanged(both, tmp_path):
        for token in (first, held.refresh):
            is_oauth_error(await other.present(token), "invalid_grant")
    refused = await events(both, What.FAMILY_REFUSED)
    assert [(event.client_id, event.reason) for event in refused] == [(other.client.id, "wrong_client")] * 2
    assert (await held.present(first)).json()["refresh_token"] == held.refresh


async def test_rt_03_another_client_after_the_overlap_cannot_end_the_family_either(
    both: Issuer, tmp_path: Path
) -> None:
    held, other = await hold(both), await hold(both, ClientType.WEB, name="Other")
    first = held.refresh
    await held.turn()
    both.clock.advance(OVERLAP + 1)
    with unchanged(both, tmp_path):
        is_oauth_error(await other.present(first), "invalid_grant")
    await held.turn()


@pytest.mark.parametrize("narrowed", ["openid", "email profile"])
async def test_rt_05_a_repeat_with_other_parameters_makes_no_second_successor(issuer: Issuer, narrowed: str) -> None:
    held = await hold(issuer)
    first = held.refresh
    await held.turn()
    reply = await held.present(first, scope=narrowed)
    assert reply.status == 200
    assert reply.json()["refresh_token"] == held.refresh
    assert claims_of(reply.json()["access_token"])["scope"] == narrowed
    assert (await held.family()).head.generation == 1


async def test_rt_05_a_repeat_with_more_than_was_granted_is_refused_and_ends_nothing(
    issuer: Issuer, tmp_path: Path
) -> None:
    held = await hold(issuer)
    first = held.refresh
    await held.turn()
    with unchanged(issuer, tmp_path):
        is_oauth_error(await held.present(first, scope="openid admin"), "invalid_scope")
        is_oauth_error(await held.present(first, resource="https://else.example"), "invalid_target")
    assert (await held.present(first)).json()["refresh_token"] == held.refresh


@pytest.mark.parametrize("at_once", [2, 3, 8, 64])
async def test_rt_06_and_rt_07_presenters_at_once_get_one_successor_and_all_are_answered(
    both: Issuer, at_once: int
) -> None:
    held = await hold(both)
    replies = await asyncio.gather(*(held.present(held.refresh) for _ in range(at_once)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json()["refresh_token"] for reply in replies}) == 1
    assert len({reply.json()["access_token"] for reply in replies}) == at_once
    assert (await held.family()).head.generation == 1
    told = await whats(both)
    assert told.count(What.FAMILY_ROTATED) == 1
    assert told.count(What.FAMILY_REPEATED) == at_once - 1
    assert What.FAMILY_REUSED not in told


async def test_rt_06_many_families_in_one_batch_each_get_their_own_successor(tmp_path: Path) -> None:
    async with issuing(tmp_path, SQLITE) as issuer:
        await issuer.person()
        held = await hold(issuer)
        browser = issuer.browser()
        families = [held, *[await again(held, browser) for _ in range(7)]]
        replies = await asyncio.gather(*(one.present(one.refresh) for one in families for _ in range(8)))
        assert {reply.status for reply in replies} == {200}
        successors = [{r.json()["refresh_token"] for r in replies[at : at + 8]} for at in range(0, 64, 8)]
        assert [len(each) for each in successors] == [1] * 8
        assert len(set.union(*successors)) == 8


async def test_rt_08_what_fails_after_the_commit_is_repaired_by_repeating(
    both: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeatable answer is stored by the commit that spends the token: there is no second write to lose."""
    held = await hold(both)
    first = held.refresh
    both.app.faults_expected = True  # type: ignore[attr-defined]
    with monkeypatch.context() as broken:
        broken.setattr("evergrant.keys.signing.Signer.signed", _out_of_order)
        reply = await held.present(first)
    assert reply.status == 500
    assert (await held.family()).head.generation == 1
    assert (await held.family()).head.sealed is not None

    one, two = await held.present(first), await held.present(first)
    assert one.json()["refresh_token"] == two.json()["refresh_token"]
    assert (await held.family()).head.generation == 1


def _out_of_order(*args: object) -> str:
    raise OSError("the signing module is out of order")


@pytest.mark.parametrize("back", [2, 3])
async def test_rt_09_an_older_ancestor_is_reuse_even_inside_the_overlap(both: Issuer, back: int) -> None:
    held = await hold(both)
    tokens = [held.refresh]
    tokens += [(await held.turn())["refresh_token"] for _ in range(3)]
    is_oauth_error(await held.present(tokens[3 - back]), "invalid_grant")
    family = await held.family()
    assert family.ended is not None
    assert family.ended.reason is Reason.REUSE


async def test_rt_10_and_o_16_an_ancestor_of_a_purged_family_is_refused_and_none_is_purged_before_its_end(
    both: Issuer,
) -> None:
    held = await hold(both, absolute_lifetime=10 * DAY, idle_lifetime=10 * DAY)
    first, family_id = held.refresh, (await held.family()).id
    await held.turn()

    def sweep(tx: Tx) -> bool:
        tx.families.sweep(b"", both.clock.now(), 100, KEEP_SECONDS)
        return tx.families.get(family_id) is not None

    both.clock.advance(9 * DAY)
    assert await both.house.store.write(sweep)
    is_oauth_error(await held.present(first), "invalid_grant")
    assert (await held.family()).ended is not None
    both.clock.advance(DAY + KEEP_SECONDS)
    assert await both.house.store.write(sweep)
    both.clock.advance(1)
    assert not await both.house.store.write(sweep)
    is_oauth_error(await held.present(first), "invalid_grant")


async def test_rt_11_a_chain_of_overlaps_never_restarts_the_clock(both: Issuer) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    end = (await held.family()).head.overlap_end
    for _ in range(5):
        both.clock.advance(10)
        assert (await held.present(first)).status == 200
        assert (await held.family()).head.overlap_end == end
    both.clock.advance(11)
    is_oauth_error(await held.present(first), "invalid_grant")
    assert (await held.family()).ended is not None


async def test_rt_12_rotations_in_one_second_keep_their_order(both: Issuer) -> None:
    held = await hold(both)
    tokens = [held.refresh] + [(await held.turn())["refresh_token"] for _ in range(5)]
    assert len(set(tokens)) == 6
    assert (await held.family()).head.generation == 5
    assert (await held.present(tokens[4])).json()["refresh_token"] == tokens[5]
    is_oauth_error(await held.present(tokens[3]), "invalid_grant")


async def test_rt_13_a_restart_forgets_no_rotation(tmp_path: Path) -> None:
    async with issuing(tmp_path, SQLITE) as issuer:
        await issuer.person()
        held = await hold(issuer)
        spent = held.refresh
        await held.turn()
        await held.turn()
    async with issuing(tmp_path, SQLITE) as issuer:
        is_oauth_error(await issuer.refresh(held.client, "", spent), "invalid_grant")
        family_id = ids.parse(ids.Kind.FAMILY, claims_of(held.access)["fam"])
        assert family_id is not None
        family = await issuer.house.store.read(lambda tx: tx.families.get(family_id))
        assert family is not None
        assert family.ended is not None
        assert family.ended.reason is Reason.REUSE
    async with issuing(tmp_path, SQLITE) as issuer:
        is_oauth_error(await issuer.refresh(held.client, "", held.refresh), "invalid_grant")


async def test_rt_13_the_overlap_survives_a_restart(tmp_path: Path) -> None:
    async with issuing(tmp_path, SQLITE) as issuer:
        await issuer.person()
        held = await hold(issuer)
        spent = held.refresh
        await held.turn()
    async with issuing(tmp_path, SQLITE) as issuer:
        reply = await issuer.refresh(held.client, "", spent)
        assert reply.json()["refresh_token"] == held.refresh


async def test_rt_30_two_copies_of_one_installation_both_live(both: Issuer) -> None:
    """A keychain copied to a second device: both refresh the same stored token a moment apart, again and again."""
    held = await hold(both)
    one = two = held.refresh
    for _ in range(5):
        one = (await held.present(one)).json()["refresh_token"]
        both.clock.advance(1)
        two = (await held.present(two)).json()["refresh_token"]
        assert one == two
        both.clock.advance(600)
    assert (await held.family()).ended is None


async def stolen(issuer: Issuer) -> tuple[Held, str]:
    """A family whose first token a thief has used from elsewhere; what the thief got for it."""
    held = await hold(issuer)
    thief = issuer.browser(network="203.0.113.66", agent="curl/8")
    loot = await issuer.refresh(held.client, "", held.refresh, thief)
    assert loot.status == 200
    return held, loot.json()["refresh_token"]


async def test_rt_31_thief_first_victim_second_ends_the_family_and_both_are_told(both: Issuer) -> None:
    held, loot = await stolen(both)
    both.clock.advance(OVERLAP + 1)

    is_oauth_error(await held.present(held.refresh), "invalid_grant")
    is_oauth_error(await held.present(loot), "invalid_grant")

    family = await held.family()
    notices = await both.house.store.read(lambda tx: tx.notices.find(10, account_id=family.account_id))
    assert [(n.holder.network, n.holder.agent) for n in notices] == [("203.0.113.66", "curl/8")]
    assert notices[0].presenter.network == "192.0.2.1"
    assert What.FAMILY_REUSED in await whats(both)


async def test_rt_31_the_access_token_of_the_thief_dies_with_the_family(both: Issuer) -> None:
    held = await hold(both)
    loot = (await held.present(held.refresh)).json()["access_token"]
    both.clock.advance(OVERLAP + 1)
    await held.present(held.refresh)
    reply = await both.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {loot}"})
    assert reply.status == 401


async def test_rt_32_uses_inside_the_overlap_are_counted_and_many_raise_an_alarm(both: Issuer) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    for _ in range(9):
        await held.present(first)
    assert What.FAMILY_REPEATS_MANY not in await whats(both)
    for _ in range(3):
        await held.present(first)
    assert (await whats(both)).count(What.FAMILY_REPEATS_MANY) == 1
    assert (await held.family()).head.repeats == 12


async def test_rt_36_an_old_token_seen_elsewhere_cannot_end_a_confidential_clients_family(
    issuer: Issuer, tmp_path: Path
) -> None:
    """Without the client's secret an old token does nothing; for a public client this is the accepted cost."""
    held = await hold(issuer, ClientType.WEB)
    old = held.refresh
    await held.turn()
    await held.turn()
    with unchanged(issuer, tmp_path):
        is_oauth_error(await issuer.refresh(held.client, "wrong", old), "invalid_client", 401)
    await held.turn()


async def test_rt_31_a_reusable_token_is_worth_nothing_without_the_clients_secret(issuer: Issuer) -> None:
    held = await hold_bound(issuer, ClientType.WEB, preset=Preset.FAPI2, dpop_bound=True)
    first = held.refresh
    assert (await held.turn())["refresh_token"] == first
    is_oauth_error(await issuer.refresh(held.client, "wrong", first), "invalid_client", 401)
    assert (await held.turn())["refresh_token"] == first
