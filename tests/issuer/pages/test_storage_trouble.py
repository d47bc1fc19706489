"""Storage trouble at every step of every request: 503 with Retry-After, and the same request again does its work.

The store fails at its n-th call, for each n: before the work (a clean nothing), or after it (the commit's outcome was
lost on its way, attack O-02).
"""

from base64 import b64encode

import pytest

from evergrant.domain.client import ClientType
from evergrant.store.memory import MemoryStore
from evergrant.store.port import StoreUnavailable, Which
from evergrant.testing.in_process import PASSWORD, running
from tests.visitor import ADA, enter, form, heading, is_page, sign_in

pytestmark = pytest.mark.long

NEW = "entirely different words 7"
PEOPLE, MACHINES = "people", "machines"


class Troubled:
    """A store whose n-th call fails, once."""

    def __init__(self, store):
        self._store, self._left, self._after = store, -1, False
        self.struck = False

    def arm(self, calls, after):
        self._left, self._after, self.struck = calls, after, False

    def disarm(self):
        self._left = -1

    @property
    def seen_revision(self):
        return self._store.seen_revision

    async def close(self):
        await self._store.close()

    async def read(self, *work):
        return await self._call(self._store.read, work, reading=True)

    async def write(self, *work):
        return await self._call(self._store.write, work)

    async def settle(self, *work):
        return await self._call(self._store.settle, work)

    async def settle_then(self, *work):
        return await self._call(self._store.settle_then, work)

    async def _call(self, verb, work, *, reading=False):
        strike = self._left == 0
        self._left -= 1
        if not strike:
            return await verb(*work)
        self.struck = True
        if self._after and not reading:
            await verb(*work)
        raise StoreUnavailable("made up for a test")


async def _sign_in_page(issuer, browser, client):
    page = await issuer.authorize(browser, client)
    fields = {**form(page, "/sign-in"), "username": ADA, "password": PASSWORD}
    return lambda: browser.post("/sign-in", fields)


async def _sign_in_to_the_end(issuer, browser, client):
    await issuer.signed_in(client)
    return await _sign_in_page(issuer, browser, client)


async def _consent(issuer, browser, client):
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    return lambda: browser.post("/consent", {**form(page, "/consent"), "decision": "allow"})


async def _deny(issuer, browser, client):
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    return lambda: browser.post("/consent", {**form(page, "/consent"), "decision": "deny"})


async def _select(issuer, browser, client):
    await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, prompt="select_account")
    return lambda: browser.post("/select-account", {**form(page, "/select-account"), "choice": "continue"})


