"""What is special about a provider is done because its facts say so, with no mode in force."""

import httpx2
import pytest

from evergrant.keeper.provider.catalog import filled
from evergrant.testing.chaos import Outcome
from tests.testing.chaos.caller import CALLBACK, Caller, calling, landed, members

DAY = 86_400


async def spent_again(provider: str, *, after: int = 1) -> tuple[Outcome, bool, Caller]:
    """What presenting a spent token comes to at a provider, and whether the grant lives."""
    async with calling(provider) as caller:
        facts = caller.chaos.provider
        given = caller.chaos.grant("ada", redirect_uri=CALLBACK)
        caller.clock.advance(facts.refresh_not_before)
        await caller.refresh(given.refresh_token)
        caller.clock.advance(after)
        await caller.refresh(given.refresh_token)
        ledger = caller.chaos.ledger
        return ledger.refreshes[-1].outcome, bool(ledger.alive), caller


@pytest.mark.parametrize(
    ("provider", "after", "outcome", "lives"),
    [
        ("google", 60, Outcome.KEPT, True),
        ("hubspot", 60, Outcome.KEPT, True),
        ("quickbooks", 60, Outcome.KEPT, True),
        ("microsoft_entra", 30 * DAY, Outcome.FORKED, True),
        ("atlassian", 599, Outcome.REPLAYED, True),
        ("atlassian", 600, Outcome.REUSED, False),
        ("xero", 1_799, Outcome.REPLAYED, True),
        ("workos", 29, Outcome.REPLAYED, True),
        ("okta", 29, Outcome.REPLAYED, True),
        ("okta", 30, Outcome.REUSED, False),
        ("shopify", 29 * DAY, Outcome.REPLAYED, True),
        ("auth0", 1, Outcome.REUSED, False),
        ("visma_connect", 1, Outcome.REUSED, False),
        ("github_app", 1, Outcome.REUSED, True),
        ("box", 1, Outcome.REUSED, True),
        ("slack", 1, Outcome.REUSED, True),
    ],
)
async def test_a_spent_token_is_worth_what_the_provider_says(provider, after, outcome, lives):
    assert (await spent_again(provider, after=after))[:2] == (outcome, lives)


@pytest.mark.parametrize("provider", ["github_app", "gitlab"])
async def test_a_refresh_ends_the_access_token_before_it(provider):
    async with calling(provider) as caller:
        given = caller.chaos.grant("ada", redirect_uri=CALLBACK)
        await caller.refresh(given.refresh_token)
        assert (await caller.call(given.access_token)).status_code == 401


async def test_exact_online_refuses_a_refresh_that_comes_early():
    async with calling("exact_online") as caller:
        token = caller.chaos.grant().refresh_token
        assert (await caller.refresh(token)).status_code == 400
        caller.clock.advance(caller.chaos.provider.refresh_not_before)
        assert (await caller.refresh(token)).status_code == 200


async def test_zoho_blocks_the_eleventh_refresh_in_ten_minutes_and_forgets_the_oldest_of_twenty_one():
    async with calling("zoho") as caller:
        token = caller.chaos.grant("ada").refresh_token
        answers = [(await caller.refresh(token)).status_code for _ in range(11)]
        assert answers == [200] * 10 + [429]
        caller.clock.advance(600)
        assert (await caller.refresh(token)).status_code == 200
        for _ in range(20):
            caller.chaos.grant("ada")
        assert caller.chaos.ledger.ended == {"grant-1": "evicted"}


async def test_netsuite_wants_its_user_back_after_seven_days_however_often_it_was_refreshed():
    async with calling("netsuite") as caller:
        token = caller.chaos.grant().refresh_token
        for _ in range(6):
            caller.clock.advance(DAY)
            token = members(await caller.refresh(token))["refresh_token"]
        caller.clock.advance(DAY)
        assert members(await caller.refresh(token))["error"] == "invalid_grant"


async def test_a_refresh_token_that_nobody_uses_ends():
    async with calling("xero") as caller:
        token = caller.chaos.grant().refresh_token
        caller.clock.advance(59 * DAY)
        token = members(await caller.refresh(token))["refresh_token"]
        caller.clock.advance(60 * DAY)
        assert members(await caller.refresh(token))["error"] == "invalid_grant"


