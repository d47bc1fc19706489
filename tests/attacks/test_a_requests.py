"""Input abuse at the machines' endpoints: doubled, mistyped, broken, look-alike, in floods and for years."""

import asyncio
import logging
from collections import Counter

import argon2
import pytest

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.issuer.grants.refresh_token import MOST_AT_ONCE
from evergrant.issuer.service.accounts import NameTaken
from evergrant.issuer.service.housekeeping import Housekeeper
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery, StoreUnavailable, Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.in_process import PASSWORD, running
from tests.visitor import ADA, enter, heading, is_page, sign_in

FORM = {"content-type": "application/x-www-form-urlencoded"}
ENDPOINTS = ("/token", "/revoke", "/introspect")


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        yield issuer


async def post(issuer, path, body, kind="application/x-www-form-urlencoded"):
    headers = {"content-type": kind} if kind else {}
    return await issuer.browser().send("POST", path, body, headers)


def refused(reply, status=400):
    assert reply.status == status, reply.text
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    return reply.json()["error"]


# ----


@pytest.mark.parametrize(
    "name",
    [
        "grant_type",
        "client_id",
        "client_secret",
        "refresh_token",
        "code",
        "code_verifier",
        "scope",
        "redirect_uri",
        "x",
    ],
)
@pytest.mark.parametrize("values", [("a", "a"), ("a", "b"), ("", "a"), ("a", "")])
async def test_a_01_a_parameter_given_twice_is_an_error_whatever_its_values(issuer, name, values):
    body = "&".join([f"{name}={values[0]}", "y=1", f"{name}={values[1]}"]).encode()
    for path in ENDPOINTS:
        reply = await post(issuer, path, body)
        if values[0] == "" or values[1] == "":
            # An empty parameter counts as absent (RFC 6749 section 3.1); it may not hide behind a filled one, though.
            assert reply.status in {400, 401}
        else:
            assert refused(reply) == "invalid_request"
    if "" not in values:
        reply = await issuer.browser().send("GET", f"/authorize?{body.decode()}")
        assert is_page(reply, 400)


async def test_a_01_a_name_spelled_in_two_ways_is_the_same_name(issuer):
    for body in (b"grant_type=a&grant%5Ftype=b", b"%67rant_type=a&grant_type=b"):
        assert refused(await post(issuer, "/token", body)) == "invalid_request"


async def test_a_01_body_and_address_are_not_mixed(issuer):
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client)
    for query in ("grant_type=refresh_token", f"client_id={client.id}", "scope=openid", "grant_type=x&grant_type=y"):
        body = f"grant_type=refresh_token&client_id={client.id}&refresh_token={tokens['refresh_token']}".encode()
        reply = await post(issuer, f"/token?{query}", body)
        assert reply.status == 200
        tokens = reply.json()
        bare = body.replace(f"client_id={client.id}&".encode(), b"")
        assert (await post(issuer, f"/token?client_id={client.id}", bare)).status in {400, 401}


# ----


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=utf-8; charset=utf-7",
        "application/x-www-form-urlencoded2",
        "text/html, application/x-www-form-urlencoded",
    ],
)
async def test_a_02_only_a_form_in_utf_8_is_read(issuer, kind):
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client)
    body = f"grant_type=refresh_token&client_id={client.id}&refresh_token={tokens['refresh_token']}".encode()
    for path in ENDPOINTS:
        assert refused(await post(issuer, path, body, kind)) == "invalid_request"
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200, "nothing was spent"


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        'Application/X-WWW-Form-Urlencoded ; charset="utf-8"',
    ],
)
async def test_a_02_every_honest_spelling_of_the_type_is_read(issuer, kind):
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client)
    body = f"grant_type=refresh_token&client_id={client.id}&refresh_token={tokens['refresh_token']}".encode()
    assert (await post(issuer, "/token", body, kind)).status == 200


# ----


@pytest.mark.parametrize(
    "value",
    [b"%00", b"%0a", b"%0d%0a", b"%ff", b"%c0%af", b"%ed%a0%80", b"%f4%90%80%80", b"%", b"%4", b"%zz", b"%u0041",
     b"\x00", b"\xff", b"\x1b", b"%e2%80%a8", b"%7f", b"%c2%85"],
)  # fmt: skip
async def test_a_04_broken_bytes_are_refused_and_reach_no_row(issuer, value):
    before = await issuer.house.store.read(lambda tx: tx.events.find(EventQuery(limit=1_000)))
    for path in ENDPOINTS:
        for name in (b"grant_type", b"client_id", b"refresh_token", b"token", b"scope", b"nonsense"):
            assert refused(await post(issuer, path, name + b"=" + value)) == "invalid_request"
            assert refused(await post(issuer, path, value + b"=" + name)) == "invalid_request"
    assert await issuer.house.store.read(lambda tx: tx.events.find(EventQuery(limit=1_000))) == before


