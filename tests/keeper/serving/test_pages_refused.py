"""What the pages refuse, and how they say it: links, browsers, forms, and every code of a refused callback."""

import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import CallbackRefused
from evergrant.keeper.event import What
from evergrant.keeper.serving.pages.trouble import LINK_OVER, NOT_VISITING, OTHER_BROWSER, WORDS
from evergrant.keeper.serving.settings import Person
from tests.keeper.serving.scene import ONE, TWO, Scene, serving
from tests.keeper.serving.visiting import Browser

NOW = 1_800_000_000
CODES = re.findall(r"[a-z_]+", CallbackRefused.__doc__.partition("Codes:")[2])


async def connected(scene: Scene, user: str = "ada", **more: object) -> Browser:
    browser = await scene.browser().open(await scene.link(user, **more))
    return await browser.submit("go")


async def sent_away(scene: Scene, browser: Browser, user: str = "ada") -> str:
    """The address at the provider that a browser is sent to, which nobody has opened yet."""
    await browser.open(await scene.link(user))
    form = re.search(r'name="csrf" value="([^"]+)".*?name="link" value="([^"]+)"', browser.page, re.DOTALL)
    said = {"csrf": form[1], "link": form[2], "client": "here", "go": "1"}  # type: ignore[index]
    reply = await browser.client.post(f"{scene.address}/connect", data=said)
    assert reply.status_code == 303
    return reply.headers["location"]


async def callback_of(scene: Scene, address: str) -> str:
    """Where the provider sends whoever opens *address*."""
    reply = await scene.http.get(address)
    assert reply.status_code in {302, 303}
    return urljoin(address, reply.headers["location"])


def test_every_code_of_a_refused_callback_has_words_of_its_own() -> None:
    assert len(CODES) >= 9
    assert set(CODES) <= set(WORDS)
    titles = [words.title for words in WORDS.values()]
    assert len(titles) == len(set(titles))
    assert all(words.todo.endswith(".") and words.happened.endswith(".") for words in WORDS.values())


async def test_a_link_works_once_and_in_the_browser_that_used_it_until_the_visit_ends() -> None:
    async with serving() as scene:
        address = await scene.link()
        browser = await scene.browser().open(address)
        await scene.browser().open(address)  # a mail scanner looks, and uses nothing up
        await browser.submit("go")
        assert "is connected" in browser.said
        again = await browser.open(address)
        assert "again?" in again.said
        other = await scene.browser().open(address)
        await other.submit("go")
        assert (other.status, LINK_OVER in other.said) == (410, True)


async def test_a_link_that_ran_out_or_was_changed_opens_nothing() -> None:
    clock = FixedClock(NOW)
    async with serving(clock=clock) as scene:
        address = await scene.link()
        for wrong in (address[:-2] + "AA", address.partition("?")[0], address + "&link=x", address + "A" * 5_000):
            browser = await scene.browser().open(wrong)
            assert browser.status in {400, 410}, wrong
        clock.advance(601)
        assert (await scene.browser().open(address)).status == 410


async def test_k_05_the_browser_that_begins_is_the_one_that_finishes() -> None:
    async with serving() as scene:
        away = await sent_away(scene, scene.browser())
        back = await callback_of(scene, away)
        victim = await connected(scene, "victim")
        await victim.open(back)
        assert (victim.status, OTHER_BROWSER in victim.said) == (403, True)
        stranger = await scene.browser().open(back)
        assert (stranger.status, OTHER_BROWSER in stranger.said) == (403, True)
        same_user = await connected(scene, "ada", clients=["there"])
        await same_user.open(back)
        assert same_user.status == 403
        owned = await scene.ask("GET", "/v1/connections?client=here&user=ada")
        assert [one["health"] for one in owned.json()["connections"]] == [Health.PENDING_CONSENT]


async def test_k_05_in_a_mounted_service_the_application_says_who_is_there() -> None:
    who: list[Person | None] = [Person(ONE, "ada", "Ada")]

    async def identify(ask: object) -> Person | None:
        return who[0]

    async with serving(told={"identify": identify}) as scene:
        browser = scene.browser()
        back = await callback_of(scene, await sent_away(scene, browser))
        who[0] = Person(ONE, "mallory")
        assert (await browser.open(back)).status == 403
        theirs = await scene.link("ada")
        assert "other_user" in (await browser.open(theirs)).said
        who[0] = None
        assert (await browser.open(f"{scene.address}/connections")).status == 403
        assert NOT_VISITING in browser.said


async def test_k_06_a_callback_is_used_once_and_an_unknown_state_is_refused() -> None:
    async with serving() as scene:
        browser = scene.browser()
        back = await callback_of(scene, await sent_away(scene, browser))
        assert "is connected" in (await browser.open(back)).said
        again = await browser.open(back)
        assert (again.status, "unknown_state" in again.said) == (400, True)
        for query in ("", "code=a", "state=a&state=b", "code=a&state=%00", "x=" + "y" * 9_000):
            assert (await browser.open(f"{scene.address}/callback/here?{query}")).status in {400, 403}


async def test_saying_no_at_the_provider_is_told_kindly_with_a_way_back() -> None:
    async with serving() as scene:
        browser = scene.browser()
        state = parse_qs(urlsplit(await sent_away(scene, browser)).query)["state"][0]
        iss = quote(scene.life.chaos.provider.issuer, safe="")
        await browser.open(f"{scene.address}/callback/here?error=access_denied&state={state}&iss={iss}")
        assert "You did not allow it" in browser.said
        assert f'href="{urlsplit(scene.address).path}/connect/here"' in browser.page
        events = [one["reason"] for one in (await scene.ask("GET", "/v1/events")).json()["events"]
                  if one["what"] == What.CALLBACK_REFUSED]  # fmt: skip
        assert events == ["denied"]


