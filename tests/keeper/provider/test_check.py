"""The report on one provider: what is wrong, what nobody verified, what each gap makes the keeper do."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from evergrant.keeper.connection import Intent, Record
from evergrant.keeper.decision.doubt import Way, resolve
from evergrant.keeper.errors import UnknownProvider
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.check import check, duration, lost_reply

TODAY: Final = date(2026, 11, 21)
CATALOG: Final = Catalog.shipped()


def test_a_shipped_provider_is_checked_by_its_id() -> None:
    report = check("discord", today=date(2026, 11, 25))
    assert report.ok
    assert report.age_days == 4
    assert report.unknown["retry"].startswith("a lost reply is asked for again once, at once")
    assert "scopes" in report.unverified
    text = report.text()
    assert text.startswith("discord: can be used\n")
    assert "facts compared with their sources on 2026-11-21, 4 days ago" in text
    assert "Every access and refresh token of this authorization" in text


def test_an_unknown_id_is_told_what_is_near() -> None:
    with pytest.raises(UnknownProvider, match="discord"):
        check("discrod", today=TODAY)


def test_a_file_with_mistakes_is_reported_whole(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text('name = "Ours"\nretyr = "safe"\ngrace = "x"\n', encoding="utf-8")
    report = check(file, today=TODAY)
    assert not report.ok
    assert f"{file}, line 2: retyr is not a fact that exists" in report.problems[0]
    assert len(report.problems) == 5
    assert "cannot be used" in report.text()
    assert "Wrong:" in report.text()
    assert check(str(file), today=TODAY) == report


def test_a_file_that_is_no_toml_is_reported_and_raises_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_bytes(b"\xff")
    assert "is not UTF-8" in check(file, today=TODAY).problems[0]
    assert "cannot be read" in check(tmp_path / "none.toml", today=TODAY).problems[0]


def test_old_facts_and_facts_from_the_future_are_told() -> None:
    assert any("days old" in told for told in check("google", today=date(2027, 11, 21)).warnings)
    assert any("not come yet" in told for told in check("google", today=date(2026, 1, 1)).warnings)
    assert check("google", today=TODAY).warnings == ()


def test_settings_at_the_provider_are_asked_for() -> None:
    warnings = check("visma_connect", today=TODAY).warnings
    assert any("override retry and grace" in told for told in warnings)
    assert any("override rotates" in told for told in warnings)


def test_a_host_that_may_be_anything_and_http_are_told(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        'name = "Ours"\nchecked_on = "2026-11-21"\nsources = ["https://a.example"]\nloopback_http = true\n'
        'token_url = "https://{domain}/t"\n[placeholders.domain]\nstands = "host"\n'
        '[revoke]\nverb = "none"\nblast_radius = "Nothing."\n',
        encoding="utf-8",
    )
    report = check(file, today=TODAY)
    assert report.problems == ()
    assert any("{domain} may be any host" in told for told in report.warnings)
    assert any("loopback_http" in told for told in report.warnings)


def test_nothing_about_refreshing_is_unknown_where_there_are_no_refresh_tokens() -> None:
    report = check("github_oauth_app", today=TODAY)
    assert not {"retry", "rotates", "refresh_idle", "dead_grant"} & report.unknown.keys()
    assert "no refresh tokens" in report.lost_reply


SAID: Final = {
    "google": "sent again until an answer comes",
    "microsoft_entra": "sent again until an answer comes",
    "shopify": "sent again until an answer comes, for 30 days at most",
    "xero": "sent again for 30 minutes; later on",
    "okta": "sent again for 30 seconds; later on",
    "auth0": "sent again once, at once",
    "linear": "sent again once, at once",
    "github_app": "a call with the old access token tells",
    "box": "the access token serves on",
    "visma_connect": "nothing is sent again",
}
DONE: Final = {
    "google": Way.REPLAY,
    "microsoft_entra": Way.REPLAY,
    "shopify": Way.REPLAY,
    "xero": Way.REPLAY,
    "okta": Way.REPLAY,
    "auth0": Way.REPLAY,
    "linear": Way.REPLAY,
    "github_app": Way.PROBE,
    "box": Way.WAIT,
    "visma_connect": Way.GIVE_UP,
}


@pytest.mark.parametrize("provider_id", SAID)
def test_what_is_said_of_a_lost_reply_is_what_the_keeper_does(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    assert SAID[provider_id] in lost_reply(provider)
    intent = Intent("i", "c", "main", 1, "f", fence=1, written_at=1_000, deadline=1_030, retry=provider.retry.value)
    record = Record(
        "c", version=1, fingerprint="f", refresh_token=b"r", access_token=b"a", sent_at=900, expires_at=4_500
    )
    assert resolve(intent, record, provider, 1_010).way is DONE[provider_id]


def test_a_window_that_has_passed_is_no_window() -> None:
    xero = CATALOG.get("xero")
    assert "later on the access token serves on" in lost_reply(xero)
    assert lost_reply(replace(xero, grace=None)) != lost_reply(xero)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (7_200, "2 hours"),
        (86_400, "1 day"),
        (31_536_000, "1 year"),
    ],
)
def test_durations_are_said_in_the_largest_unit_that_is_exact(seconds: int, said: str) -> None:
    assert duration(seconds) == said
