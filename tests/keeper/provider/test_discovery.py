"""Any issuer by its address alone, asked over real HTTP on loopback (OpenID Connect Discovery, RFC 8414)."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.discovery import ENDPOINTS, Undiscovered, discover, discovered, well_known
from evergrant.keeper.provider.fetched import Fetched
from evergrant.keeper.provider.model import ClientAuth, Pkce, RevokeVerb
from evergrant.keeper.provider.rules import contradictions
from evergrant.keeper.wire.fetch import Fetcher, Reach
from tests.keeper.provider.issuing import Page, Site, site

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


@pytest.fixture
async def there() -> AsyncIterator[Site]:
    async with site() as served:
        yield served


@pytest.fixture
def fetch() -> Fetcher:
    return Fetcher(Reach(loopback=True, seconds=5.0))


async def refused(issuer: str, fetch: Fetcher, code: str) -> str:
    with pytest.raises(Undiscovered) as caught:
        await discover(issuer, fetch)
    assert caught.value.code == code
    assert isinstance(caught.value, BadRequest)
    return str(caught.value)


async def test_an_openid_issuer_becomes_a_provider(there: Site, fetch: Fetcher) -> None:
    there.describe(
        revocation_endpoint=f"{there.origin}/revoke",
        introspection_endpoint=f"{there.origin}/introspect",
        userinfo_endpoint=f"{there.origin}/userinfo",
        device_authorization_endpoint=f"{there.origin}/device",
        scopes_supported=["openid", "email", "offline_access", "orders"],
        code_challenge_methods_supported=["S256"],
        token_endpoint_auth_methods_supported=["none", "client_secret_post", "private_key_jwt", "tls_client_auth"],
        authorization_response_iss_parameter_supported=True,
    )
    provider = await discover(there.origin, fetch, today="2026-11-21")
    assert provider.issuer == there.origin
    assert provider.iss_in_callback
    assert provider.token_url == f"{there.origin}/token"
    assert provider.device_url == f"{there.origin}/device"
    assert provider.revoke.verb is RevokeVerb.RFC7009
    assert provider.revoke.url == f"{there.origin}/revoke"
    assert provider.client_auth == (ClientAuth.PRIVATE_KEY_JWT, ClientAuth.POST, ClientAuth.NONE)
    assert provider.pkce is Pkce.SUPPORTED
    assert provider.refresh_scope == "offline_access"
    assert provider.reconsent_params == {"prompt": "consent"}, "an OpenID server may ignore offline_access without"
    assert set(provider.scopes) == {"openid", "email", "offline_access"}
    assert provider.sources == (there.origin + OPENID,)
    assert provider.checked_on == "2026-11-21"
    assert provider.quirks == ()
    assert contradictions(provider, loopback=True) == []


async def test_what_the_document_does_not_say_stays_unknown(there: Site, fetch: Fetcher) -> None:
    there.describe()
    provider = await discover(there.origin, fetch)
    assert (provider.rotates, provider.access_lifetime, provider.refresh_idle) == (None, None, None)
    assert provider.retry.value == "unknown"
    assert provider.pkce is Pkce.UNKNOWN
    assert provider.client_auth == (ClientAuth.BASIC,)  # RFC 8414 section 2: what holds when nothing is said
    assert provider.revoke.verb is RevokeVerb.NONE


async def test_an_oauth_issuer_with_a_path_is_found_between_host_and_path(there: Site, fetch: Fetcher) -> None:
    issuer = f"{there.origin}/tenant/a"
    there.describe(issuer, f"{OAUTH}/tenant/a")
    found = await discovered(issuer, fetch)
    assert found.provider.token_url == f"{issuer}/token"
    assert found.document_url == f"{there.origin}{OAUTH}/tenant/a"
    assert [path for path, _ in there.asked] == [f"/tenant/a{OPENID}", f"{OAUTH}/tenant/a"]


def test_all_three_places_of_a_document_are_known() -> None:
    assert well_known("https://id.example/a/") == (
        "https://id.example/a/.well-known/openid-configuration",
        "https://id.example/.well-known/oauth-authorization-server/a",
        "https://id.example/.well-known/openid-configuration/a",
    )
    assert len(well_known("https://id.example")) == 2


@pytest.mark.parametrize("claimed", ["https://honest.example", "{origin}/", "{origin}/x", "{ORIGIN}", "", None, 7, []])
async def test_k_02_a_document_of_another_issuer_is_dropped(there: Site, fetch: Fetcher, claimed: object) -> None:
    said = claimed.format(origin=there.origin, ORIGIN=there.origin.upper()) if isinstance(claimed, str) else claimed
    there.describe()
    document = json.loads(there.pages[OPENID].body) | {"issuer": said}
    there.put(OPENID, document)
    there.describe(path=OAUTH)  # an honest one elsewhere does not make up for it
    told = await refused(there.origin, fetch, "issuer_mismatch")
    assert "calls itself" in told


async def test_k_02_a_slash_at_the_end_is_another_issuer(there: Site, fetch: Fetcher) -> None:
    there.describe()
    told = await refused(f"{there.origin}/", fetch, "issuer_mismatch")
    assert f"calls itself '{there.origin}'; ask for exactly that" in told


async def test_k_03_an_endpoint_at_another_origin_is_told(there: Site, fetch: Fetcher) -> None:
    async with site() as other:
        there.describe(token_endpoint=f"{other.origin}/token")
        found = await discovered(there.origin, fetch)
    told = f"Its token_endpoint is at another origin than the issuer: {other.origin}."
    assert found.elsewhere == (told,)
    assert told in found.provider.quirks
    assert found.provider.token_url == f"{other.origin}/token"


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1/token",
        "ftp://id.example/token",
        "/token",
        "token",
        "https://id.example/token#x",
        "https://me@id.example/token",
        "https://{tenant}.example/token",
        "https://id.example\\@evil.example/",
        7,
        ["https://id.example/token"],
    ],
)
async def test_k_03_an_endpoint_that_is_no_good_address_ends_it(there: Site, fetch: Fetcher, address: object) -> None:
    there.describe(token_endpoint=address)
    assert "token_endpoint" in await refused(there.origin, fetch, "endpoint")


@pytest.mark.parametrize("address", ["https://10.0.0.1/t", "https://169.254.169.254/t", "https://[fd00::1]/t"])
async def test_k_26_an_endpoint_inside_our_own_network_ends_it(there: Site, fetch: Fetcher, address: str) -> None:
    there.describe(token_endpoint=address)
    assert "may not be asked" in await refused(there.origin, fetch, "endpoint")


async def test_k_26_an_issuer_on_this_machine_is_not_asked_unless_it_is_allowed(there: Site) -> None:
    there.describe()
    assert "https://" in await refused(there.origin, Fetcher(), "forbidden")
    assert there.asked == []


async def test_k_26_a_redirect_is_not_followed(there: Site, fetch: Fetcher) -> None:
    there.describe(path="/moved")
    there.pages[OPENID] = Page(302, b"", {"location": f"{there.origin}/moved"})
    assert "sends somewhere else" in await refused(there.origin, fetch, "unreachable")
    assert "/moved" not in [path for path, _ in there.asked]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in to this network</html>",
        b"",
        b"[]",
        b"null",
        b'{"issuer": "a"',
        b'{"issuer": "a", "issuer": "b"}',
        b'{"x": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_a_document_that_cannot_be_read_is_one_sentence(there: Site, fetch: Fetcher, body: bytes) -> None:
    there.put(OPENID, body)
    await refused(there.origin, fetch, "unreadable")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_endpoint": None}, "has no token_endpoint"),
        ({"authorization_endpoint": None}, "neither an authorization nor a device endpoint"),
        ({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}, "no way for clients to prove themselves"),
        ({"token_endpoint_auth_methods_supported": "none"}, "no way for clients to prove themselves"),
    ],
)
async def test_a_server_that_is_no_use_is_told(there: Site, fetch: Fetcher, changes: dict, told: str) -> None:
    there.describe(**changes)
    assert told in await refused(there.origin, fetch, "unsupported")


async def test_a_server_that_says_nothing_of_itself_is_told(there: Site, fetch: Fetcher) -> None:
    assert "answered 404" in await refused(there.origin, fetch, "not_found")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["https://id.example/x", "none"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from([
    *ENDPOINTS, "issuer", "scopes_supported", "grant_types_supported", "response_types_supported",
    "code_challenge_methods_supported", "token_endpoint_auth_methods_supported",
    "authorization_response_iss_parameter_supported",
])  # fmt: skip


class Said:
    """A fetcher that answers everything with one document."""

    def __init__(self, document: dict[str, object]) -> None:
        self.body = json.dumps(document).encode()

    async def get(self, url: str) -> Fetched:
        return Fetched(200, self.body)

    async def judge(self, url: str) -> None:
        assert url.startswith("https://")


@given(st.dictionaries(MEMBERS, VALUES, max_size=6))
def test_whatever_a_document_says_there_is_a_provider_or_a_sentence(members: dict[str, object]) -> None:
    home = "https://id.example"
    document = {"issuer": home, "authorization_endpoint": f"{home}/a", "token_endpoint": f"{home}/t", **members}
    try:
        provider = asyncio.run(discover(home, Said(document)))
    except Undiscovered as error:
        told = str(error)
    else:
        told = provider.name
        assert provider.issuer == home
        assert contradictions(provider) == []
    assert told.isprintable()


async def test_oddities_of_a_document_are_quirks(there: Site, fetch: Fetcher) -> None:
    there.describe(grant_types_supported=["authorization_code"], response_types_supported=["token"])
    assert len((await discover(there.origin, fetch)).quirks) == 2


@pytest.mark.parametrize(
    "issuer",
    [
        "id.example",
        "",
        "https://",
        "https://id.example/?a=1",
        "https://id.example/#a",
        "https://{x}.example",
        "ftp://a.b",
    ],
)
async def test_an_address_that_is_no_issuer_is_told_before_anything_is_asked(issuer: str) -> None:
    class Never:
        async def get(self, url: str) -> Fetched:
            raise AssertionError(url)

        judge = get

    with pytest.raises(Undiscovered) as caught:
        await discover(issuer, Never())
    assert caught.value.code == "address"


async def test_an_id_comes_from_the_address_or_is_given(there: Site, fetch: Fetcher) -> None:
    there.describe()
    assert (await discover(there.origin, fetch)).id == "as_127_0_0_1"
    assert (await discover(there.origin, fetch, provider_id="ours")).id == "ours"


async def test_what_only_oauth_has_is_read_from_the_other_document_of_the_same_issuer(
    there: Site, fetch: Fetcher
) -> None:
    there.describe()
    there.describe(
        path=OAUTH,
        token_endpoint=f"{there.origin}/another",
        revocation_endpoint=f"{there.origin}/revoke",
        introspection_endpoint=f"{there.origin}/introspect",
    )
    provider = await discover(there.origin, fetch)
    assert provider.revoke.url == f"{there.origin}/revoke"
    assert provider.introspect_url == f"{there.origin}/introspect"
    assert provider.token_url == f"{there.origin}/token", "what the first document says stands"


@pytest.mark.parametrize("status", [200, 404])
async def test_k_02_the_other_document_counts_only_if_it_is_of_the_same_issuer(
    there: Site, fetch: Fetcher, status: int
) -> None:
    there.describe()
    other = {"issuer": f"{there.origin}/else", "revocation_endpoint": f"{there.origin}/revoke"}
    there.put(OAUTH, other, status)
    assert (await discover(there.origin, fetch)).revoke.verb is RevokeVerb.NONE
