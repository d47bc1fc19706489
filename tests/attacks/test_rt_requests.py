"""Refresh requests that ask for more, come from somebody else, or are not refresh requests (attack RT-17 and on)."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.store.memory import MemoryStore
from evergrant.testing.in_process import SCOPES, Browser, Issuer, Reply
from tests.issuing import Held, again, claims_of, hold, is_oauth_error, post_as, unchanged

DAY = 86_400
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.WEB])
async def test_rt_17_and_r6749_6_2_another_clients_credentials_do_not_spend_the_token(
    both: Issuer, tmp_path: Path, type_: ClientType
) -> None:
    held, other = await hold(both, ClientType.WEB), await hold(both, type_, "Other")
    with unchanged(both, tmp_path):
        is_oauth_error(await other.present(held.refresh), "invalid_grant")
        is_oauth_error(await held.present(other.refresh), "invalid_grant")
    await held.turn()
    await other.turn()


@pytest.mark.parametrize("method", [AuthMethod.BASIC, AuthMethod.POST])
async def test_rt_18_a_bare_client_id_does_not_replace_a_secret(
    both: Issuer, tmp_path: Path, method: AuthMethod
) -> None:
    held = await hold(both, ClientType.WEB, auth_method=method)
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
    with unchanged(both, tmp_path):
        is_oauth_error(await both.browser().post("/token", form), "invalid_client")
    await held.turn()


WIDER = [
    "openid admin",
    "admin",
    "OPENID",
    "openid Profile",
    "\u043epenid",  # a Cyrillic letter that looks like o
    "openid\u00a0admin",
    "openid\u200b",
    "openid,profile",
    "openid\tprofile",
    'openid "profile"',
    "openid\\profile",
    "phone",
]


@pytest.mark.parametrize("scope", WIDER)
async def test_rt_19_and_r6749_6_3_no_spelling_of_scope_widens_it(issuer: Issuer, tmp_path: Path, scope: str) -> None:
    held = await hold(issuer)
    with unchanged(issuer, tmp_path):
        reply = await held.present(held.refresh, scope=scope)
        is_oauth_error(reply, "invalid_request" if "\t" in scope else "invalid_scope")
    await held.turn()


@pytest.mark.parametrize("scope", ["openid openid", "profile openid profile", "  openid  profile "])
async def test_rt_19_a_scope_said_twice_is_the_same_scope(issuer: Issuer, scope: str) -> None:
    held = await hold(issuer)
    await held.turn(scope=scope)
    assert claims_of(held.access)["scope"] == " ".join(sorted(set(scope.split())))


FOREIGN = {
    "code": "egc_" + "A" * 43,
    "code_verifier": "v" * 43,
    "username": "eve@example.com",
    "password": "eve has a password",
    "redirect_uri": "https://evil.example/",
    "subject_token": "x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "actor_token": "y",
    "device_code": "d",
    "assertion": "a",
    "audience": "https://evil.example",
    "sub": "usr_other",
    "client_name": "Evil",
    "response_type": "token",
    "claims": '{"userinfo":{"email":null}}',
    "max_age": "0",
    "nonce": "evil",
}


async def test_rt_20_and_r6749_6_8_parameters_of_other_grants_change_nothing(issuer: Issuer) -> None:
    held = await hold(issuer)
    plain = claims_of((await held.turn())["access_token"])
    foreign = claims_of((await held.turn(**FOREIGN))["access_token"])
    assert {**plain, "jti": ""} == {**foreign, "jti": ""}
    assert "nonce" not in claims_of(held.tokens["id_token"])
    assert (await held.family()).head.generation == 2


@pytest.mark.parametrize("name", sorted(FOREIGN))
async def test_rt_20_no_foreign_parameter_rescues_a_dead_token(issuer: Issuer, name: str) -> None:
    held = await hold(issuer)
    await post_as(issuer, "/revoke", held.client, "", {"token": held.refresh})
    is_oauth_error(await held.present(held.refresh, **{name: FOREIGN[name]}), "invalid_grant")


async def test_rt_21_and_r8707_2_2_a_a_resource_beyond_the_grant_is_refused(apis: Issuer, tmp_path: Path) -> None:
    client, _ = await apis.client(scopes=("openid", "orders:read", "stock:read"))
    tokens = await apis.signed_in(client, scope="openid orders:read", resource="https://orders.example")
    held = Held(apis, client, "", tokens)
    with unchanged(apis, tmp_path):
        for beyond in (
            "https://stock.example/v1",
            "https://nowhere.example",
            "https://orders.example/v1",
            "https://orders.example#x",
            "orders.example",
            "https://127.0.0.1/\\orders.example",
        ):
            is_oauth_error(await held.present(held.refresh, resource=beyond), "invalid_target")
    await held.turn(resource="https://orders.example")


async def test_rt_22_r6749_6_4_and_r6749_6_5_narrowing_once_does_not_narrow_the_family(both: Issuer) -> None:
    held = await hold(both)
    full = claims_of(held.access)["scope"]
    await held.turn(scope="openid")
    assert (held.tokens["scope"], claims_of(held.access)["scope"]) == ("openid", "openid")
    assert (await held.family()).scope == full
    await held.turn()
    assert (held.tokens["scope"], claims_of(held.access)["scope"]) == (full, full)
    await held.turn(scope="profile")
    await held.turn(scope="openid email")
    assert claims_of(held.access)["scope"] == "email openid"


async def test_rt_23_and_inv_9_shrunken_rights_shrink_the_next_access_token(both: Issuer) -> None:
    held = await hold(both)
    await both.house.clients.update(held.client.id, scopes=("openid", "offline_access"))
    await held.turn()
    assert held.tokens["scope"] == claims_of(held.access)["scope"] == "offline_access openid"
    await both.house.clients.update(held.client.id, scopes=SCOPES)
    await held.turn()
    assert claims_of(held.access)["scope"] == " ".join(sorted(SCOPES))


async def test_rt_23_when_nothing_is_left_the_refresh_is_refused_and_nothing_is_spent(
    both: Issuer, tmp_path: Path
) -> None:
    held = await hold(both)
    await both.house.clients.update(held.client.id, scopes=("address",))
    with unchanged(both, tmp_path):
        is_oauth_error(await held.present(held.refresh), "invalid_scope")
    await both.house.clients.update(held.client.id, scopes=SCOPES)
    await held.turn()


async def test_rt_23_a_resource_taken_from_the_client_is_reached_no_more(apis: Issuer, tmp_path: Path) -> None:
    client, _ = await apis.client(scopes=("openid", "orders:read", "stock:read"))
    tokens = await apis.signed_in(client, scope="openid orders:read stock:read", resource="https://orders.example")
    held = Held(apis, client, "", tokens)
    await apis.house.clients.update(client.id, resources=("https://stock.example/v1",))
    with unchanged(apis, tmp_path):
        is_oauth_error(await held.present(held.refresh), "invalid_target")
        is_oauth_error(await held.present(held.refresh, resource="https://orders.example"), "invalid_target")
    await apis.house.clients.update(client.id, resources=())
    await held.turn()
    assert claims_of(held.access)["aud"] == ["https://orders.example", "http://127.0.0.1:8000/userinfo"]


async def test_rt_24_no_kind_of_token_passes_as_another(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer, ClientType.WEB)
    code = await issuer.code(issuer.browser(), held.client, prompt="consent")
    others = {"access": held.access, "id": held.tokens["id_token"], "code": code, "secret": held.secret}
    with unchanged(issuer, tmp_path):
        for kind, token in others.items():
            reply = await held.present(token)
            assert (kind, reply.status, reply.json()["error"]) == (kind, 400, "invalid_grant")
        for token in (held.refresh, held.access, held.tokens["id_token"]):
            is_oauth_error(await issuer.redeem(held.client, held.secret, token), "invalid_grant")
        for token in (held.refresh, held.tokens["id_token"], code, held.secret):
            assert (await bearer(issuer, token)).status == 401
            assert not await held.active(token) or token == held.refresh
    is_oauth_error(await issuer.refresh(held.client, held.refresh, held.refresh), "invalid_client", 401)
    await held.turn()


async def bearer(issuer: Issuer, token: str) -> Reply:
    return await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {token}"})


class Counted:
    """A store that counts how often it is asked."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"settle", "settle_then", "write", "read"}:
            self.asked.append(name)
        return getattr(self._store, name)


