"""Connecting from a program on the user's own machine: one port, one answer, one plain page (RFC 8252)."""

import asyncio
from urllib.parse import urlsplit

import httpx2
import pytest

from evergrant.keeper.errors import BadRequest, CallbackRefused
from tests.keeper.connect.scene import Health, Scene, asked, client_of, scene, stage


def native(here: Scene, redirect_uri: str = "") -> Scene:
    ours = client_of(here.chaos, here.chaos.provider, redirect_uri=redirect_uri)
    return scene(here.chaos, clients={"plain": ours}, clock=here.clock)


class Browser:
    """Goes where it is sent and follows the redirect, as a real one does; keeps the pages."""

    def __init__(self) -> None:
        self.pages: list[httpx2.Response] = []
        self.tasks: list[asyncio.Task[None]] = []

    def open(self, url: str) -> None:
        self.tasks.append(asyncio.create_task(self.walk(url)))

    async def walk(self, url: str) -> None:
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            self.pages.append(await client.get(url))

    async def done(self) -> httpx2.Response:
        await asyncio.gather(*self.tasks)
        return self.pages[-1]


async def test_r8252_8_3_a_program_is_connected_on_a_port_of_its_own_and_the_user_sees_a_plain_page():
    async with stage() as outer:
        here, browser = native(outer), Browser()
        done = await here.services.loopback.connect("plain", "ada", browser.open)
        page = await browser.done()
        assert done.connection.health is Health.ACTIVE
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "ada is connected" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text
        at = urlsplit(str(page.url))
        assert (at.hostname, at.path) == ("127.0.0.1", "/callback/plain")
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://127.0.0.1:{at.port}/callback/plain")
        await here.ground.transport.close()


async def test_the_path_of_a_registered_loopback_address_is_kept_and_its_port_is_not():
    async with stage() as outer:
        here, browser = native(outer, "http://127.0.0.1:7777/back"), Browser()
        await here.services.loopback.connect("plain", "ada", browser.open)
        at = urlsplit(str((await browser.done()).url))
        assert at.path == "/back"
        assert at.port != 7_777
        await here.ground.transport.close()


@pytest.mark.parametrize("address", ["https://app.example/callback", "http://localhost/callback"])
async def test_a_client_that_is_not_registered_for_loopback_is_told_what_to_register(address):
    async with stage() as outer:
        with pytest.raises(BadRequest, match="register http"):
            await native(outer, address).services.loopback.connect("plain", "ada", lambda _: None)


async def test_strangers_at_the_port_get_nothing_and_do_not_end_the_wait():
    async with stage() as outer:
        here, browser = native(outer), Browser()
        answers: list[int] = []

        async def open_browser(url: str) -> None:
            at = asked(url)["redirect_uri"]
            async with httpx2.AsyncClient() as client:
                for method, address, headers in [
                    ("GET", at.replace("/callback/plain", "/favicon.ico"), {}),
                    ("GET", at, {}),
                    ("GET", f"{at}?code=x&state=wrong", {}),
                    ("GET", f"{at}?code=x&state={asked(url)['state']}", {"Host": "evil.example"}),
                    ("POST", f"{at}?code=x&state={asked(url)['state']}", {}),
                ]:
                    try:
                        answers.append((await client.request(method, address, headers=headers)).status_code)
                    except httpx2.RemoteProtocolError:
                        answers.append(0)
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(at).port)
            writer.write(b"\x00\xff\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            browser.open(url)

        done = await here.services.loopback.connect("plain", "ada", open_browser)
        assert (await browser.done()).status_code == 200
        assert done.connection.health is Health.ACTIVE
        assert answers == [404, 404, 404, 0, 0]
        await here.ground.transport.close()


async def test_a_refusal_is_shown_to_the_user_and_raised_to_the_program():
    async with stage() as outer:
        here, browser = native(outer), Browser()

        def open_browser(url: str) -> None:
            said = asked(url)
            back = f"{said['redirect_uri']}?error=access_denied&state={said['state']}&iss={here.chaos.url}"
            browser.open(back)

        with pytest.raises(CallbackRefused) as trouble:
            await here.services.loopback.connect("plain", "ada", open_browser)
        assert trouble.value.code == "denied"
        page = await browser.done()
        assert page.status_code == 400
        assert "access was not allowed" in page.text
        await here.ground.transport.close()


async def test_k_01_an_answer_of_another_issuer_is_refused_on_loopback_too():
    async with stage() as outer:
        here, browser = native(outer), Browser()

        def open_browser(url: str) -> None:
            said = asked(url)
            browser.open(f"{said['redirect_uri']}?code=x&state={said['state']}&iss=https://evil.example")

        with pytest.raises(CallbackRefused) as trouble:
            await here.services.loopback.connect("plain", "ada", open_browser)
        assert trouble.value.code == "issuer_mismatch"
        await browser.done()
        await here.ground.transport.close()


async def test_nobody_coming_back_ends_the_wait():
    async with stage() as outer:
        with pytest.raises(CallbackRefused, match="nobody came back"):
            await native(outer).services.loopback.connect("plain", "ada", lambda _: None, within=0.05)


async def test_nothing_listens_any_more_when_the_browser_could_not_be_opened():
    async with stage() as outer:
        here = native(outer)
        at: list[str] = []

        def broken(url: str) -> None:
            at.append(asked(url)["redirect_uri"])
            raise OSError("no browser")

        with pytest.raises(OSError, match="no browser"):
            await here.services.loopback.connect("plain", "ada", broken)
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(at[0])
