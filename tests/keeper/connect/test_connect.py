"""An account is connected: begin, the browser at the provider, finish, a connection that is kept."""

from dataclasses import replace

import pytest

from evergrant.keeper.connection import MAIN, Reason
from evergrant.keeper.errors import BadRequest, NotUsable, UnknownProvider
from evergrant.keeper.event import What
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Pkce, Placeholder, Stands
from evergrant.protocol.pkce import is_challenge
from evergrant.testing.chaos import PLAIN
from tests.keeper.connect.scene import SITE, Health, asked, callback_at, stage


async def test_an_account_is_connected_with_a_browser_and_its_tokens_are_kept_sealed():
    async with stage() as here:
        done = await here.connect(return_to=f"{SITE}/settings", tags={"team": "blue"})
        found = await here.found(done.connection)
        connection = found.connection
        assert connection == done.connection
        assert connection.health is Health.ACTIVE
        assert (connection.subject, connection.tags, connection.version) == ("ada", {"team": "blue"}, 1)
        assert (done.return_to, done.reconnected, done.missing, done.refreshable) == (
            f"{SITE}/settings",
            False,
            (),
            True,
        )
        access, refresh = await here.tokens(connection)
        assert access.startswith("cha_")
        assert refresh.startswith("chr_")
        assert found.records[MAIN].expires_at == here.clock.now() + 3_600
        assert await here.told() == [What.BEGUN, What.CONNECTED]


async def test_k_22_neither_tokens_nor_state_nor_verifier_are_in_the_vault_in_clear():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada")
        state = asked(link.url)["state"]
        waiting = repr(vars(here.vault))
        assert state not in waiting
        assert state not in repr(link)
        done = await here.services.connect.finish(await here.browser(link.url), "ada")
        kept = repr(vars(here.vault))
        for token in await here.tokens(done.connection):
            assert token not in kept


async def test_the_request_carries_pkce_a_state_of_256_bits_a_nonce_and_the_clients_own_redirect_uri():
    async with stage() as here:
        first = asked((await here.services.connect.begin("plain", "ada")).url)
        second = asked((await here.services.connect.begin("plain", "ada")).url)
        assert first["response_type"] == "code"
        assert first["redirect_uri"] == callback_at("plain")
        assert first["scope"] == "openid read write"
        assert (first["code_challenge_method"], is_challenge(first["code_challenge"])) == ("S256", True)
        assert len(first["state"]) == len(first["nonce"]) == 43
        for name in ("state", "nonce", "code_challenge"):
            assert first[name] != second[name]


async def test_pkce_is_left_out_only_where_the_provider_is_known_not_to_take_it():
    for known, sent in [(Pkce.UNKNOWN, True), (Pkce.REQUIRED, True), (Pkce.UNSUPPORTED, False)]:
        async with stage(facts={"pkce": known}) as here:
            done = await here.connect()
            link = await here.services.connect.begin("plain", "eve")
            assert ("code_challenge" in asked(link.url)) is sent
            assert done.connection.health is Health.ACTIVE


async def test_the_scope_that_brings_a_refresh_token_is_added_unless_none_is_wanted():
    async with stage(facts={"refresh_scope": "offline_access"}) as here:
        begin = here.services.connect.begin
        assert asked((await begin("plain", "a")).url)["scope"] == "openid read write offline_access"
        assert asked((await begin("plain", "a", scopes=["x", "x"])).url)["scope"] == "x offline_access"
        assert asked((await begin("plain", "a", scopes=["x"], offline=False)).url)["scope"] == "x"


async def test_scopes_are_joined_by_the_providers_separator():
    async with stage(facts={"scope_separator": ","}) as here:
        done = await here.connect(scopes=["read", "write"])
        assert done.connection.granted_scope == ("read", "write")


@pytest.mark.parametrize("scope", ["", "two words", 'quo"te', "back\\slash", "ümlaut", "x" * 1_001])
async def test_what_is_no_scope_is_named_before_anybody_is_sent_away(scope):
    async with stage() as here:
        with pytest.raises(BadRequest, match="is no scope"):
            await here.services.connect.begin("plain", "ada", scopes=[scope])


async def test_extra_parameters_come_from_the_providers_facts_and_never_replace_ours():
    facts = {"authorize_params": {"audience": "api", "state": "fixed"}, "reconsent_params": {"prompt": "consent"}}
    async with stage(facts=facts) as here:
        said = asked((await here.services.connect.begin("plain", "ada")).url)
        assert (said["audience"], said["prompt"]) == ("api", "consent")
        assert said["state"] != "fixed"