def damaged(token: str) -> dict[str, str]:
    """The token with one thing wrong each."""
    flipped = {f"bit {at}": token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(4, 96, 7)}
    return flipped | {
        "short": token[:-1],
        "long": token + "A",
        "padded": token + "=",
        "empty body": token[:4],
        "other kind": "ega_" + token[4:],
        "other tenant": "xyz_" + token[4:],
        "upper case": token.upper(),
        "swapped case": token.swapcase(),
        "spaced": token + " ",
        "in front": " " + token,
        "quoted": f'"{token}"',
        "unicode": token[:-1] + "\u0430",
        "huge": token + "A" * 8_000,
    }


async def test_rt_25_and_r6749_10_4_b_damaged_tokens_never_reach_the_store(tmp_path: Path) -> None:
    from evergrant.testing.in_process import running

    store = Counted(MemoryStore())
    async with running(tmp_path, store) as issuer:
        await issuer.person()
        held = await hold(issuer)
        store.asked.clear()
        for what, token in damaged(held.refresh).items():
            reply = await held.present(token)
            assert (what, reply.status, reply.json()["error"]) in {
                (what, 400, "invalid_grant"),
                ("huge", 400, "invalid_request"),
            }
        assert store.asked == []
        await held.turn()
        assert store.asked == ["settle_then"]


