"""All the providers that are shipped, imitated by their data: authorized, exchanged, refreshed, called, revoked."""

from typing import Final

import pytest

from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Pkce, Provider, RevokeVerb, Rotates
from evergrant.testing.chaos import Outcome
from tests.testing.chaos.caller import Caller, at, calling, landed, members

CATALOG: Final = Catalog.shipped()
EVERY: Final = CATALOG.ids()
REFRESHABLE: Final = [name for name in EVERY if CATALOG.get(name).refresh_tokens]


async def connected(caller: Caller) -> dict:
    """The first reply, as a browser and a client get it."""
    back = landed(await caller.authorize())
    assert back["state"] == "s"
    assert ("iss" in back) == caller.chaos.provider.iss_in_callback
    assert set(caller.chaos.provider.callback_fields) <= set(back)
    answer = await caller.exchange(back["code"])
    assert answer.status_code == 200, answer.text
    return members(answer)


def test_there_are_thirty_four() -> None:
    assert len(EVERY) == 34


@pytest.mark.parametrize("name", EVERY)
async def test_a_provider_is_authorized_exchanged_and_called(name: str) -> None:
    async with calling(name) as caller:
        facts = caller.chaos.provider
        told = await connected(caller)
        for record in facts.records:
            reply = record.reply
            assert (await caller.call(at(told, reply.access_token))).status_code == 200
            assert (at(told, reply.refresh_token) is not None) == facts.refresh_tokens
            assert all(at(told, kept) for kept in reply.keep)
            says = facts.expires_in_present and facts.access_lifetime != 0
            assert (at(told, reply.expires_in) is not None) == says
            if reply.subject:
                assert at(told, reply.subject[0]) == "ada"


@pytest.mark.parametrize("name", REFRESHABLE)
async def test_a_provider_refreshes_every_record_as_it_rotates(name: str) -> None:
    async with calling(name) as caller:
        facts = caller.chaos.provider
        told = await connected(caller)
        caller.clock.advance(facts.refresh_not_before)
        for record in facts.records:
            old = at(told, record.reply.refresh_token)
            answer = await caller.refresh(old)
            assert answer.status_code == 200, answer.text
            fresh = members(answer)
            flat = [record.reply.refresh_token, record.reply.refresh_token.rpartition(".")[2]]
            new = next((value for path in flat if (value := at(fresh, path))), None)
            if facts.refresh_token_on_refresh is False:
                assert new is None
            if facts.rotates is Rotates.ALWAYS:
                assert new not in {None, old}
        assert {seen.outcome for seen in caller.chaos.ledger} <= {Outcome.ROTATED, Outcome.KEPT}


@pytest.mark.parametrize("name", REFRESHABLE)
async def test_a_provider_says_that_a_grant_is_dead_in_its_own_words(name: str) -> None:
    async with calling(name) as caller:
        facts = caller.chaos.provider
        token = at(await connected(caller), facts.records[0].reply.refresh_token)
        caller.chaos.withdraw("ada")
        answer = await caller.refresh(token)
        shape = facts.dead_grant[0] if facts.dead_grant else None
        told = members(answer)
        if shape is None:
            assert (answer.status_code, told["error"]) == (400, "invalid_grant")
            return
        assert answer.status_code == (shape.status or 400)
        assert told["error"] == (shape.error or "invalid_grant")
        assert (shape.description_contains or "") in told["error_description"]
        assert dict(shape.members).items() <= told.items()


@pytest.mark.parametrize("name", [one for one in EVERY if CATALOG.get(one).revoke.verb is not RevokeVerb.NONE])
async def test_a_provider_revokes_with_its_own_verb(name: str) -> None:
    async with calling(name) as caller:
        record = caller.chaos.provider.records[0].reply
        told = await connected(caller)
        access, refresh = at(told, record.access_token), at(told, record.refresh_token) or ""
        assert (await caller.revoke(access, refresh)).status_code == 200
        assert caller.chaos.ledger.alive == []
        assert (await caller.call(access)).status_code == 401


@pytest.mark.parametrize("name", EVERY)
async def test_a_provider_is_strict_about_how_it_is_spoken_to(name: str) -> None:
    async with calling(name) as caller:
        facts: Provider = caller.chaos.provider
        nobody = await caller.http.post(facts.token_url, data={"grant_type": "authorization_code", "code": "x"})
        assert nobody.status_code in {400, 401}
        assert members(nobody)["error"] in {"invalid_client", "invalid_request"}
        without = await caller.authorize(code_challenge="", code_challenge_method="")
        assert ("error" in landed(without)) == (facts.pkce is Pkce.REQUIRED)


@pytest.mark.parametrize("name", [one for one in EVERY if CATALOG.get(one).authorize_params])
async def test_a_provider_that_wants_to_be_asked_for_a_refresh_token_gives_none_unasked(name: str) -> None:
    async with calling(name) as caller:
        facts = caller.chaos.provider
        dropped = dict.fromkeys(facts.authorize_params, "")
        told = members(await caller.exchange(await caller.code(**dropped)))
        assert at(told, facts.records[0].reply.refresh_token) is None


@pytest.mark.parametrize("name", EVERY)
async def test_everything_of_a_provider_is_on_loopback_and_nothing_waits_to_be_filled(name: str) -> None:
    async with calling(name) as caller:
        facts = caller.chaos.provider
        addresses = [
            facts.authorize_url, facts.token_url, facts.refresh_url, facts.device_url, facts.introspect_url,
            facts.userinfo_url, facts.discovery_url, facts.jwks_url, facts.probe_url, facts.revoke.url,
        ]  # fmt: skip
        assert all(each.startswith(caller.chaos.url + "/") for each in addresses if each)
        assert facts.placeholders == ()
        for optional in ("refresh_url", "device_url", "introspect_url"):
            assert bool(getattr(facts, optional)) == bool(getattr(CATALOG.get(name), optional))