async def test_github_speaks_forms_unless_it_is_asked_for_json():
    async with calling("github_app") as caller:
        given = caller.chaos.grant()
        form = {"grant_type": "refresh_token", "refresh_token": given.refresh_token, **credentials(caller)}
        unasked = await caller.http.post(caller.chaos.provider.token_url, data=form, headers={"accept": "*/*"})
        assert unasked.headers["content-type"].startswith("application/x-www-form-urlencoded")
        asked = await caller.refresh(members(unasked)["refresh_token"])
        assert asked.headers["content-type"] == "application/json"
        dead = await caller.refresh(given.refresh_token)
        assert (dead.status_code, dead.json()["error"]) == (200, "bad_refresh_token")


def credentials(caller: Caller) -> dict[str, str]:
    return {"client_id": caller.chaos.client_id, "client_secret": caller.chaos.client_secret}


async def test_gitlab_wants_the_redirect_address_again_and_spends_nothing_without_it():
    async with calling("gitlab") as caller:
        given = caller.chaos.grant("ada", redirect_uri=CALLBACK)
        form = {"grant_type": "refresh_token", "refresh_token": given.refresh_token, **credentials(caller)}
        without = await caller.http.post(caller.chaos.provider.token_url, data=form)
        assert (without.status_code, without.json()["error"]) == (400, "invalid_request")
        assert (await caller.refresh(given.refresh_token)).status_code == 200


async def test_notion_reads_json_with_its_version_and_nothing_else():
    async with calling("notion") as caller:
        given = caller.chaos.grant()
        identity = (caller.chaos.client_id, caller.chaos.client_secret)
        asked = {"grant_type": "refresh_token", "refresh_token": given.refresh_token}
        url, version = caller.chaos.provider.token_url, caller.chaos.provider.headers
        as_form = await caller.http.post(url, data=asked, auth=identity, headers=version)
        without = await caller.http.post(url, json=asked, auth=identity)
        assert [one.json()["error"] for one in (as_form, without)] == ["invalid_request"] * 2
        assert (await caller.refresh(given.refresh_token)).status_code == 200


async def test_a_second_consent_at_google_gives_a_refresh_token_only_when_it_is_asked_for():
    async with calling("google") as caller:
        first = members(await caller.exchange(await caller.code()))
        again = members(await caller.exchange(await caller.code()))
        asked = dict(caller.chaos.provider.reconsent_params)
        anew = members(await caller.exchange(await caller.code(**asked)))
        assert ["refresh_token" in told for told in (first, again, anew)] == [True, not asked, True]


async def test_an_origin_that_only_the_callback_tells_stays_a_gap_until_then():
    async with calling("zoho", late=True) as caller:
        facts = caller.chaos.provider
        assert (facts.token_url, facts.placeholders) == ("{accounts_server}/token", ("accounts_server",))
        back = landed(await caller.authorize())
        there = filled(facts, {"accounts_server": back["accounts-server"]})
        assert there.token_url == f"{caller.chaos.url}/token"
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK,
                "code_verifier": "v" * 64, **credentials(caller)}  # fmt: skip
        answer: httpx2.Response = await caller.http.post(there.token_url, params=form)
        assert answer.json()["api_domain"] == caller.chaos.url


@pytest.mark.parametrize("mode", ["strict_one_shot", "replay_window", "previous_window", "until_successor_used"])
async def test_a_provider_that_never_rotates_does_when_a_mode_says_so(mode):
    async with calling("google", mode) as caller:
        token = caller.chaos.grant().refresh_token
        fresh = members(await caller.refresh(token))["refresh_token"]
        assert fresh != token
        assert (await caller.refresh(fresh)).status_code == 200


@pytest.mark.parametrize(("most", "alive"), [(0, 0), (1, 1), (3, 2)])
async def test_slots_hold_as_many_grants_of_each_user_as_they_say(most, alive):
    async with calling("plain", f"slots:most={most}") as caller:
        for user in ("ada", "bob", "ada", "bob"):
            caller.chaos.grant(user)
        assert len(caller.chaos.ledger.alive) == 2 * alive