async def test_s_01_a_form_from_elsewhere_or_without_its_token_changes_nothing() -> None:
    async with serving() as scene:
        browser = await connected(scene)
        one = (await scene.ask("GET", "/v1/connections")).json()["connections"][0]
        path = f"{scene.address}/connections/{one['id']}/disconnect"
        token = re.search(r'name="csrf" value="([^"]+)"', (await browser.open(path)).page)[1]  # type: ignore[index]
        for data, headers in (
            ({"csrf": "x"}, {}), ({}, {}), ({"csrf": token}, {"Origin": "https://evil.example"}),
            ({"csrf": token}, {"Sec-Fetch-Site": "cross-site"}),
        ):  # fmt: skip
            reply = await browser.client.post(path, data=data, headers=headers)
            assert reply.status_code in {400, 403}
        stranger = await scene.browser().open(await scene.link("mallory"))
        assert (await stranger.client.post(path, data={"csrf": token})).status_code == 400
        health = (await scene.ask("GET", f"/v1/connections/{one['id']}")).json()["health"]
        assert health == Health.ACTIVE
        assert (await browser.client.post(path, data={"csrf": token})).status_code == 303
        assert (await scene.ask("GET", f"/v1/connections/{one['id']}")).json()["health"] == Health.REVOKED


@pytest.mark.parametrize(("user", "tenant"), [("mallory", ONE), ("ada", TWO)])
async def test_k_24_a_visitor_sees_and_ends_their_own_connections_alone(user: str, tenant: str) -> None:
    async with serving() as scene:
        await connected(scene)
        one = (await scene.ask("GET", "/v1/connections")).json()["connections"][0]
        other = await connected(scene, user, tenant=tenant, clients=["there"], account="else")
        await other.open(f"{scene.address}/connections")
        assert one["id"] not in other.page
        for path in (f"/connections/{one['id']}/disconnect", f"/done/{one['id']}"):
            assert (await other.open(scene.address + path)).status == 404


async def test_s_04_every_page_has_a_policy_and_is_kept_by_nobody() -> None:
    async with serving() as scene:
        browser = await connected(scene)
        paths = ["/connect", "/choose", "/connect/here", "/reconnect", "/callback/here", "/connections", "/done/x"]
        for path in paths:
            reply = await browser.client.get(scene.address + path)
            policy = reply.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "script" not in policy
            assert reply.headers["cache-control"] == "no-store"
            assert reply.headers["referrer-policy"] == "no-referrer"
            assert "<script" not in reply.text


async def test_s_16_names_from_outside_are_shown_as_text() -> None:
    async with serving() as scene:
        hostile = "<script>alert(1)</script>\u202e\"'&"
        browser = await scene.browser().open(await scene.link("ada", label=hostile))
        assert "<script" not in browser.page
        assert "\u202e" not in browser.page


async def test_return_to_leads_to_allowed_origins_alone() -> None:
    async with serving(keeping={"return_to": ("https://app.example",)}) as scene:
        refused = await scene.ask("POST", "/v1/connect-links", {"user": "ada", "return_to": "https://evil.example/"})
        assert refused.status_code == 400
        browser = await connected(scene, return_to="/settings")
        assert 'href="https://app.example/settings"' in browser.page


async def test_a_reconnect_link_that_was_forwarded_starts_nothing() -> None:
    async with serving() as scene:
        browser = await connected(scene)
        scene.life.chaos.withdraw("ada")
        one = (await scene.ask("GET", "/v1/connections")).json()["connections"][0]
        told = (await scene.ask("POST", f"/v1/connections/{one['id']}/unauthorized", {"version": 1})).json()
        assert (await scene.browser().open(told["reconnect"])).status == 403
        mallory = await connected(scene, "mallory", clients=["there"])
        assert (await mallory.open(told["reconnect"])).status == 410
        await browser.open(told["reconnect"])
        assert "again?" in browser.said
        await browser.submit("go")
        assert "is connected" in browser.said
        assert (await scene.ask("GET", f"/v1/connections/{one['id']}")).json()["health"] == Health.ACTIVE


async def test_connecting_again_from_the_list_keeps_the_connection_whatever_the_account_is_called() -> None:
    async with serving() as scene:
        await connected(scene, account="crm-7")
        one = (await scene.ask("GET", "/v1/connections")).json()["connections"][0]
        later = await scene.browser().open(await scene.link("ada", clients=["here", "there"]))
        await later.submit("client", client="there")
        scene.life.chaos.withdraw("ada")
        await scene.ask("POST", f"/v1/connections/{one['id']}/unauthorized", {"version": 1})
        await later.open(f"{scene.address}/connections")
        way = re.search(r'href="([^"]+again=[^"]+)"', later.page)[1]  # type: ignore[index]
        await later.open(scene.address + way)
        await later.submit("go")
        assert "is connected" in later.said
        have = (await scene.ask("GET", "/v1/connections")).json()["connections"]
        assert [(each["id"], each["health"]) for each in have] == [(one["id"], Health.ACTIVE)]
        mallory = await connected(scene, "mallory", clients=["there"])
        assert (await mallory.open(f"{scene.address}/connect/here?again={one['id']}")).status == 404
        await (await later.open(f"{scene.address}/connect/there")).submit("go")
        have = (await scene.ask("GET", "/v1/connections?client=there&user=ada")).json()["connections"]
        assert [each["account"] for each in have] == ["ada"]


def test_no_template_prints_a_token() -> None:
    room = Path(__file__).parents[3] / "src/evergrant/keeper/serving/pages"
    shown = "".join(file.read_text(encoding="utf-8") for file in [*room.glob("templates/*.html"), room / "view.py"])
    assert "access_token" not in shown
    assert "refresh_token" not in shown
