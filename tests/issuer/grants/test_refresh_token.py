"""grant_type=refresh_token: lifetimes as they are told, scope, the ID token, policies (RFC 6749 section 6)."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.policy import Preset
from evergrant.domain.reason import Reason
from evergrant.testing.in_process import SCOPES, Issuer
from tests.bound import hold_bound
from tests.issuing import Held, claims_of, events, header_of, hold, is_oauth_error, issuing, stored, unchanged

DAY = 86_400


async def told(held: Held, at: int, start: int) -> tuple[int, int]:
    """The two lifetimes that a refresh at a moment tells."""
    held.issuer.clock.advance(start + at - held.issuer.clock.now())
    tokens = await held.turn()
    return tokens["refresh_token_timeout"], tokens["authorization_expires_in"]


async def test_rte_6_1_a_answers_tell_the_drafts_example_to_the_second(both: Issuer) -> None:
    """Seven days idle, thirty in all; refreshed in between, because at seven days unused it would be over."""
    held = await hold(both, idle_lifetime=604_800, absolute_lifetime=2_592_000)
    start = both.clock.now()
    assert (held.tokens["refresh_token_timeout"], held.tokens["authorization_expires_in"]) == (604_800, 2_592_000)
    await told(held, 3 * DAY, start)
    assert await told(held, 7 * DAY, start) == (604_800, 1_987_200)
    for day in (13, 19, 25):
        await told(held, day * DAY, start)
    assert await told(held, 28 * DAY, start) == (172_800, 172_800)
    both.clock.advance(172_800 - 1)
    assert (await held.turn())["refresh_token_timeout"] == 1
    both.clock.advance(1)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")


async def test_rte_5_a_no_access_token_outlives_its_authorization(issuer: Issuer) -> None:
    held = await hold(issuer, absolute_lifetime=700, idle_lifetime=700, access_lifetime=600)
    assert held.tokens["expires_in"] == 600
    issuer.clock.advance(500)
    await held.turn()
    assert (held.tokens["expires_in"], held.tokens["refresh_token_timeout"]) == (200, 200)
    assert claims_of(held.access)["exp"] == (await held.family()).absolute_end


@pytest.mark.parametrize(("idle", "absolute", "reason"), [(10, 20, Reason.IDLE), (20, 20, Reason.ABSOLUTE)])
async def test_rte_5_b_and_r9700_4_14_2_f_expired_stays_expired_also_when_the_authorization_is_renewed(
    both: Issuer, idle: int, absolute: int, reason: Reason
) -> None:
    held = await hold(both, idle_lifetime=idle * DAY, absolute_lifetime=absolute * DAY)
    browser, old = both.browser(), held.refresh
    both.clock.advance(idle * DAY)
    is_oauth_error(await held.present(old), "invalid_grant")
    ended = (await held.family()).ended
    assert ended is not None
    assert ended.reason is reason
    await both.signed_in(held.client, browser=browser)
    is_oauth_error(await held.present(old), "invalid_grant")
    assert [event.reason for event in await events(both, What.FAMILY_ENDED)] == [reason]


async def test_r10017_6_3_2_3_b_a_family_has_an_idle_end_that_slides_and_an_end_that_does_not(both: Issuer) -> None:
    held = await hold(both, idle_lifetime=10 * DAY, absolute_lifetime=15 * DAY)
    for _ in range(2):
        both.clock.advance(7 * DAY)
        await held.turn()
    both.clock.advance(DAY)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")


async def test_r10017_6_3_2_3_d_an_online_family_lives_as_long_as_its_browser_session_and_no_longer(
    both: Issuer,
) -> None:
    client, _ = await both.client(idle_lifetime=300 * DAY)
    settings_ = both.house.settings
    held = Held(both, client, "", await both.signed_in(client, scope="openid"))
    assert held.tokens["refresh_token_timeout"] == settings_.session_idle
    assert held.tokens["authorization_expires_in"] == settings_.session_absolute
    both.clock.advance(DAY)
    await held.turn()
    assert held.tokens["refresh_token_timeout"] == settings_.session_idle
    assert held.tokens["authorization_expires_in"] == settings_.session_absolute - DAY
    both.clock.advance(settings_.session_idle)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")


async def test_server_wide_limits_cap_a_clients_own_lifetimes(tmp_path: Path) -> None:
    config = Config().replace(tokens__max_idle_lifetime=5 * DAY, tokens__max_absolute_lifetime=9 * DAY)
    async with issuing(tmp_path, config=config) as issuer:
        await issuer.person()
        held = await hold(issuer, idle_lifetime=90 * DAY, absolute_lifetime=90 * DAY)
        assert held.tokens["refresh_token_timeout"] == 5 * DAY
        assert held.tokens["authorization_expires_in"] == 9 * DAY


@pytest.mark.parametrize("preset", [Preset.PUBLIC, Preset.MCP])
async def test_r9700_2_2_2_a_and_r10017_6_3_2_3_a_public_clients_rotate(issuer: Issuer, preset: Preset) -> None:
    held = await hold(issuer, preset=preset)
    first = held.refresh
    await held.turn()
    assert held.refresh != first


@pytest.mark.parametrize(
    ("preset", "type_", "overlap"),
    [
        (Preset.PUBLIC, ClientType.SPA, 60),
        (Preset.MCP, ClientType.NATIVE, 300),
        (Preset.CONFIDENTIAL, ClientType.WEB, DAY),
    ],
)
async def test_each_preset_repeats_for_as_long_as_it_says(
    both: Issuer, preset: Preset, type_: ClientType, overlap: int
) -> None:
    held = await hold(both, type_, preset=preset)
    first = held.refresh
    await held.turn()
    both.clock.advance(overlap)
    assert (await held.present(first)).json()["refresh_token"] == held.refresh
    both.clock.advance(1)
    is_oauth_error(await held.present(first), "invalid_grant")


async def test_the_fapi2_preset_keeps_the_token_and_slides_its_idle_end(both: Issuer) -> None:
    held = await hold_bound(both, ClientType.WEB, preset=Preset.FAPI2, dpop_bound=True, idle_lifetime=10 * DAY)
    first = held.refresh
    for _ in range(3):
        both.clock.advance(9 * DAY)
        assert (await held.turn())["refresh_token"] == first
    family = await held.family()
    assert family.head.generation == 0
    assert family.head.sealed is None
    both.clock.advance(10 * DAY)
    is_oauth_error(await held.present(first), "invalid_grant")


async def test_observe_only_refuses_a_reuse_and_ends_nothing(tmp_path: Path) -> None:
    async with issuing(tmp_path, config=Config().replace(policy__observe_only=True)) as issuer:
        await issuer.person()
        held = await hold(issuer)
        first = held.refresh
        await held.turn()
        issuer.clock.advance(61)
        with unchanged(issuer, tmp_path):
            is_oauth_error(await held.present(first), "invalid_grant")
        assert [event.reason for event in await events(issuer, What.FAMILY_REUSED)] == ["observed_only"]
        await held.turn()


@pytest.mark.parametrize(
    ("radius", "ended"),
    [("family", {"a1"}), ("session", {"a1", "a2", "b1"}), ("client", {"a1", "a2", "a3"}),
     ("user", {"a1", "a2", "a3", "b1", "b2"})],
)  # fmt: skip
async def test_asvs_10_4_5_a_reuse_ends_what_the_blast_radius_says_and_nobody_elses(
    tmp_path: Path, radius: str, ended: set[str]
) -> None:
    """Two clients a and b of Ada in two browsers, and a client of Bob's."""
    async with issuing(tmp_path, config=Config().replace(policy__reuse=radius)) as issuer:
        await issuer.person()
        await issuer.person("bob@example.com")
        a, _ = await issuer.client(name="A")
        b, _ = await issuer.client(name="B")
        desk, phone, bobs = issuer.browser(), issuer.browser(), issuer.browser()
        held = {
            name: Held(issuer, client, "", await issuer.signed_in(client, browser=browser))
            for name, client, browser in (("a1", a, desk), ("a2", a, desk), ("b1", b, desk), ("a3", a, phone),
                                          ("b2", b, phone))
        }  # fmt: skip
        code = await issuer.code(bobs, a, name="bob@example.com")
        held["bob"] = Held(issuer, a, "", (await issuer.redeem(a, "", code)).json())
        first = held["a1"].refresh
        await held["a1"].turn()
        issuer.clock.advance(61)
        is_oauth_error(await held["a1"].present(first), "invalid_grant")
        assert {name for name, one in held.items() if (await one.family()).ended is not None} == ended


