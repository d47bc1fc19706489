"""A callback that is not one to be finished here is refused, with a code, before the code leaves for anywhere."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from evergrant.keeper.connection import Connection
from evergrant.keeper.errors import BadRequest, CallbackRefused, UnknownConnection
from evergrant.keeper.event import What
from evergrant.keeper.provider.catalog import Catalog
from evergrant.protocol.callback import read_callback
from tests.keeper.connect.scene import Health, Scene, callback_at, client_of, scene, stage


def changed(callback: str, **more: str | None) -> str:
    """The callback with parameters put in, replaced, or (None) taken out."""
    parts = urlsplit(callback)
    params = {**dict(parse_qsl(parts.query)), **more}
    return parts._replace(query=urlencode({name: text for name, text in params.items() if text is not None})).geturl()


async def away(here: Scene, account: str = "ada", client: str = "plain", **more: str) -> str:
    """A callback that would be finished if nobody touched it."""
    link = await here.services.connect.begin(client, account, **more)
    return await here.browser(link.url)


async def refused(here: Scene, callback: str, user: str = "ada", tenant: str = "") -> str:
    with pytest.raises(CallbackRefused) as trouble:
        await here.services.connect.finish(callback, user, tenant=tenant)
    return trouble.value.code


async def unchanged(here: Scene, connection: Connection) -> bool:
    return (await here.found(connection)).connection == connection


async def test_k_01_an_answer_of_another_issuer_is_dropped_before_the_code_leaves():
    async with stage() as here:
        for iss in ("https://evil.example", here.chaos.url + "/", here.chaos.url.upper(), "", None):
            callback = changed(await away(here), iss=iss)
            assert await refused(here, callback) == "issuer_mismatch"
        assert here.chaos.ledger.granted == []


async def test_k_01_the_text_of_another_issuers_error_is_not_shown():
    async with stage() as here:
        callback = changed(await away(here), iss="https://evil.example", code=None, error="call_0900_123")
        with pytest.raises(CallbackRefused) as trouble:
            await here.services.connect.finish(callback, "ada")
        assert "0900" not in str(trouble.value)


async def test_k_01_an_issuer_that_is_sent_without_being_announced_is_compared_too():
    async with stage(facts={"iss_in_callback": False}) as here:
        assert await refused(here, changed(await away(here), iss="https://evil.example")) == "issuer_mismatch"
        done = await here.services.connect.finish(changed(await away(here), iss=None), "ada")
        assert done.connection.health is Health.ACTIVE


async def test_k_04_a_callback_belongs_to_the_client_it_was_made_for():
    async with stage() as one:
        two = {name: client_of(one.chaos, one.chaos.provider, name) for name in ("plain", "other")}
        here = scene(one.chaos, clients=two, clock=one.clock)
        callback = await away(here)
        swapped = callback.replace(callback_at("plain"), callback_at("other"))
        assert await refused(here, swapped) == "unknown_state"
        assert here.chaos.ledger.granted == []
        await here.ground.transport.close()


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/connect/plain/callback", "http://app.example/connect/plain/callback",
        "https://app.example/connect/plain/callback/", "https://app.example/connect/plain%2Fcallback",
        "https://app.example/connect/PLAIN/callback", "/connect/other/callback", "",
    ],
)  # fmt: skip
async def test_k_04_a_callback_to_any_other_address_is_refused(address):
    async with stage() as here:
        callback = await away(here)
        assert await refused(here, callback.replace(callback_at("plain"), address)) == "unknown_state"


async def test_a_callback_may_be_given_by_its_path_as_a_server_behind_a_proxy_knows_it():
    async with stage() as here:
        callback = (await away(here)).replace("https://app.example", "")
        assert (await here.services.connect.finish(callback, "ada")).connection.health is Health.ACTIVE


async def test_k_04_two_clients_with_one_redirect_uri_are_refused_before_anybody_is_sent_away():
    async with stage() as one:
        same = callback_at("plain")
        two = {name: client_of(one.chaos, one.chaos.provider, name, redirect_uri=same) for name in ("plain", "other")}
        here = scene(one.chaos, clients=two, clock=one.clock)
        with pytest.raises(BadRequest, match="share one redirect_uri"):
            await here.services.connect.begin("plain", "ada")


async def test_k_05_a_victim_cannot_finish_what_an_attacker_began():
    """The attacker begins, takes the provider's answer, and has the victim's browser open it; and the other way."""
    async with stage() as here:
        for began, opens in [("attacker", "victim"), ("victim", "attacker"), ("ada", ""), ("ada", "Ada")]:
            callback = await away(here, account=f"account of {began}", user=began)
            assert await refused(here, callback, user=opens) == "other_user"
            assert await refused(here, callback, user=began) == "unknown_state", "a refused link is used up"
        assert here.chaos.ledger.granted == []
        assert (await here.told()).count(What.CONNECTED) == 0


async def test_k_06_a_state_that_is_unknown_missing_or_changed_is_refused():
    async with stage() as here:
        callback = await away(here)
        state = dict(parse_qsl(urlsplit(callback).query))["state"]
        for bad in (None, "", "x", state[:-1], state + "A", state.lower(), "a" * 43):
            assert await refused(here, changed(callback, state=bad)) == "unknown_state"
        assert (await here.services.connect.finish(callback, "ada")).connection.health is Health.ACTIVE


async def test_k_06_a_state_is_good_once():
    async with stage() as here:
        callback = await away(here)
        done = await here.services.connect.finish(callback, "ada")
        assert await refused(here, callback) == "unknown_state"
        assert await unchanged(here, done.connection)
        assert len(here.chaos.ledger.granted) == 1


async def test_k_06_a_state_runs_out():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada")
        callback = await here.browser(link.url)
        here.clock.set(link.expires_at)
        assert await refused(here, callback) == "unknown_state"


async def test_k_06_a_parameter_that_comes_twice_is_refused():
    async with stage() as here:
        for twice in ("state", "code", "iss"):
            callback = await away(here)
            value = dict(parse_qsl(urlsplit(callback).query))[twice]
            assert await refused(here, f"{callback}&{urlencode({twice: value})}") == "unknown_state"
        assert here.chaos.ledger.granted == []


async def test_k_24_a_callback_of_another_tenant_is_unknown():
    async with stage() as here:
        link = await here.services.connect.begin("plain", "ada", tenant="red")
        callback = await here.browser(link.url)
        assert await refused(here, callback, tenant="blue") == "unknown_state"
        assert [one.event.tenant for one in await here.vault.events(tenant="blue")] == ["blue"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("access_denied", "denied"), ("server_error", "provider_error"), ("invalid_scope", "provider_error"),
        ("\x1b[31m", "provider_error"), ("x" * 5_000, "provider_error"),
    ],
)  # fmt: skip
async def test_an_error_of_the_provider_changes_nothing_and_is_named(error, code):
    async with stage() as here:
        connection = (await here.connect()).connection
        callback = changed(await away(here), code=None, error=error, error_description="<b>call me</b>")
        with pytest.raises(CallbackRefused) as trouble:
            await here.services.connect.finish(callback, "ada")
        assert trouble.value.code == code
        assert "call me" not in str(trouble.value)
        assert "\x1b" not in str(trouble.value)
        assert len(str(trouble.value)) < 200
        assert await unchanged(here, connection)


async def test_an_answer_without_a_code_is_refused():
    async with stage() as here:
        assert await refused(here, changed(await away(here), code=None)) == "no_code"


async def test_every_refusal_is_in_the_audit_trail_with_its_code():
    async with stage() as here:
        await refused(here, changed(await away(here), error="access_denied", code=None))
        await refused(here, "https://app.example/connect/plain/callback?state=x&code=y")
        told = [one.event for one in await here.vault.events() if one.event.what is What.CALLBACK_REFUSED]
        assert [one.reason for one in told] == ["denied", "unknown_state"]
        assert told[0].connection_id


async def test_what_was_sealed_for_one_connection_does_not_open_for_another():
    async with stage() as here:
        await away(here, "eve")
        callback = await away(here, "ada")
        first, second = here.vault._pendings.values()
        here.vault._pendings[second.state_digest] = type(second)(
            second.state_digest, second.tenant, second.connection_id, second.client, second.user,
            second.made_at, second.until, first.sealed,
        )  # fmt: skip
        assert await refused(here, callback) == "unknown_state"


async def test_an_address_of_any_length_and_kind_is_only_refused():
    async with stage() as here:
        for text in ("", "x", "?" * 20_000, "https://[", "?state=%00&code=%ff", "/?" + "&".join(["a=b"] * 200)):
            assert await refused(here, text) == "unknown_state"


async def test_a_connection_that_was_removed_meanwhile_is_refused():
    async with stage() as here:
        callback = await away(here)
        found = await here.vault.look_up("", "plain", "ada")
        await here.vault.remove("", found.connection.id)
        assert await refused(here, callback) == "unknown_state"
        with pytest.raises(UnknownConnection):
            await here.services.finding.named("plain", "ada")


async def test_what_a_callback_tells_is_kept_and_leads_to_the_users_own_host():
    async with stage(provider=Catalog.shipped().get("zoho"), late=True) as here:
        done = await here.connect(client="zoho")
        assert done.connection.fields["accounts_server"] == here.chaos.url
        assert all(await here.tokens(done.connection))


@pytest.mark.parametrize(
    "server", ["https://evil.example", "http://accounts.zoho.com", "https://accounts.zoho.com.evil.example"]
)
async def test_k_04_a_callback_cannot_lead_code_and_client_secret_to_a_stranger(server):
    async with stage(provider=Catalog.shipped().get("zoho"), late=True) as here:
        callback = changed(await away(here, client="zoho"), **{"accounts-server": server})
        assert await refused(here, callback) == "provider_error"
        assert here.chaos.ledger.granted == []


async def test_k_23_a_callback_shows_neither_code_nor_state():
    read = read_callback("https://app.example/cb?code=SECRETCODE&state=SECRETSTATE")
    assert "SECRET" not in repr(read)


async def test_a_code_is_bound_to_the_verifier_that_never_left_us():
    async with stage() as here:
        mine, theirs = await away(here, "ada"), await away(here, "eve")
        code = dict(parse_qsl(urlsplit(theirs).query))["code"]
        assert await refused(here, changed(mine, code=code)) == "exchange_failed"
        assert (await here.told()).count(What.CONNECTED) == 0


async def test_k_05_of_two_users_who_connect_one_account_at_once_the_first_keeps_it():
    async with stage() as here:
        first, second = await away(here, "shared", user="ann"), await away(here, "shared", user="bob")
        done = await here.services.connect.finish(first, "ann")
        assert await refused(here, second, user="bob") == "other_user"
        assert (await here.found(done.connection)).connection == done.connection


async def test_what_is_refused_at_the_beginning_leaves_no_connection_behind():
    async with stage() as here:
        for wrong in ({"scopes": ["a b"]}, {"values": {"x": "y"}}, {"return_to": "https://evil.example"}):
            with pytest.raises(BadRequest):
                await here.services.connect.begin("plain", "ada", **wrong)
        assert await here.services.finding.find() == []