async def test_consent_is_forced_only_when_a_new_refresh_token_is_needed():
    async with stage(facts={"reconsent_params": {"prompt": "consent"}}) as here:
        connection = (await here.connect()).connection
        begin = here.services.connect.begin
        assert "prompt" not in asked((await begin("plain", "ada")).url), "a living refresh token is there"
        assert "prompt" in asked((await begin("plain", "ada", scopes=["openid", "more"])).url), "it may do more"
        await here.change(connection, health=Health.NEEDS_REAUTH, reason=Reason.GRANT_DEAD)
        assert "prompt" in asked((await begin("plain", "ada")).url), "it is dead"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/", "https://app.example.evil.example/", "https://app.example@evil.example/",
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "http://app.example/", "https://app.example:444/",
        "javascript:alert(1)", "https://app.example/\nx", "/\tx", "https://[", "ftp://app.example/", "x",
    ],
)  # fmt: skip
async def test_a_return_address_elsewhere_is_refused(address):
    async with stage() as here:
        with pytest.raises(BadRequest, match="return_to"):
            await here.services.connect.begin("plain", "ada", return_to=address)


@pytest.mark.parametrize("address", ["", "/", "/settings?x=1#y", f"{SITE}/settings"])
async def test_a_return_address_of_the_site_is_kept(address):
    async with stage() as here:
        assert (await here.connect(return_to=address)).return_to == address


async def test_an_unknown_client_is_told_with_what_is_near():
    async with stage() as here:
        with pytest.raises(UnknownProvider, match="near: plain") as trouble:
            await here.services.connect.begin("plian", "ada")
        assert trouble.value.near == ("plain",)


async def test_a_quarantined_or_leaving_connection_is_not_connected_again():
    for health in (Health.QUARANTINED, Health.REVOKING):
        async with stage() as here:
            connection = (await here.connect()).connection
            link = await here.services.connect.begin("plain", "ada")
            await here.change(connection, health=health)
            with pytest.raises(NotUsable):
                await here.services.connect.begin("plain", "ada")
            callback = await here.browser(link.url)
            with pytest.raises(Exception, match=health.value):
                await here.services.connect.finish(callback, "ada")
            assert (await here.found(connection)).connection.health is health


SHOP = {
    "authorize_url": "https://{shop}.plain.example/authorize",
    "token_url": "https://{shop}.plain.example/token",
    "device_url": "", "refresh_url": "", "introspect_url": "", "userinfo_url": "", "jwks_url": "", "discovery_url": "",
    "iss_in_callback": False, "issuer": "", "placeholders": ("shop",),
}  # fmt: skip


async def test_a_gap_in_the_addresses_is_filled_by_the_caller_where_it_cannot_lead_away():
    facts = replace(PLAIN, **SHOP, fills={"shop": Placeholder(Stands.LABEL)})
    async with stage() as here:
        here.ground.catalog.add(replace(facts, revoke=replace(facts.revoke, url="")))
        begin = here.services.connect.begin
        link = await begin("plain", "ada", values={"shop": "blue"})
        assert link.url.startswith("https://blue.plain.example/authorize?")
        for bad in ("evil.example/", "a/b", "", "a@b", "x:1"):
            with pytest.raises(BadRequest):
                await begin("plain", "ada", values={"shop": bad})
        with pytest.raises(BadRequest, match="no gap named colour; it has shop"):
            await begin("plain", "ada", values={"colour": "blue"})


@pytest.mark.parametrize(
    ("rule", "address"),
    [
        (Placeholder(Stands.HOST), "https://{shop}/x"),
        (Placeholder(Stands.LABEL), "https://start.{shop}/x"),
        (Placeholder(Stands.LABEL), "https://start.plain.{shop}/x"),
        (Placeholder(Stands.LABEL), "https://start.{shop}.example/x"),
        (Placeholder(Stands.LABEL), "https://{shop}.{shop}.example.com/x"),
    ],
)
async def test_k_04_a_caller_cannot_choose_the_host_that_gets_code_and_client_secret(rule, address):
    facts = {**SHOP, "authorize_url": address, "token_url": address}
    async with stage() as here:
        provider = replace(PLAIN, **facts, fills={"shop": rule})
        here.ground.catalog.add(replace(provider, revoke=replace(PLAIN.revoke, url="")))
        with pytest.raises(BadRequest, match="set by the operator"):
            await here.services.connect.begin("plain", "ada", values={"shop": "evil.example"})


async def test_tags_of_an_earlier_connecting_are_kept_and_changed_by_name():
    async with stage() as here:
        await here.connect(tags={"team": "blue", "since": "1"})
        done = await here.connect(tags={"since": "2"})
        assert done.connection.tags == {"team": "blue", "since": "2"}


async def test_two_records_of_one_provider_are_kept_apart():
    """Slack answers with a bot's pair and, nested, a user's; its two-hundreds with `ok: false` are no success."""
    async with stage(provider=Catalog.shipped().get("slack")) as here:
        connection = (await here.connect(client="slack")).connection
        assert set((await here.found(connection)).records) == {"bot", "user"}
        pairs = {name: await here.tokens(connection, name) for name in ("bot", "user")}
        assert len({token for pair in pairs.values() for token in pair}) == 4


async def test_a_gap_that_nobody_filled_is_named_before_anybody_is_sent_away():
    async with stage() as here:
        provider = replace(PLAIN, **SHOP, fills={"shop": Placeholder(Stands.LABEL)})
        here.ground.catalog.add(replace(provider, revoke=replace(PLAIN.revoke, url="")))
        with pytest.raises(BadRequest, match="needs a value for shop"):
            await here.services.connect.begin("plain", "ada")
