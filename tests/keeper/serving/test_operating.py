"""Mounted anywhere, watched by machines, and silent about secrets."""

import logging

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.serving import Endpoint, ServingSettings, application
from evergrant.keeper.serving.routing import Routes
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.web.app import Route
from tests.keeper.living import living
from tests.keeper.serving.scene import ONE, serving


def numbers(page: str) -> dict[tuple[str, str], float]:
    """(sample, value of its label) → number."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_metrics_tell_leases_refreshes_health_and_letters() -> None:
    async with serving() as scene:
        before = numbers((await scene.http.get(f"{scene.address}/metrics")).text)
        assert before["evergrant_keeper_leases_total", "handed_out"] == 0
        name = await scene.account(expires_in=1)
        await scene.ask("POST", f"/v1/connections/{name}/lease", {})
        await scene.ask("POST", "/v1/leases", {"client": "here", "account": "nobody"})
        await scene.ask("POST", f"/v1/connections/{name}/quarantine", {})
        page = (await scene.http.get(f"{scene.address}/metrics")).text
        after = numbers(page)
        assert after["evergrant_keeper_leases_total", "handed_out"] == 1
        assert after["evergrant_keeper_leases_total", "unknown_connection"] == 1
        assert after["evergrant_keeper_refreshes_total", "refreshed"] == 1
        assert after["evergrant_keeper_connections", Health.QUARANTINED.value] == 1
        assert after["evergrant_keeper_letters_waiting", "waiting"] == 1
        for word in ("user-42", "nobody", f'="{ONE}"', "egp_", name):
            assert word not in page


async def test_metrics_are_for_named_networks_only() -> None:
    async with serving(told={"metrics_networks": ("10.0.0.0/8",)}) as scene:
        assert (await scene.http.get(f"{scene.address}/metrics")).status_code == 403


async def test_readiness_asks_the_vault_and_health_does_not() -> None:
    clock = FixedClock()
    async with serving(clock=clock) as scene:
        assert (await scene.http.get(f"{scene.address}/readyz")).status_code == 200
        ground = await scene.app.house.ground()

        async def broken(*_: object, **__: object) -> None:
            raise VaultUnavailable("the disk is gone")

        ground.vault.trail_ends = broken  # type: ignore[method-assign,assignment]
        clock.advance(2)
        assert (await scene.http.get(f"{scene.address}/readyz")).status_code == 503
        assert (await scene.http.get(f"{scene.address}/healthz")).status_code == 200


@pytest.mark.parametrize("stripped", [True, False], ids=["outer strips the path", "outer leaves it whole"])
async def test_mounted_below_a_path_every_address_it_tells_is_below_it(stripped: bool) -> None:
    async with living() as life:
        app = application(life.keeper, ServingSettings("http://app.example/inside/keeper", background=False))

        async def outer(scope, receive, send) -> None:
            mounted = {**scope, "root_path": "/inside/keeper"}
            if stripped:
                short = scope["path"].removeprefix("/inside/keeper")
                mounted |= {"path": short, "raw_path": short.encode()}
            await app(mounted, receive, send)

        transport = httpx2.ASGITransport(app=outer)
        async with httpx2.AsyncClient(transport=transport, base_url="http://app.example") as http:
            assert (await http.get("/inside/keeper/healthz")).text == "alive\n"
            page = await http.get("/inside/keeper/connections")
            assert page.status_code == 403
            assert 'href="/inside/keeper/static/evergrant.' in page.text
            sheet = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
            assert (await http.get(sheet)).headers["content-type"] == "text/css; charset=utf-8"
            assert (await http.get("/inside/keeper/connections", headers={"Host": "evil.example"})).status_code == 421


async def test_k_23_nothing_of_a_token_or_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(told={"log_sample": 1}) as scene:
        name = await scene.account()
        lease = (await scene.ask("POST", f"/v1/connections/{name}/lease", {})).json()
        browser = await scene.browser().open(await scene.link())
        await browser.submit("go")
        await scene.ask("POST", "/v1/leases", {"client": "here", "account": "nobody"})
        ours = "\n".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records if "evergrant" in each.name)
        assert "request answered" in ours
        for secret in (lease["token"], await scene.key(), "link=", "code=", "state="):
            assert secret not in ours


@pytest.mark.parametrize(
    "address", ["", "keeper.example", "ftp://x/", "https://", "https://u@x/", "https://x/?a=b", "https://x/#y"]
)
def test_an_address_nobody_could_come_back_to_is_refused(address: str) -> None:
    with pytest.raises(BadRequest):
        ServingSettings(address)


def test_an_endpoint_without_a_secret_is_refused() -> None:
    with pytest.raises(BadRequest, match="secret"):
        Endpoint("hook", "https://x.example/", ())


def test_paths_find_their_route_and_nothing_like_it() -> None:
    one, two = Route("one", {}), Route("two", {})
    routes = Routes({"/v1/a": one, "/v1/a/{x}": one, "/v1/a/{x}/b": two, "/c/{y}": two})
    assert routes.find(b"/v1/a/k-1") is one
    assert routes.find(b"/v1/a/k-1/b") is two
    assert routes.find(b"/c/here") is two
    for path in (b"/v1/a/", b"/v1/a/x/", b"/v1/a/x/c", b"/v1/a/x%2f/b", b"/v1/a/x\n", b"/c/\xff", b"", b"//"):
        assert routes.find(path) is None
