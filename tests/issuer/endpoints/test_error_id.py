"""An OAuth error tells the client what the RFC allows; the log line with the same id tells the operator the rest."""

import logging

import pytest

from evergrant.domain.client import ClientType
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import hold, is_oauth_error

LOGGER = "evergrant.requests"


def lines(caplog: pytest.LogCaptureFixture, error_id: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if error_id in repr(vars(record))]


async def refusals(issuer: Issuer) -> list[tuple[str, Reply]]:
    """One refusal of each machine endpoint, with the route's name in the log."""
    browser, form = issuer.browser(), {"client_id": "cli_nobody", "token": "x", "grant_type": "refresh_token"}
    return [
        ("token", await browser.post("/token", form)),
        ("revoke", await browser.post("/revoke", form)),
        ("introspect", await browser.post("/introspect", form)),
        ("userinfo", await browser.get("/userinfo")),
        ("token", await browser.send("POST", "/token", b"{}", {"content-type": "application/json"})),
        ("token", await browser.send("POST", "/token", b"x" * 70_000, {"content-type": "text/plain"})),
    ]


async def test_every_error_answer_carries_the_id_of_its_log_line(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    seen = set()
    for route, reply in await refusals(issuer):
        members = reply.json()
        found = lines(caplog, members["error_id"])
        assert len(found) == 1, members
        said = repr(vars(found[0]))
        assert repr(route) in said
        assert repr(reply.status) in said
        seen.add(members["error_id"])
    assert len(seen) == 6


async def test_the_log_tells_the_operator_what_the_client_is_not_told(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    held, other = await hold(issuer), await hold(issuer, ClientType.WEB, "Other")
    reply = await other.present(held.refresh)
    is_oauth_error(reply, "invalid_grant")
    assert "client" not in reply.json()["error_description"]
    assert "wrong_client" in repr(vars(lines(caplog, reply.json()["error_id"])[0]))


async def test_an_unexpected_fault_is_told_by_its_id_and_without_detail(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await hold(issuer)
    issuer.app.faults_expected = True  # type: ignore[attr-defined]

    def broken(*args: object) -> object:
        raise RuntimeError("an inner detail")

    monkeypatch.setattr("evergrant.issuer.service.refresh.decide", broken)
    reply = await held.present(held.refresh)
    is_oauth_error(reply, "server_error", 500)
    assert "inner detail" not in reply.text
    assert len(lines(caplog, reply.json()["error_id"])) == 1
    assert "an inner detail" in caplog.text


async def test_storage_trouble_is_503_with_retry_after_and_an_id(issuer: Issuer) -> None:
    held = await hold(issuer)
    await issuer.house.store.close()
    reply = await held.present(held.refresh)
    is_oauth_error(reply, "temporarily_unavailable", 503)
    assert int(reply.header("retry-after")) > 0
    told = await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {held.access}"})
    is_oauth_error(told, "temporarily_unavailable", 503)
    assert int(told.header("retry-after")) > 0
    assert told.header("www-authenticate") == ""
