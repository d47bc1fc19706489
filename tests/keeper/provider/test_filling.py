"""What fills the gaps in addresses stays where it is put: a client's secret goes there."""

from typing import Final
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.address import gaps
from evergrant.keeper.provider.catalog import Catalog, filled
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.provider.rules import addresses

CATALOG: Final = Catalog.shipped()
GOOD: Final = {
    "salesforce": {"login_host": "test.salesforce.com", "instance_url": "https://eu1.my.salesforce.com"},
    "microsoft_entra": {"tenant": "contoso.onmicrosoft.com"},
    "zoho": {"accounts_server": "https://accounts.zoho.eu"},
    "shopify": {"shop": "my-shop"},
    "okta": {"domain": "dev-1.okta.com"},
    "auth0": {"domain": "example.eu.auth0.com"},
    "exact_online": {"country": "co.uk"},
    "adobe_sign": {"shard": "eu1", "api_access_point": "https://api.eu1.adobesign.com/"},
    "netsuite": {"account": "1234567-sb1"},
    "amazon_cognito": {"domain": "x.auth.eu-west-1.amazoncognito.com"},
}
HOSTILE: Final = [
    "", "evil.com/", "a@b", "a:b", "evil.com#", "evil.com?x=", "a/../b", "..", ".", "-a", "a-", "a..b", ".a", "a.",
    "my shop", "my\tshop", "my\nshop", "my\x00shop", "my%2fshop", "%2e%2e", "\\evil.com", "//evil.com", "evil.com\\",
    "bücher", "ｅｖｉｌ", "xn--", "{shop}", "{client_secret}", "x" * 300, "x" * 64, "https://evil.com", "[::1]",
    "a_b.c!", "127.0.0.1:80", "localhost:1", None, 7, ["a"], "evil.com\u2028", "a\u3002b", "a\u200b",
]  # fmt: skip


def hosts(provider: Provider) -> set[str]:
    return {urlsplit(address).hostname or "" for address in addresses(provider).values()}


@pytest.mark.parametrize("provider_id", GOOD)
def test_every_gap_of_every_provider_can_be_filled(provider_id: str) -> None:
    provider = CATALOG.get(provider_id)
    full = filled(provider, GOOD[provider_id])
    assert full.placeholders == ()
    left = {name for address in addresses(full).values() for name in gaps(address)}
    assert left <= {"client_id", "token"}
    for value in GOOD[provider_id].values():
        assert any(value.rstrip("/") in address for address in addresses(full).values())


def test_every_provider_with_gaps_is_tried_here() -> None:
    assert {name for name in CATALOG.ids() if CATALOG.get(name).placeholders} == set(GOOD)


HARMLESS_IN_A_PATH: Final = ("a-", "a.", "a..b", "xn--", "x" * 64)


@pytest.mark.parametrize(("provider_id", "name"), [(each, name) for each, said in GOOD.items() for name in said])
def test_a_value_that_would_leave_its_place_is_refused(provider_id: str, name: str) -> None:
    provider = CATALOG.get(provider_id)
    for value in HOSTILE:
        if name == "tenant" and value in HARMLESS_IN_A_PATH:
            continue
        with pytest.raises(BadRequest, match=f"{provider_id}: {name} ") as caught:
            filled(provider, {name: value})
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("provider_id", "name", "value"),
    [
        ("zoho", "accounts_server", "https://accounts.zoho.com.evil.example"),
        ("zoho", "accounts_server", "https://evil.example/accounts.zoho.com"),
        ("zoho", "accounts_server", "http://accounts.zoho.com"),
        ("zoho", "accounts_server", "https://accounts.zoho.com:8443"),
        ("zoho", "accounts_server", "https://accounts.zoho.com@evil.example"),
        ("zoho", "accounts_server", "https://accounts.zoho.com/x"),
        ("salesforce", "instance_url", "https://evilsalesforce.com"),
        ("salesforce", "instance_url", "https://.salesforce.com"),
        ("salesforce", "login_host", "login.salesforce.com.evil.example"),
        ("okta", "domain", "evil.example"),
        ("okta", "domain", "okta.com"),
        ("okta", "domain", "10.0.0.1"),
        ("exact_online", "country", "evil.example"),
        ("exact_online", "country", "com.evil"),
        ("shopify", "shop", "evil.com"),
        ("microsoft_entra", "tenant", "common/../../evil"),
    ],
)
def test_k_04_a_callback_cannot_send_a_secret_to_another_host(provider_id: str, name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        filled(CATALOG.get(provider_id), {name: value})


def test_defaults_fill_what_nobody_says_and_the_callbacks_gaps_stay_open() -> None:
    assert "/common/" in filled(CATALOG.get("microsoft_entra"), {}).token_url
    zoho = filled(CATALOG.get("zoho"), {})
    assert zoho.placeholders == ("accounts_server",)
    assert zoho.token_url.startswith("{accounts_server}")
    salesforce = filled(CATALOG.get("salesforce"), {})
    assert salesforce.token_url == "https://login.salesforce.com/services/oauth2/token"
    assert salesforce.placeholders == ("instance_url",)
    later = filled(salesforce, {"instance_url": "https://eu1.salesforce.com"})
    assert later.introspect_url == "https://eu1.salesforce.com/services/oauth2/introspect"


def test_letters_of_a_host_are_made_small_and_values_for_other_gaps_are_left_alone() -> None:
    full = filled(CATALOG.get("shopify"), {"shop": "My-Shop", "tenant": "../../", "realm_id": "9"})
    assert full.token_url == "https://my-shop.myshopify.com/admin/oauth/access_token"


def test_the_address_of_revocation_is_filled_too() -> None:
    okta = filled(CATALOG.get("okta"), GOOD["okta"])
    assert okta.revoke.url == "https://dev-1.okta.com/oauth2/v1/revoke"
    assert filled(CATALOG.get("github_app"), {}).revoke.url.endswith("/{client_id}/token")


@given(st.text(max_size=40))
def test_whatever_is_filled_in_no_host_outside_the_provider_is_named(value: str) -> None:
    for provider_id, domain in (("shopify", ".myshopify.com"), ("okta", ".okta.com"), ("zoho", ".zoho.com")):
        provider = CATALOG.get(provider_id)
        (name,) = provider.placeholders
        try:
            full = filled(provider, {name: value})
        except BadRequest:
            continue
        assert all(host.endswith(domain) for host in hosts(full)), value


@given(st.text(max_size=40))
def test_whatever_is_filled_into_a_path_stays_one_segment(value: str) -> None:
    entra = CATALOG.get("microsoft_entra")
    try:
        full = filled(entra, {"tenant": value})
    except BadRequest:
        return
    parts = urlsplit(full.token_url)
    assert parts.netloc == "login.microsoftonline.com"
    assert parts.path.split("/")[2:] == ["oauth2", "v2.0", "token"]
    assert not parts.query
    assert not parts.fragment