async def test_rt_26_and_asvs_10_4_8_sliding_never_passes_the_absolute_end(both: Issuer) -> None:
    held = await hold(both, idle_lifetime=10 * DAY, absolute_lifetime=25 * DAY)
    end = (await held.family()).absolute_end
    for _ in range(6):
        both.clock.advance(4 * DAY)
        await held.turn()
        family = await held.family()
        assert family.absolute_end == end
        assert family.head.idle_end <= end
        assert claims_of(held.access)["exp"] <= end
    both.clock.advance(DAY - 1)
    await held.turn()
    assert held.tokens["expires_in"] == 1
    both.clock.advance(1)
    is_oauth_error(await held.present(held.refresh), "invalid_grant")


async def test_rt_27_and_r10017_6_3_2_3_c_rotation_does_not_move_a_fixed_end(issuer: Issuer) -> None:
    held = await hold(issuer, idle_lifetime=10 * DAY, absolute_lifetime=10 * DAY)
    left = [held.tokens["authorization_expires_in"]]
    for _ in range(3):
        issuer.clock.advance(2 * DAY)
        left.append((await held.turn())["authorization_expires_in"])
    assert left == [10 * DAY, 8 * DAY, 6 * DAY, 4 * DAY]


async def test_rt_29_one_client_from_two_addresses_and_programs_is_no_trouble(both: Issuer) -> None:
    held = await hold(both)
    egress = [both.browser(network="198.51.100.7", agent="node"), both.browser(network="2001:db8::7", agent="python")]
    token = held.refresh
    for turn in range(6):
        reply = await both.refresh(held.client, "", token, egress[turn % 2])
        assert reply.status == 200
        repeat = await both.refresh(held.client, "", token, egress[(turn + 1) % 2])
        assert repeat.json()["refresh_token"] == reply.json()["refresh_token"]
        token = reply.json()["refresh_token"]
    assert (await held.family()).ended is None


async def test_rt_33_failed_authentication_spends_nothing_and_starts_no_overlap(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both, ClientType.WEB, overlap=60)
    with unchanged(both, tmp_path):
        for secret in ("", "wrong", held.secret[:-1], held.secret + "A"):
            is_oauth_error(await both.refresh(held.client, secret, held.refresh), "invalid_client", 401)
    both.clock.advance(3_600)
    first = held.refresh
    await held.turn()
    both.clock.advance(60)
    assert (await held.present(first)).status == 200


async def test_rt_34_a_caller_gone_before_the_answer_may_repeat(both: Issuer) -> None:
    held = await hold(both)
    first, form = held.refresh, {"grant_type": "refresh_token", "refresh_token": held.refresh}

    async def hung_up(message: Any) -> None:
        raise ConnectionResetError("the client has gone")

    with pytest.raises(ConnectionResetError):
        await both.app(*post_scope(form | {"client_id": held.client.id}), hung_up)
    assert (await held.family()).head.generation == 1
    one, two = await held.present(first), await held.present(first)
    assert one.json()["refresh_token"] == two.json()["refresh_token"]
    assert (await held.family()).head.generation == 1