@pytest.mark.parametrize("header", ["authorization", "cookie", "user-agent", "origin", "accept", "x-forwarded-for"])
@pytest.mark.parametrize(
    "value", ["\x80\xff", "Basic \xff", "Basic ====", "Bearer \xe9", "x" * 8_000, ";;==;=", "\x7f"]
)
async def test_a_04_broken_headers_are_never_a_fault(issuer, header, value):
    client, _ = await issuer.client()
    headers = {**FORM, header: value}
    body = f"grant_type=refresh_token&client_id={client.id}&refresh_token=x".encode()
    for path in (*ENDPOINTS, "/userinfo"):
        assert (await issuer.browser().send("POST", path, body, headers)).status in {400, 401}
    for path in ("/account", "/authorize", "/userinfo", "/jwks"):
        assert (await issuer.browser().send("GET", path, headers=headers)).status < 500


# ----


async def test_a_05_spellings_of_one_name_are_one_person(issuer):
    await issuer.house.accounts.add("Müller@Example.com", PASSWORD)
    for spelled in ("müller@example.com", "MU\u0308LLER@example.com", "ｍüller@example.com", " müller@EXAMPLE.com "):
        assert heading(await enter(issuer, issuer.browser(), spelled)) == "Your account", spelled
        with pytest.raises(NameTaken):
            await issuer.house.accounts.add(spelled, PASSWORD)
    for other in ("muller@example.com", "mulle\u0433@example.com"):
        assert heading(await enter(issuer, issuer.browser(), other)) == "Sign in", other


async def test_a_05_scopes_are_compared_as_they_are_written(issuer):
    client, _ = await issuer.client(scopes=("openid", "read"))
    tokens = await issuer.signed_in(client, scope="openid read READ")
    assert tokens["scope"] == "openid read"
    for scope in ("READ", "openid READ", "re\u0430d", "reａd"):
        assert refused(await issuer.refresh(client, "", tokens["refresh_token"], scope=scope)) == "invalid_scope"


# ----


async def test_a_06_a_name_with_line_ends_is_no_client_and_no_answer_has_a_header_too_many(issuer):
    for name in ("App\r\nset-cookie: a=b", "App\n", "App\0"):
        with pytest.raises(ValueError, match="printable"):
            await issuer.client(name=name)
    for uri in ("https://app.example/cb\r\nx: y", "https://app.example/cb\n", "https://app.example/ cb"):
        with pytest.raises(ValueError, match="redirect URI"):
            await issuer.client(redirect_uris=(uri,))


# ----


async def test_a_08_a_flood_of_one_family_takes_so_many_places_and_no_other_family_s(tmp_path):
    async with running(tmp_path, store=SqliteStore.open(tmp_path / "families.db")) as issuer:
        await issuer.person(ADA)
        client, _ = await issuer.client()
        flooding = (await issuer.signed_in(client))["refresh_token"]
        honest = (await issuer.signed_in(client))["refresh_token"]
        asked = [flooding] * 3 * MOST_AT_ONCE + [honest] + ["egr_" + "A" * 136] * 100
        replies = await asyncio.gather(*(issuer.refresh(client, "", token) for token in asked))
        flood, answer, garbage = replies[:-101], replies[-101], replies[-100:]
        assert answer.status == 200
        assert {reply.status for reply in garbage} == {400}
        assert Counter(reply.status for reply in flood) == {200: MOST_AT_ONCE, 429: 2 * MOST_AT_ONCE}
        later = next(reply for reply in flood if reply.status == 429)
        assert later.json()["error"] == "temporarily_unavailable"
        assert later.header("retry-after") == "1"
        served = {reply.json()["refresh_token"] for reply in flood if reply.status == 200}
        assert len(served) == 1
        families = await issuer.house.store.read(lambda tx: tx.families.find(Which(client_id=client.id)))
        assert [family.head.generation for family in families] == [1, 1]
        again = await issuer.refresh(client, "", flooding)
        assert again.json()["refresh_token"] in served, "whoever found no place comes again and gets the same"


