"""The catalogue: what is shipped, what a deployment adds or overrides, what it says of a provider that there is not."""

from pathlib import Path
from typing import Final

import pytest

from evergrant.keeper.errors import BadRequest, UnknownProvider
from evergrant.keeper.provider.catalog import Catalog, for_connection, with_overrides
from evergrant.keeper.provider.model import Provider, Retry, RevokeVerb, Rotates
from evergrant.keeper.provider.problem import BadProvider
from evergrant.keeper.provider.schema import OF_CONNECTION, TOP

SMALL: Final = """
name = "Ours"
checked_on = "2026-11-21"
sources = ["https://docs.example.com"]
authorize_url = "https://id.example.com/authorize"
token_url = "https://id.example.com/token"
[revoke]
verb = "none"
blast_radius = "Nothing at the provider: there is no way."
"""


@pytest.fixture
def hubspot() -> Provider:
    return Catalog.shipped().get("hubspot")


@pytest.mark.parametrize(
    ("asked", "near"), [("hubspt", "hubspot"), ("gogle", "google"), ("githubapp", "github_app"), ("Slack", "slack")]
)
def test_an_unknown_id_is_told_what_is_near(asked: str, near: str) -> None:
    with pytest.raises(UnknownProvider, match=f'did you mean .*"{near}"') as caught:
        Catalog.shipped().get(asked)
    assert near in caught.value.near


@pytest.mark.parametrize("asked", ["", "zzzzzzzz", "../hubspot", "hub\x1b[31mspot" * 50, "/etc/passwd"])
def test_an_id_like_no_other_is_told_where_to_look_and_never_shown_raw(asked: str) -> None:
    with pytest.raises(UnknownProvider) as caught:
        Catalog.shipped().get(asked)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_folder_of_ones_own_adds_and_replaces(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "hubspot.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    catalog = Catalog.shipped(folder=tmp_path)
    assert len(catalog.ids()) == 35
    assert catalog.get("ours").token_url == "https://id.example.com/token"
    assert catalog.get("hubspot").name == "Ours"
    assert catalog.file("ours") == tmp_path / "ours.toml"


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadProvider, match="is not a folder"):
        Catalog.shipped(folder=tmp_path / "nowhere")


def test_a_discovered_provider_can_be_added() -> None:
    catalog = Catalog.shipped({})
    catalog.add(Provider("found", "Found", token_url="https://id.example/token"))
    assert catalog.get("found").name == "Found"
    assert "found" in catalog.ids()
    with pytest.raises(UnknownProvider):
        catalog.file("found")


def test_a_deployment_overrides_facts_of_a_provider() -> None:
    catalog = Catalog.shipped({"okta": {"retry": "window", "grace": 60}, "auth0": {"rotates": "always"}})
    assert (catalog.get("okta").retry, catalog.get("okta").grace) == (Retry.WINDOW, 60)
    assert catalog.get("auth0").rotates is Rotates.ALWAYS
    assert Catalog.shipped().get("okta").grace == 30


def test_overrides_of_a_provider_that_there_is_not_are_told_at_once() -> None:
    with pytest.raises(BadProvider, match=r'did you mean "okta"'):
        Catalog.shipped({"oktta": {}})


def test_tables_are_merged_and_an_empty_text_takes_an_entry_away() -> None:
    google = Catalog.shipped().get("google")
    changed = with_overrides(google, {"authorize_params": {"hd": "example.com"}, "scopes": {"openid": ""}})
    assert changed.authorize_params == {"access_type": "offline", "hd": "example.com"}
    assert "openid" not in changed.scopes
    assert "email" in changed.scopes


def test_parts_are_overridden_member_by_member(hubspot: Provider) -> None:
    changed = with_overrides(hubspot, {"revoke": {"token": "access_token"}, "limits": {"concurrent": 3}})
    assert changed.revoke.url == hubspot.revoke.url
    assert changed.revoke.token == "access_token"
    assert changed.limits.concurrent == 3
    assert with_overrides(hubspot, {"revoke": {"verb": "none"}}).revoke.url == ""