async def test_rt_34_a_caller_gone_while_its_refresh_was_settled_may_repeat(both: Issuer) -> None:
    """A server may cancel what nobody waits for any more; the commit stands or it does not, never half."""
    held = await hold(both)
    for turns in range(8):
        task = asyncio.create_task(held.present(held.refresh))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        replies = [await held.present(held.refresh) for _ in range(2)]
        assert {reply.status for reply in replies} == {200}
        assert len({reply.json()["refresh_token"] for reply in replies}) == 1
        held.tokens = replies[0].json()


async def test_rt_34_a_caller_gone_before_its_request_was_whole_changes_nothing(both: Issuer, tmp_path: Path) -> None:
    held = await hold(both)
    scope, _ = post_scope({"refresh_token": held.refresh})
    parts = [{"type": "http.request", "body": b"grant_type=ref", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to answer")

    with unchanged(both, tmp_path):
        await both.app(scope, receive, send)
    await held.turn()


def post_scope(form: dict[str, str]) -> tuple[dict[str, Any], Callable[[], Any]]:
    """A form as ASGI has it."""
    body = urlencode(form).encode()
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", FORM.encode()), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/token", "raw_path": b"/token", "query_string": b"",
             "headers": headers, "client": ("192.0.2.1", 1), "scheme": "http", "http_version": "1.1"}  # fmt: skip
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return scope, receive


async def elsewhere(browser: Browser, form: dict[str, str]) -> dict[str, Reply]:
    """The same request everywhere but in a form."""
    pairs = urlencode(form)
    multipart = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form.items()
    )
    xml = "".join(f"<{name}>{value}</{name}>" for name, value in form.items())
    return {
        "query": await browser.send("POST", f"/token?{pairs}", b"", {"content-type": FORM}),
        "query and body": await browser.send("POST", f"/token?{pairs}", pairs.encode(), {"content-type": FORM}),
        "get": await browser.send("GET", f"/token?{pairs}"),
        "json": await browser.send("POST", "/token", json.dumps(form).encode(), {"content-type": "application/json"}),
        "json as form": await browser.send("POST", "/token", json.dumps(form).encode(), {"content-type": FORM}),
        "multipart": await browser.send(
            "POST", "/token", f"{multipart}--x--\r\n".encode(), {"content-type": "multipart/form-data; boundary=x"}
        ),
        "xml": await browser.send("POST", "/token", f"<r>{xml}</r>".encode(), {"content-type": "application/xml"}),
        "text": await browser.send("POST", "/token", pairs.encode(), {"content-type": "text/plain"}),
        "untyped": await browser.send("POST", "/token", pairs.encode()),
        "utf-16": await browser.send(
            "POST", "/token", pairs.encode("utf-16"), {"content-type": f"{FORM}; charset=utf-16"}
        ),
        "cookie": await browser.send("POST", "/token", b"", {"content-type": FORM, "cookie": pairs.replace("&", "; ")}),
    }


async def test_rt_35_tokens_in_address_json_multipart_or_xml_are_refused_and_not_logged(
    issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    held = await hold(issuer)
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
    with unchanged(issuer, tmp_path):
        for where, reply in (await elsewhere(issuer.browser(), form)).items():
            assert (where, reply.status) == (where, 405 if where == "get" else 400), reply.text
    assert held.refresh not in caplog.text
    assert all(held.refresh not in repr(vars(record)) for record in caplog.records)
    await held.turn()


async def test_rt_37_a_refresh_token_is_no_bearer_token(issuer: Issuer) -> None:
    held = await hold(issuer)
    reply = await bearer(issuer, held.refresh)
    is_oauth_error(reply, "invalid_token", 401)
    assert 'error="invalid_token"' in reply.header("www-authenticate")
    await held.turn()


async def test_rt_28_signing_in_twice_in_one_browser_gives_two_families(issuer: Issuer) -> None:
    browser = issuer.browser()
    client, _ = await issuer.client()
    one = Held(issuer, client, "", await issuer.signed_in(client, browser=browser))
    two = await again(one, browser)
    assert (await one.family()).id != (await two.family()).id
    await one.turn()
    await two.turn()
