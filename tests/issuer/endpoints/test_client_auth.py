"""Who is asking at the machine endpoints (RFC 6749 section 2.3): one method, the registered one, never in a URL."""

import asyncio
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.protocol.basic import read_basic, write_basic
from evergrant.protocol.form import BadForm
from evergrant.testing.in_process import Issuer, Reply
from tests.issuing import Held, hold, is_oauth_error, unchanged

ENDPOINTS = ("/token", "/revoke", "/introspect")
BASIC_CHALLENGE = 'Basic realm="evergrant"'


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": write_basic(user, password)}


async def ask(
    held: Held, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Reply:
    """A request that only client authentication can spoil."""
    meant = (
        {"grant_type": "refresh_token", "refresh_token": held.refresh} if path.startswith("/token") else {"token": "x"}
    )
    return await held.issuer.browser().post(path, {**meant, **(form or {})}, headers)


def is_refused(reply: Reply, path: str, *, by_header: bool) -> None:
    """Nobody was authenticated. A challenge answers the Authorization header; introspection has 401 alone for all."""
    challenged = by_header or path.startswith("/introspect")
    is_oauth_error(reply, "invalid_client", 401 if challenged else 400)
    assert reply.header("www-authenticate") == (BASIC_CHALLENGE if challenged else "")


async def two_methods(issuer: Issuer) -> tuple[Held, Held]:
    """A client that is registered for Basic, and one that posts its secret."""
    one = await hold(issuer, ClientType.WEB, "Basic")
    return one, await hold(issuer, ClientType.WEB, "Post", auth_method=AuthMethod.POST)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_oidc_12_1_a_and_o21_2_4_1_a_the_registered_method_works_and_only_that(
    issuer: Issuer, tmp_path: Path, path: str
) -> None:
    by_header, by_body = await two_methods(issuer)
    posted = {"client_id": by_header.client.id, "client_secret": by_header.secret}
    with unchanged(issuer, tmp_path):
        is_refused(await ask(by_header, path, posted), path, by_header=False)
        header = basic(by_body.client.id, by_body.secret)
        is_refused(await ask(by_body, path, headers=header), path, by_header=True)
    assert (await ask(by_header, path, headers=basic(by_header.client.id, by_header.secret))).status == 200
    posted = {"client_id": by_body.client.id, "client_secret": by_body.secret}
    assert (await ask(by_body, path, posted)).status == 200


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_r6749_2_3_a_and_p_12_two_methods_at_once_are_an_invalid_request(
    issuer: Issuer, tmp_path: Path, path: str
) -> None:
    held, other = await two_methods(issuer)
    header = basic(held.client.id, held.secret)
    with unchanged(issuer, tmp_path):
        for form in (
            {"client_secret": held.secret},
            {"client_id": held.client.id, "client_secret": held.secret},
            {"client_id": other.client.id},
            {"client_id": other.client.id, "client_secret": other.secret},
        ):
            is_oauth_error(await ask(held, path, form, header), "invalid_request")
    assert (await ask(held, path, {"client_id": held.client.id}, header)).status == 200


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_r6749_2_3_1_a_credentials_in_the_address_are_never_accepted(
    issuer: Issuer, tmp_path: Path, path: str
) -> None:
    held = await hold(issuer, ClientType.WEB, auth_method=AuthMethod.POST)
    query = f"{path}?client_id={held.client.id}&client_secret={held.secret}"
    with unchanged(issuer, tmp_path):
        is_oauth_error(await ask(held, query), "invalid_request")
        is_refused(await ask(held, f"{path}?client_id={held.client.id}"), path, by_header=False)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_r6749_5_2_a_r6749_6_1_and_r6749_3_2_1_a_challenge_answers_a_header_and_nothing_else(
    issuer: Issuer, tmp_path: Path, path: str
) -> None:
    held, _ = await two_methods(issuer)
    wrong = [
        ({}, {}),
        ({"client_id": held.client.id}, {}),
        ({"client_id": held.client.id, "client_secret": "wrong"}, {}),
        ({"client_id": "cli_nobody"}, {}),
        ({}, basic(held.client.id, "wrong")),
        ({}, basic(held.client.id, "")),
        ({}, basic("cli_nobody", held.secret)),
        ({}, basic("", "")),
        ({}, {"authorization": f"Bearer {held.access}"}),
        ({}, {"authorization": "Basic"}),
        ({}, {"authorization": "Basic !!!"}),
        ({}, {"authorization": "Basic " + b64encode(b"no colon").decode()}),
        ({}, {"authorization": "Basic " + b64encode(b"%zz:x").decode()}),
        ({}, {"authorization": "Basic " + b64encode(b"\xff\xfe:x").decode()}),
        ({}, {"authorization": "Digest username=x"}),
        ({"client_assertion": "x", "client_assertion_type": "y"}, {}),
    ]
    with unchanged(issuer, tmp_path):
        for form, headers in wrong:
            is_refused(await ask(held, path, form, headers), path, by_header=bool(headers))


async def test_s_10_an_unknown_client_is_told_what_a_known_one_with_a_wrong_secret_is(issuer: Issuer) -> None:
    held, _ = await two_methods(issuer)
    known = await ask(held, "/token", headers=basic(held.client.id, "wrong"))
    unknown = await ask(held, "/token", headers=basic("cli_" + "A" * 22, "wrong"))
    assert {**known.json(), "error_id": ""} == {**unknown.json(), "error_id": ""}
    assert known.headers == unknown.headers


async def test_r6749_3_2_1_b_a_public_client_names_itself(issuer: Issuer, tmp_path: Path) -> None:
    client, _ = await issuer.client()
    code = await issuer.code(issuer.browser(), client)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": "v" * 64}
    with unchanged(issuer, tmp_path):
        is_refused(await issuer.browser().post("/token", form), "/token", by_header=False)
        is_refused(await issuer.browser().post("/token", {**form, "client_id": ""}), "/token", by_header=False)
    assert (await issuer.browser().post("/token", {**form, "client_id": client.id})).status == 200


async def test_o21_8_1_a_and_r10017_6_3_3_1_a_a_secret_shipped_in_a_public_client_proves_nothing(
    issuer: Issuer,
) -> None:
    held = await hold(issuer)
    named = {"client_id": held.client.id}
    assert (await ask(held, "/token", {**named, "client_secret": "shipped"})).status == 200
    is_oauth_error(await ask(held, "/introspect", {**named, "client_secret": "shipped"}), "invalid_client", 401)
    is_oauth_error(await ask(held, "/token", headers=basic(held.client.id, "shipped")), "invalid_client", 401)
    assert (await ask(held, "/token", headers=basic(held.client.id, ""))).status == 200


async def test_p_13_a_rotated_secret_works_beside_the_old_one_until_its_end(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    _, fresh = await both.house.clients.rotate_secret(held.client.id, 3_600)
    for secret in (held.secret, fresh.reveal()):
        assert (await ask(held, "/revoke", headers=basic(held.client.id, secret))).status == 200
    both.clock.advance(3_600)
    is_oauth_error(await ask(held, "/revoke", headers=basic(held.client.id, held.secret)), "invalid_client", 401)
    assert (await ask(held, "/revoke", headers=basic(held.client.id, fresh.reveal()))).status == 200


async def test_r6749_2_3_1_c_guessing_secrets_in_bulk_costs_the_server_no_write_and_no_slow_hash(
    issuer: Issuer, tmp_path: Path
) -> None:
    held = await hold(issuer, ClientType.WEB)
    before = len(await _trail(issuer))
    with unchanged(issuer, tmp_path):
        for guess in range(200):
            reply = await ask(held, "/token", headers=basic(held.client.id, f"egs_{guess:043d}"))
            assert reply.status == 401
    assert len(await _trail(issuer)) == before


async def _trail(issuer: Issuer) -> list[object]:
    from tests.issuing import events

    return list(await events(issuer))


@pytest.mark.parametrize("user", ["plain", "a:b", "a%b", "a+b", "a b", "a&b=c", "b\u00fccher", "\U0001f511", "%3A"])
@pytest.mark.parametrize("password", ["plain", ":", "a:b:c", "100%", "+", " ", "&=", "\u00fc", "%2B"])
def test_r6749_2_3_1_b_basic_credentials_are_form_decoded(user: str, password: str) -> None:
    assert read_basic(write_basic(user, password)) == (user, password)
    pair = f"{quote_plus(user)}:{quote_plus(password)}".encode()
    assert read_basic("bAsIc " + b64encode(pair).decode()) == (user, password)


def test_r6749_2_3_1_b_what_no_form_would_encode_is_read_as_it_stands() -> None:
    raw = b64encode(b"client&a=b:secret=x&y").decode()
    assert read_basic(f"Basic {raw}") == ("client&a=b", "secret=x&y")


@given(st.text(max_size=40), st.text(max_size=40))
def test_basic_headers_come_back_as_they_were_written_or_are_refused(user: str, password: str) -> None:
    try:
        header = write_basic(user, password)
    except UnicodeEncodeError:
        return
    try:
        found = read_basic(header)
    except BadForm:
        found = None
    assert found in {(user, password), None}
    assert found is not None or not (user + password).isprintable()


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80).map(lambda raw: "Basic " + b64encode(raw).decode())))
def test_a_04_no_authorization_header_makes_the_reader_fall(header: str) -> None:
    found = read_basic(header)
    assert found is None or len(found) == 2


async def test_a_04_no_authorization_header_makes_a_500(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold(issuer, ClientType.WEB)
    odd = ["Basic \xff", "Basic  ", "basic\t", "Basic ====", " ", "Basic " + "A" * 9_000,
           "Basic " + b64encode(b":").decode(),
           "Basic " + b64encode(b"a" * 9_000 + b":x").decode(), "Basic " + b64encode(b"%00:%00").decode(),
           "Basic " + b64encode(b"\x00:\x00").decode(), "Basic " + b64encode("\u2028:x".encode()).decode()]  # fmt: skip
    with unchanged(issuer, tmp_path):
        replies = await asyncio.gather(*(ask(held, "/token", headers={"authorization": header}) for header in odd))
    assert {reply.status for reply in replies} == {401}