def test_another_verb_of_revocation_begins_anew(hubspot: Provider) -> None:
    override = {"revoke": {"verb": "json", "url": "https://a.example/r", "body": {"t": "{token}"}}}
    changed = with_overrides(hubspot, override)
    assert changed.revoke.verb is RevokeVerb.JSON
    assert changed.revoke.url == "https://a.example/r"


def test_one_record_of_several_is_overridden_by_its_name() -> None:
    slack = Catalog.shipped().get("slack")
    changed = with_overrides(slack, {"records": {"user": {"flat_on_refresh": False}}})
    assert [record.name for record in changed.records] == ["bot", "user"]
    assert changed.records[1].reply.access_token == "authed_user.access_token"
    assert not changed.records[1].flat_on_refresh
    with pytest.raises(BadRequest, match=r"override records\.<name>, one of bot, user"):
        with_overrides(slack, {"reply": {"scope": "scopes"}})


def test_a_single_record_keeps_what_is_not_overridden_and_gives_way_to_others(hubspot: Provider) -> None:
    changed = with_overrides(hubspot, {"records": {"main": {"scope": "scopes"}}})
    assert (changed.records[0].reply.scope, changed.records[0].reply.subject) == ("scopes", ("hub_id",))
    others = {"records": {"bot": {}, "user": {"access_token": "user.access_token"}}}
    assert [record.name for record in with_overrides(hubspot, others).records] == ["bot", "user"]


def test_whoever_overrides_a_fact_vouches_for_it(hubspot: Provider) -> None:
    assert "rotates" in hubspot.unverified
    assert "rotates" not in with_overrides(hubspot, {"rotates": "never"}).unverified


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ({"retyr": "safe"}, 'retyr is not a fact that exists; did you mean "retry"'),
        ({"id": "other"}, "id is not a fact that exists"),
        ({"grace": "60"}, "grace must be a whole number"),
        ({"retry": "window", "rotates": "always"}, "say how long"),
        ({"token_url": "http://evil.example/token"}, "must begin with https://"),
        ({"token_url": "http://127.0.0.1/token"}, "loopback_http = true"),
        ({"token_url": "https://{x}.example/token"}, "no \\[placeholders.x\\]"),
        ({"revoke": {"verb": "shout"}}, "revoke.verb must be one of"),
        ({"limits": 3}, "limits must be a table"),
        ({"records": []}, "records must be a table"),
        ({7: "x"}, "7 is not a fact"),
    ],
)
def test_an_override_that_does_not_fit_names_its_fact(hubspot: Provider, override: dict, told: str) -> None:
    with pytest.raises(BadRequest, match=told) as caught:
        with_overrides(hubspot, override)
    assert "override of hubspot" in str(caught.value)


def test_http_on_this_machine_is_for_those_who_ask_for_it(hubspot: Provider) -> None:
    override = {"loopback_http": True, "token_url": "http://127.0.0.1:9/t", "authorize_url": "http://localhost:9/a"}
    changed = with_overrides(hubspot, override)
    assert changed.token_url == "http://127.0.0.1:9/t"
    assert with_overrides(changed, {"access_lifetime": 60}).access_lifetime == 60
    with pytest.raises(BadRequest, match="must begin with https://"):
        with_overrides(hubspot, {"loopback_http": True, "token_url": "http://10.0.0.1/t"})


@pytest.mark.parametrize("name", sorted(set(TOP) - OF_CONNECTION))
def test_k_04_a_connection_cannot_say_where_secrets_are_sent(hubspot: Provider, name: str) -> None:
    with pytest.raises(BadRequest, match="cannot be overridden for one connection"):
        for_connection(hubspot, {name: "https://evil.example"})


def test_a_connection_says_how_its_own_tokens_behave(hubspot: Provider) -> None:
    changed = for_connection(hubspot, {"retry": "window", "grace": 60, "rotates": "always", "refresh_idle": 100})
    assert (changed.retry, changed.grace, changed.refresh_idle) == (Retry.WINDOW, 60, 100)
    assert for_connection(hubspot, {}) == hubspot
