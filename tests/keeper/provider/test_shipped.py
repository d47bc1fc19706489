"""What is promised of every provider that is shipped, and what the odd ones say of themselves."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Final

import jsonschema_rs
import pytest

from evergrant.keeper.provider.catalog import SHIPPED, Catalog
from evergrant.keeper.provider.check import check
from evergrant.keeper.provider.document import read_document
from evergrant.keeper.provider.json_schema import FILE, json_schema
from evergrant.keeper.provider.model import ClientAuth, RevokeVerb
from evergrant.keeper.provider.rules import addresses
from evergrant.keeper.provider.schema import NAMED, SECTIONS, TOP

CATALOG: Final = Catalog.shipped()
EVERY: Final = pytest.mark.parametrize("provider_id", CATALOG.ids())
TODAY: Final = date(2026, 11, 21)


@EVERY
def test_every_file_loads_and_says_where_its_facts_are_from_and_since_when(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    assert provider.id == provider_id
    assert provider.name
    assert all(source.startswith("https://") for source in provider.sources)
    assert provider.sources
    assert provider.seen
    assert date.fromisoformat(provider.checked_on) <= TODAY


@EVERY
def test_every_file_passes_its_own_check(provider_id: str) -> None:
    report = check(provider_id, today=TODAY)
    assert report.problems == ()
    assert report.ok
    assert report.age_days is not None
    assert report.lost_reply


@EVERY
def test_every_file_tells_how_a_connection_ends(provider_id: str) -> None:
    revoke = CATALOG.get(provider_id).revoke
    assert revoke.blast_radius
    if revoke.verb is RevokeVerb.NONE:
        assert revoke.blast_radius.startswith("Nothing at the provider: ")
    else:
        assert revoke.url.startswith(("https://", "{"))


@EVERY
def test_every_address_is_https_and_every_gap_in_one_is_declared(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    for address in addresses(provider).values():
        assert address.startswith(("https://", "{"))
    assert "loopback_http" not in read_document(SHIPPED / f"{provider_id}.toml").values
    assert set(provider.placeholders) == set(provider.fills)


@EVERY
def test_every_quirk_and_scope_is_a_sentence_of_our_own(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    for sentence in (*provider.quirks, provider.revoke.blast_radius):
        assert sentence[0].isupper() or sentence.split()[0] in {
            "invalid_grant", "refresh_token_expires_in", "token_revoked", "created_at", "offline_access",
        }, sentence  # fmt: skip
        assert sentence.endswith("."), sentence
    for meaning in provider.scopes.values():
        assert meaning[0].isupper(), meaning


@EVERY
def test_scopes_are_told_as_unverified_unless_somebody_looked_them_up(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    assert not provider.scopes or "scopes" in provider.unverified


@EVERY
def test_every_file_passes_the_published_json_schema(provider_id: str) -> None:
    jsonschema_rs.validate(json_schema(), dict(read_document(SHIPPED / f"{provider_id}.toml").values))


def test_the_json_schema_lies_beside_the_files_and_is_up_to_date() -> None:
    assert json.loads((SHIPPED / FILE).read_text(encoding="utf-8")) == json_schema()
    assert all(f"./{FILE}" in file.read_text(encoding="utf-8").splitlines()[0] for file in SHIPPED.glob("*.toml"))


@pytest.mark.parametrize(
    "values",
    [
        {"retyr": "safe"},
        {"access_lifetime": -1},
        {"access_lifetime": "1800"},
        {"retry": "perhaps"},
        {"limits": {"refreshs": 10}},
        {"placeholders": {"Tenant": {"stands": "label"}}},
        {"dead_grant": [{"state": 400}]},
        {"token_url": "ftp://x.example"},
    ],
)
def test_the_json_schema_refuses_what_the_loader_refuses(values: dict[str, object]) -> None:
    good = dict(read_document(SHIPPED / "hubspot.toml").values)
    assert not jsonschema_rs.is_valid(json_schema(), good | values)


def test_the_json_schema_knows_every_fact() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(TOP)
    for name, table in SECTIONS.items():
        assert set(schema["properties"][name]["properties"]) == {fact.name for fact in table}
    for name, table in NAMED.items():
        inner = schema["properties"][name]["additionalProperties"]["properties"]
        assert set(inner) == {fact.name for fact in table}


def test_one_file_is_read_when_one_provider_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = ", encoding="utf-8")
    catalog = Catalog.shipped(folder=tmp_path)
    assert "broken" in catalog.ids()
    assert catalog.get("hubspot") is catalog.get("hubspot")


def test_finding_a_provider_needs_no_http_client() -> None:
    program = (
        "import sys\n"
        "from evergrant.keeper.provider.catalog import Catalog\n"
        "assert len(Catalog.shipped().ids()) == 34\n"
        "Catalog.shipped().get('slack')\n"
        "assert not {'httpx2', 'msgspec', 'cryptography', 'asyncio'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_slack_has_two_pairs_of_tokens() -> None:
    bot, user = CATALOG.get("slack").records
    assert (bot.name, user.name) == ("bot", "user")
    assert user.reply.refresh_token == "authed_user.refresh_token"
    assert user.flat_on_refresh
    assert bot.reply.ok == user.reply.ok == "ok"


def test_the_odd_ones_are_data() -> None:
    get = CATALOG.get
    assert get("stripe_apps").client_auth == (ClientAuth.SECRET_KEY_BASIC,)
    assert not get("stripe_apps").client_id_on_refresh
    assert get("shopify").bearer == "X-Shopify-Access-Token: {token}"
    assert get("shopify").token_params == {"expiring": "1"}
    assert get("zoho").bearer == "Zoho-oauthtoken {token}"
    assert get("zoho").callback_fields["accounts-server"] == "accounts_server"
    assert (get("zoho").limits.refreshes, get("zoho").limits.per) == (10, 600)
    assert get("gitlab").refresh_params == {"redirect_uri": "{redirect_uri}"}
    assert get("notion").headers == {"Notion-Version": "2026-03-11"}
    assert not get("salesforce").expires_in_present
    assert get("salesforce").records[0].reply.keep == ("instance_url",)
    assert get("quickbooks").records[0].reply.refresh_idle == "x_refresh_token_expires_in"
    assert get("exact_online").refresh_not_before == 570
    assert get("figma").refresh_url != get("figma").token_url
    assert not get("github_oauth_app").refresh_tokens
    assert get("google").reconsent_params == {"prompt": "consent"}
    assert get("github_app").revoke.body == {"access_token": "{token}"}
    assert get("microsoft_entra").revoke.verb is RevokeVerb.NONE
    assert get("dropbox").revoke.auth == get("linear").revoke.auth == "bearer"
    assert get("miro").revoke.body["clientSecret"] == "{client_secret}"
