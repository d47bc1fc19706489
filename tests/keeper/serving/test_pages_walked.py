"""The hosted pages as a visitor meets them, without JavaScript, on a provider that really answers."""

from tests.keeper.serving.scene import serving


async def test_a_link_leads_to_the_provider_and_back_to_a_connection_that_leases() -> None:
    async with serving() as scene:
        browser = await scene.browser().open(await scene.link())
        assert "What will be shared" in browser.said
        assert "For whom ada" in browser.said
        await browser.submit("go")
        assert "is connected" in browser.said, browser.said
        lease = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "ada"})
        assert lease.status_code == 200
        for secret in (lease.json()["token"], "code="):
            assert secret not in browser.page + browser.url