async def test_r6749_3_3_a_and_r6749_3_3_b_scope_is_a_set_and_the_answer_tells_what_was_given(issuer: Issuer) -> None:
    held = await hold(issuer)
    for asked in ("profile openid", "openid profile openid", " profile  openid "):
        await held.turn(scope=asked)
        assert held.tokens["scope"] == claims_of(held.access)["scope"] == "openid profile"
    is_oauth_error(await held.present(held.refresh, scope="OpenID"), "invalid_scope")


async def test_oidc_12_2_a_and_oidc_12_2_c_the_renewed_id_token_keeps_its_claims_and_needs_openid(
    both: Issuer,
) -> None:
    held = await hold(both)
    first = claims_of(held.tokens["id_token"])
    assert first["nonce"] == "n"
    both.clock.advance(100)
    renewed = claims_of((await held.turn())["id_token"])
    assert {name: renewed[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")} == {
        name: first[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    }
    assert renewed["iat"] == first["iat"] + 100 == both.clock.now()
    assert renewed["exp"] > renewed["iat"]
    assert "nonce" not in renewed
    assert "azp" not in renewed
    assert renewed["at_hash"] != first["at_hash"]
    assert header_of(held.tokens["id_token"])["typ"] == "JWT"
    assert "id_token" not in (await held.present(held.refresh, scope="profile")).json()


async def test_r6749_10_10_a_o21_7_7_a_and_r6749_a_17_refresh_tokens_are_printable_and_hold_256_random_bits(
    issuer: Issuer,
) -> None:
    held = await hold(issuer)
    seen = {held.refresh} | {(await held.turn())["refresh_token"] for _ in range(50)}
    assert len(seen) == 51
    for token in seen:
        assert re.fullmatch(r"egr_[A-Za-z0-9_-]{92}", token)
    secrets = {token[32:75] for token in seen}  # beyond version, family and generation, before the MAC
    assert len(secrets) == 51


async def test_r6749_10_4_a_refresh_tokens_are_stored_as_digests(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    first = held.refresh
    await held.turn()
    kept = repr(stored(both, tmp_path, but=frozenset()))
    for token in (first, held.refresh, held.access, held.tokens["id_token"]):
        assert token not in kept
        assert token[4:60] not in kept


async def test_o21_4_3_1_a_refresh_checks_client_grant_and_token(issuer: Issuer, tmp_path: Path) -> None:
    held, other = await hold(issuer, ClientType.WEB), await hold(issuer, ClientType.WEB, "Other")
    with unchanged(issuer, tmp_path):
        is_oauth_error(await issuer.refresh(held.client, other.secret, held.refresh), "invalid_client", 401)
        is_oauth_error(await other.present(held.refresh), "invalid_grant")
        is_oauth_error(await held.present(held.refresh[:-2] + "AA"), "invalid_grant")
    await held.turn()


async def test_r9700_4_14_2_d_what_a_token_holds_is_authenticated(issuer: Issuer, tmp_path: Path) -> None:
    """A generation or family written into a token by somebody else is not believed."""
    from evergrant.domain import base64url

    held = await hold(issuer)
    body = bytearray(base64url.decode(held.refresh[4:]))
    with unchanged(issuer, tmp_path):
        for at in (0, 1, 16, 17, 20, 21, 52, 53, len(body) - 1):
            forged = bytearray(body)
            forged[at] ^= 1
            text = "egr_" + base64url.encode(bytes(forged)).decode()
            is_oauth_error(await held.present(text), "invalid_grant")


SCOPE_TEXT = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*SCOPES, "OPENID", "admin", "", '"', "\\", "openid\u200b"]), max_size=6).map(" ".join),
)


@pytest.fixture
async def spa(issuer: Issuer) -> Held:
    return await hold(issuer)


@settings(max_examples=settings().max_examples * 3 // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scope=SCOPE_TEXT)
async def test_inv_9_and_rt_19_no_scope_string_ever_widens_and_no_refusal_changes_a_row(
    spa: Held, tmp_path: Path, scope: str
) -> None:
    before = stored(spa.issuer, tmp_path)
    reply = await spa.present(spa.refresh, scope=scope)
    if reply.status == 200:
        assert set(reply.json()["scope"].split()) <= set(SCOPES)
        assert set(claims_of(reply.json()["access_token"])["scope"].split()) <= set(SCOPES)
        spa.tokens = {**spa.tokens, **reply.json()}
    else:
        assert (reply.status, reply.json()["error"]) in {(400, "invalid_scope"), (400, "invalid_request")}
        assert stored(spa.issuer, tmp_path) == before