async def test_a_08_places_are_given_back_whatever_became_of_the_request(issuer):
    client, _ = await issuer.client()
    tokens = await issuer.signed_in(client)
    for _ in range(2 * MOST_AT_ONCE):
        assert refused(await issuer.refresh(client, "", tokens["refresh_token"], scope="admin")) == "invalid_scope"
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200


async def test_a_08_garbage_costs_no_look_at_the_store(issuer):
    client, _ = await issuer.client()
    await issuer.refresh(client, "", "egr_")  # clients and keys are looked up once after they changed
    asked = Counter()
    store = issuer.house.store
    for verb in ("read", "write", "settle", "settle_then"):
        method = getattr(store, verb)

        async def counted(*work, verb=verb, method=method):
            asked[verb] += 1
            return await method(*work)

        setattr(store, verb, counted)
    for n in range(100):
        assert refused(await issuer.refresh(client, "", f"egr_{n:0136d}")) == "invalid_grant"
    assert asked == {}


async def test_a_09_a_family_renewed_for_ever_grows_no_table(tmp_path):
    store = SqliteStore.open(tmp_path / "families.db")
    async with running(tmp_path, store=store) as issuer:
        await issuer.person(ADA)
        client, _ = await issuer.client(idle_lifetime=86_400)
        tokens = await issuer.signed_in(client)
        keeper = Housekeeper(store, issuer.clock, name="one", batch=500, interval=30, retention=86_400)
        sizes = []
        for n in range(600):
            issuer.clock.advance(600)
            reply = await issuer.refresh(client, "", tokens["refresh_token"])
            assert reply.status == 200
            tokens = reply.json()
            if n % 100 == 99:
                await keeper.round()
                sizes.append(await _rows(store))
        assert sizes[2:] == [sizes[2]] * len(sizes[2:])
        assert sizes[-1]["family"] == 1
        assert sizes[-1]["event"] < 86_400 // 600 + 20


async def _rows(store):
    def counted(tx):
        names = ("accounts", "clients", "sessions", "grants", "codes", "flows", "notices", "keys", "barred", "buckets")
        found = {name: len(getattr(tx, name).find(10_000)) for name in names}
        families = tx.families.find(Which(client_id=tx.clients.find(1)[0].id, live=False), 10_000)
        return {**found, "family": len(families), "event": len(tx.events.find(EventQuery(limit=100_000)))}

    return await store.read(counted)


# ----


async def test_a_11_a_thousand_bad_requests_are_a_handful_of_lines_without_a_secret(issuer, caplog):
    caplog.set_level(logging.INFO)
    client, secret = await issuer.client(ClientType.WEB, "Web", auth_method=AuthMethod.POST)
    tokens = await issuer.signed_in(client, secret)
    spent = tokens["refresh_token"]
    await issuer.refresh(client, secret, spent)
    caplog.clear()
    for n in range(250):
        await issuer.refresh(client, "egs_" + "B" * 43, spent)
        await issuer.refresh(client, secret, spent[:-4] + "AAAA")
        await post(issuer, "/token", b"grant_type=x&grant_type=y")
        await issuer.browser().get("/consent", {"flow": f"egf_{n}"})
    lines = [str(record.__dict__) for record in caplog.records]
    assert 0 < len(lines) < 100
    for line in lines:
        assert secret not in line
        assert spent[:-4] not in line
        assert "egf_" not in line
    caplog.clear()


# ----


async def test_a_12_without_its_store_signing_in_is_closed_and_hashes_nothing(tmp_path, monkeypatch):
    """Sign-in fails closed. The token endpoint has no limiter that could fail."""
    store = MemoryStore()
    async with running(tmp_path, store=store) as issuer:
        await issuer.person(ADA)
        browser = issuer.browser()
        page = await browser.follow(await browser.get("/account"))
        write, hashed = store.write, []
        monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda *given: hashed.append(given))

        async def broken(work):
            raise StoreUnavailable("made up for a test")

        store.write = broken
        for _ in range(20):
            assert is_page(await sign_in(browser, page), 503)
        assert hashed == [], "a try that cannot be charged is not judged"
        monkeypatch.undo()
        store.write = write
        assert heading(await browser.follow(await sign_in(browser, page))) == "Your account"