async def _notice(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    await issuer.refresh(client, "", tokens["refresh_token"])
    issuer.clock.advance(61)
    await issuer.refresh(client, "", tokens["refresh_token"])
    page = await issuer.authorize(browser, client)
    return lambda: browser.post("/notice", form(page, "/notice"))


async def _silent(issuer, browser, client):
    await issuer.signed_in(client, browser=browser)
    query = {
        "client_id": client.id, "redirect_uri": client.redirect_uris[0], "response_type": "code", "scope": "openid",
        "prompt": "none", "state": "s", "code_challenge_method": "S256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    }  # fmt: skip
    return lambda: browser.get("/authorize", query)


async def _hinted_sign_out(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    return lambda: browser.get("/end_session", {"id_token_hint": tokens["id_token"]})


async def _asked_sign_out(issuer, browser, client):
    await issuer.signed_in(client, browser=browser)
    page = await browser.get("/end_session")
    return lambda: browser.post("/end_session", {**form(page, "/end_session"), "decision": "sign_out"})


async def _posted_sign_out(issuer, browser, client):
    await issuer.signed_in(client, browser=browser)
    return lambda: browser.post("/end_session", {"client_id": client.id})


def _account(path, **more):
    async def prepare(issuer, browser, client):
        await issuer.signed_in(client, browser=browser)
        page = await enter(issuer, browser)
        fields = form(page, path) if path != "/account/password" else form(await browser.get(path), path)
        return lambda: browser.post(path, {**fields, **more})

    return prepare


def _page(path):
    async def prepare(issuer, browser, client):
        await issuer.signed_in(client, browser=browser)
        return lambda: browser.get(path)

    return prepare


async def _authorize(issuer, browser, client):
    await issuer.signed_in(client, browser=browser)
    return lambda: browser.get("/authorize", {"client_id": client.id, "response_type": "token"})


def _flow_page(path, **asked):
    async def prepare(issuer, browser, client):
        if path != "/sign-in":
            await issuer.signed_in(client, browser=browser)
        page = await issuer.authorize(browser, client, **asked)
        flow = form(page, path)["flow"]
        return lambda: browser.get(path, {"flow": flow})

    return prepare


async def _refresh(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser, claims='{"id_token":{"email":null}}')
    return lambda: issuer.refresh(client, "", tokens["refresh_token"])


async def _revoke(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    return lambda: issuer.browser().post("/revoke", {"client_id": client.id, "token": tokens["refresh_token"]})


async def _revoke_access(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    return lambda: issuer.browser().post("/revoke", {"client_id": client.id, "token": tokens["access_token"]})


async def _userinfo(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    return lambda: issuer.browser().send("GET", "/userinfo", headers=bearer)


async def _introspect(issuer, browser, client):
    tokens = await issuer.signed_in(client, browser=browser)
    service, secret = await issuer.client(ClientType.SERVICE, "Service", scopes=("read",))
    basic = {"authorization": "Basic " + b64encode(f"{service.id}:{secret}".encode()).decode()}
    return lambda: issuer.browser().post("/introspect", {"token": tokens["access_token"]}, basic)


async def _credentials(issuer, browser, client):
    service, secret = await issuer.client(ClientType.SERVICE, "Service", scopes=("read",))
    return lambda: issuer.token(service, secret, {"grant_type": "client_credentials"})


async def _redeem(issuer, browser, client):
    code = await issuer.code(browser, client)
    return lambda: issuer.redeem(client, "", code)


async def _keys(issuer, browser, client):
    return lambda: issuer.browser().get("/jwks")


REQUESTS = {
    "authorize silently": (_silent, PEOPLE),
    "authorize": (_authorize, PEOPLE),
    "sign-in page": (_flow_page("/sign-in"), PEOPLE),
    "consent page": (_flow_page("/consent", prompt="consent"), PEOPLE),
    "select page": (_flow_page("/select-account", prompt="select_account"), PEOPLE),
    "sign-out page": (_page("/end_session"), PEOPLE),
    "signed-out page": (_page("/signed-out"), PEOPLE),
    "sign in": (_sign_in_page, PEOPLE),
    "sign in to the end": (_sign_in_to_the_end, PEOPLE),
    "consent": (_consent, PEOPLE),
    "deny": (_deny, PEOPLE),
    "select": (_select, PEOPLE),
    "notice": (_notice, PEOPLE),
    "sign out by hint": (_hinted_sign_out, PEOPLE),
    "sign out after asking": (_asked_sign_out, PEOPLE),
    "sign out by form": (_posted_sign_out, PEOPLE),
    "index": (_page("/"), PEOPLE),
    "account": (_page("/account"), PEOPLE),
    "password page": (_page("/account/password"), PEOPLE),
    "end a session": (_account("/account/session/end"), PEOPLE),
    "end everything": (_account("/account/session/end-all"), PEOPLE),
    "end a family": (_account("/account/family/end"), PEOPLE),
    "withdraw": (_account("/account/grant/withdraw"), PEOPLE),
    "change the password": (_account("/account/password", current_password=PASSWORD, new_password=NEW), PEOPLE),
    "redeem": (_redeem, MACHINES),
    "refresh": (_refresh, MACHINES),
    "credentials": (_credentials, MACHINES),
    "revoke": (_revoke, MACHINES),
    "revoke an access token": (_revoke_access, MACHINES),
    "introspect": (_introspect, MACHINES),
    "userinfo": (_userinfo, MACHINES),
    "keys": (_keys, MACHINES),
}
# After a lost outcome these cannot be repeated word for word, and what their repetition says instead does no harm.
OTHERWISE = {
    ("redeem", True): {400},  # the code is spent, the family was never handed out; the client starts again
    ("change the password", True): {303, 401},  # it is changed; the new one works from now on
}


async def _run(tmp_path, name, calls, after):
    """Prepare, fail once at a call, ask again: both answers, and whether there was such a call."""
    prepare, _ = REQUESTS[name]
    store = Troubled(MemoryStore())
    async with running(tmp_path, store=store) as issuer:
        await issuer.person(ADA)
        client, _ = await issuer.client()
        browser = issuer.browser()
        send = await prepare(issuer, browser, client)
        issuer.clock.advance(50 if name == "redeem" else 61)  # what is cached or noted once a minute is due
        store.arm(calls, after)
        first = await send()
        store.disarm()
        again = await send() if store.struck else first
        families = await store.read(lambda tx: len(tx.families.find(Which(client_id=client.id, live=True))))
        sessions = await store.read(lambda tx: len([s for s in tx.sessions.find() if s.ended is None]))
        return first, again, store.struck, (families, sessions, heading(again) if again.body[:1] == b"<" else "")


@pytest.mark.parametrize("after", [False, True], ids=["nothing was done", "the outcome was lost"])
@pytest.mark.parametrize("name", list(REQUESTS))
async def test_o_02_o_08_a_12_trouble_is_503_and_trying_again_is_safe(tmp_path, name, after):
    _, expected, _, left = await _run(tmp_path / "calm", name, -1, after)
    assert expected.status < 400
    for calls in range(40):
        first, again, struck, found = await _run(tmp_path / str(calls), name, calls, after)
        if not struck:
            break
        assert first.status == 503, calls
        assert int(first.header("retry-after")) >= 1
        if REQUESTS[name][1] is PEOPLE:
            assert is_page(first, 503)
            assert heading(first) == "Not available right now"
        elif name != "userinfo":
            assert first.json()["error"] == "temporarily_unavailable"
        if (name, after) in OTHERWISE and again.status != expected.status:
            assert again.status in OTHERWISE[name, after]
            continue
        assert again.status == expected.status, calls
        assert again.location.split("?")[0] == expected.location.split("?")[0]
        assert found == left, calls
    else:
        pytest.fail("a request that never ends")
    assert calls >= (1 if REQUESTS[name][1] is MACHINES else 2), "the trouble was felt"
