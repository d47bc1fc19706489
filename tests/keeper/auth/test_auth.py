"""Leases on other people's HTTP clients: the header, one repetition after a 401, and no token for strangers.

Every promise is kept for three libraries: httpx2 asynchronous, httpx2, requests.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import requests

from evergrant.keeper.auth.header import HostRefused, Meaning, guard, meaning
from evergrant.keeper.auth.httpx2 import KeeperAuth
from evergrant.keeper.auth.requests import KeeperRequestsAuth
from evergrant.keeper.connection import Reason
from evergrant.keeper.errors import NeedsReauth
from tests.keeper.auth.api import Api, served
from tests.keeper.auth.leasing import Leasing

OLD, NEW = "tok_old_000000000000", "tok_new_000000000000"
Send = Callable[..., int]


def by_async_httpx2(leasing: Leasing, method: str, url: str, *, body: Any = None, **more: Any) -> int:
    async def chunks() -> Any:
        for part in body:
            yield part

    async def send() -> int:
        content = chunks() if isinstance(body, Iterator) else body
        auth = KeeperAuth(leasing.awaited(), **more)
        async with httpx2.AsyncClient(auth=auth, follow_redirects=True) as client:
            return (await client.request(method, url, content=content)).status_code

    return asyncio.run(send())


def by_httpx2(leasing: Leasing, method: str, url: str, *, body: Any = None, **more: Any) -> int:
    auth = KeeperAuth(None, leasing.blocking(), **more)
    with httpx2.Client(auth=auth, follow_redirects=True) as client:
        return client.request(method, url, content=body).status_code


def by_requests(leasing: Leasing, method: str, url: str, *, body: Any = None, **more: Any) -> int:
    with requests.Session() as session:
        session.trust_env = False
        auth = KeeperRequestsAuth(leasing.blocking(), **more)
        return session.request(method, url, data=body, auth=auth, timeout=30).status_code


@pytest.fixture(params=[by_async_httpx2, by_httpx2, by_requests])
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


def test_the_header_is_set(send):
    with served(Api(good={OLD})) as api:
        assert send(Leasing(), "GET", f"{api.url}/things") == 200
        assert api.tokens() == [f"Bearer {OLD}"]


def test_after_a_401_the_token_is_renewed_once_and_the_request_is_repeated_once(send):
    with served(Api(good={NEW})) as api:
        leasing = Leasing(next=[NEW])
        assert send(leasing, "POST", f"{api.url}/things", body=b"a body") == 200
        assert api.tokens() == [f"Bearer {OLD}", f"Bearer {NEW}"]
        assert [one.body for one in api.heard] == [b"a body", b"a body"]
        assert leasing.reported == [1]


def test_an_api_that_always_answers_401_is_asked_twice_and_no_more(send):
    with served(Api()) as api:
        leasing = Leasing(next=[NEW, "tok_never_00000000", "tok_never_11111111"])
        assert send(leasing, "GET", f"{api.url}/things") == 401
        assert len(api.heard) == 2
        assert leasing.reported == [1]


class Moving(Api):
    """Who comes with a good token is sent on to a place where no token is good enough."""

    def judge(self, heard):
        status, headers = super().judge(heard)
        return (307, {"Location": "/never"}) if status == 200 and heard.path == "/things" else (status, headers)


def test_a_repetition_that_is_led_on_and_refused_there_renews_nothing_again(send):
    with served(Moving(good={NEW}, answers={"/never": (401, {})})) as api:
        leasing = Leasing(next=[NEW, "tok_never_00000000"])
        assert send(leasing, "GET", f"{api.url}/things") == 401
        assert [one.path for one in api.heard] == ["/things", "/things", "/never"]
        assert leasing.reported == [1]


def test_a_body_that_cannot_be_sent_again_is_not_and_the_token_is_renewed_for_the_next_request(send):
    with served(Api(good={NEW})) as api:
        leasing = Leasing(next=[NEW])
        assert send(leasing, "POST", f"{api.url}/things", body=iter([b"once", b" only"])) == 401
        assert [one.body for one in api.heard] == [b"once only"]
        assert leasing.reported == [1]
        assert send(leasing, "GET", f"{api.url}/things") == 200


def test_a_dead_connection_is_a_typed_reason_with_a_link_and_not_a_401(send):
    with served(Api()) as api, pytest.raises(NeedsReauth) as trouble:
        send(Leasing(), "GET", f"{api.url}/things")
    assert (trouble.value.reason, trouble.value.reconnect) == (Reason.GRANT_DEAD, "https://app.example/again")


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_scope_is_told_and_never_refreshed_for(send, status):
    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="files:write mail"'}
    with served(Api(answers={"/things": (status, challenge)})) as api:
        leasing = Leasing(next=[NEW])
        with pytest.raises(NeedsReauth) as trouble:
            send(leasing, "GET", f"{api.url}/things")
        assert trouble.value.reason is Reason.SCOPE_MISSING
        assert "files:write mail" in str(trouble.value)
        assert leasing.reported == []
        assert send(leasing, "GET", f"{api.url}/things", raise_missing_scope=False) == status


def test_a_plain_403_is_the_callers_matter(send):
    with served(Api(answers={"/things": (403, {})})) as api:
        leasing = Leasing(next=[NEW])
        assert send(leasing, "GET", f"{api.url}/things") == 403
        assert (len(api.heard), leasing.reported) == (1, [])


@pytest.mark.parametrize(
    ("bearer", "name"),
    [("Bearer {token}", "Authorization"), ("X-Shopify-Access-Token: {token}", "X-Shopify-Access-Token")],
)
def test_k_23_a_redirect_to_another_origin_takes_no_token_along(send, bearer, name):
    with served(Api()) as stranger, served(Api(good={OLD})) as api:
        stranger.answers["/stolen"] = (200, {})
        api.answers["/things"] = (307, {"Location": f"{stranger.url}/stolen"})
        leasing = Leasing(bearer=bearer, next=[NEW])
        assert send(leasing, "GET", f"{api.url}/things") == 200
        assert name in api.heard[0].headers
        assert [name in one.headers for one in stranger.heard] == [False]
        assert OLD not in repr(stranger.heard)


def test_a_401_of_another_origin_renews_nothing(send):
    with served(Api()) as stranger, served(Api()) as api:
        api.answers["/things"] = (302, {"Location": f"{stranger.url}/"})
        leasing = Leasing(next=[NEW])
        assert send(leasing, "GET", f"{api.url}/things") == 401
        assert leasing.reported == []
        assert OLD not in repr(stranger.heard)


def test_a_redirect_within_the_origin_keeps_the_token(send):
    with served(Api(good={OLD})) as api:
        api.answers["/old"] = (307, {"Location": "/things"})
        assert send(Leasing(), "GET", f"{api.url}/old") == 200


def test_a_header_of_the_providers_own_is_sent_and_renewed_like_any_other(send):
    with served(Api(good={NEW}, header="X-Shopify-Access-Token", prefix="")) as api:
        leasing = Leasing(bearer="X-Shopify-Access-Token: {token}", next=[NEW])
        assert send(leasing, "GET", f"{api.url}/things") == 200
        assert api.tokens() == [OLD, NEW]


def test_a_host_that_is_not_allowed_gets_no_request_at_all(send):
    with served(Api(good={OLD})) as api:
        with pytest.raises(HostRefused, match="may go to api"):
            send(Leasing(), "GET", f"{api.url}/things", hosts=["api.example"])
        assert api.heard == []
        assert send(Leasing(), "GET", f"{api.url}/things", hosts=["127.0.0.1"]) == 200


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://api.example/x", ["api.example"], True),
        ("https://API.example/x", ["api.EXAMPLE"], True),
        ("https://api.example.evil/x", ["api.example"], False),
        ("https://eu.api.example/x", ["api.example"], False),
        ("https://eu.api.example/x", [".api.example"], True),
        ("https://evilapi.example/x", [".api.example"], False),
        ("https://user@evil.example/x#api.example", ["api.example"], False),
        ("http://api.example/x", [], False),
        ("http://api.example/x", ["api.example"], False),
        ("http://localhost:1/x", [], True),
    ],
)
def test_where_a_token_may_go(url, hosts, allowed):
    if allowed:
        guard(url, hosts)
    else:
        with pytest.raises(HostRefused):
            guard(url, hosts)


@pytest.mark.parametrize(
    ("status", "challenge", "said"),
    [
        (200, "", Meaning.FINE),
        (401, "", Meaning.STALE),
        (401, 'Bearer realm="x"', Meaning.STALE),
        (401, 'Bearer error="invalid_token", error_description="expired, sorry"', Meaning.STALE),
        (401, "Bearer error=invalid_token", Meaning.STALE),
        (401, 'DPoP algs="ES256", error="use_dpop_nonce"', Meaning.NONCE),
        (401, 'Bearer error="invalid_request"', Meaning.FINE),
        (403, "", Meaning.FINE),
        (403, 'Bearer error="invalid_token"', Meaning.FINE),
        (403, 'Bearer error="insufficient_scope"', Meaning.SCOPE),
        (500, 'Bearer error="insufficient_scope"', Meaning.FINE),
    ],
)
def test_what_an_answer_says_about_the_token(status, challenge, said):
    assert meaning(status, challenge)[0] is said


def test_k_23_no_token_is_in_the_repr_of_an_auth():
    leasing = Leasing()
    assert OLD not in repr([KeeperAuth(leasing.awaited()), KeeperRequestsAuth(leasing.blocking(), hosts=["x"])])


def test_an_asynchronous_keeper_says_so_when_a_blocking_client_uses_it():
    with httpx2.Client(auth=KeeperAuth(Leasing().awaited())) as client, pytest.raises(TypeError, match="AsyncClient"):
        client.get("http://127.0.0.1:1/")
