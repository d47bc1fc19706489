"""Any answer of a token endpoint has a name; only a definite one is believed."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.connection import Origin
from evergrant.keeper.decision.answer import read
from evergrant.keeper.decision.verdict import (
    Busy,
    ClientRefused,
    Dead,
    Granted,
    Interaction,
    ScopeRefused,
    Unknown,
    Verdict,
)
from evergrant.keeper.exchange import Answer
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import ErrorShape, Provider, Reply, TokenRecord
from evergrant.testing.chaos import PLAIN

NOW = 1_700_000_000
BASE = replace(PLAIN, access_lifetime=None, dead_grant=())
SLACK = replace(
    BASE,
    records=(
        TokenRecord("bot", Reply(ok="ok")),
        TokenRecord("user", Reply("authed_user.access_token", "authed_user.refresh_token", "authed_user.expires_in")),
    ),
    dead_grant=(ErrorShape(200, "invalid_refresh_token", members={"ok": False}),),
    scope_separator=",",
)


def answered(
    body: object, status: int = 200, provider: Provider = BASE, *, names: tuple[str, ...] = ("main",), **headers: str
) -> Verdict:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return read(provider, Answer(status, told, raw, NOW, NOW), records=names, asked=("asked",))


def tokens(**members: object) -> dict[str, object]:
    return {"access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt", **members}


@pytest.mark.parametrize(
    ("said", "end", "origin"),
    [
        (3600, NOW + 3600, Origin.PROVIDER),
        ("3600", NOW + 3600, Origin.PROVIDER),
        (3600.9, NOW + 3600, Origin.PROVIDER),
        (None, NOW + 3600, Origin.UNKNOWN),
        (-1, NOW + 3600, Origin.UNKNOWN),
        (0, NOW + 3600, Origin.UNKNOWN),
        (1e300, NOW + 3600, Origin.UNKNOWN),
        ("soon", NOW + 3600, Origin.UNKNOWN),
        (True, NOW + 3600, Origin.UNKNOWN),
        ([], NOW + 3600, Origin.UNKNOWN),
        ({}, NOW + 3600, Origin.UNKNOWN),
        (10**400, NOW + 3600, Origin.UNKNOWN),
        (NOW + 900, NOW + 900, Origin.PROVIDER),
        ((NOW + 900) * 1000, NOW + 900, Origin.PROVIDER),
    ],
)
def test_k_10_whatever_expires_in_says_the_token_ends_one_day(said: object, end: int, origin: Origin) -> None:
    verdict = answered(tokens(expires_in=said))
    assert isinstance(verdict, Granted)
    pair = verdict.tokens["main"]
    assert (pair.expires_at, pair.origin) == (end, origin)


def test_k_10_infinity_and_nan_are_no_lifetimes_and_cost_no_token() -> None:
    for constant in (b"Infinity", b"NaN", b"-Infinity"):
        verdict = answered(b'{"access_token": "at", "refresh_token": "rt", "expires_in": ' + constant + b"}")
        assert isinstance(verdict, Granted)
        assert verdict.tokens["main"].origin is Origin.UNKNOWN


@pytest.mark.parametrize("said", ["2023-11-14T22:28:20Z", "2023-11-14T22:28:20", NOW + 900, (NOW + 900) * 1000])
def test_an_instant_in_place_of_a_duration_is_read(said: object) -> None:
    verdict = answered({"access_token": "at", "expires_at": said})
    assert isinstance(verdict, Granted)
    assert verdict.tokens["main"].expires_at == NOW + 900


def test_k_20_an_instant_of_a_provider_with_a_wrong_clock_is_corrected_by_its_date() -> None:
    wrong = NOW + 5000
    body = json.dumps({"access_token": "at", "expires_at": wrong + 900}).encode()
    verdict = read(BASE, Answer(200, {}, body, NOW, wrong), records=["main"], asked=())
    assert isinstance(verdict, Granted)
    assert verdict.tokens["main"].expires_at == NOW + 900


def test_a_lifetime_nobody_tells_is_read_from_a_jwt_then_from_the_catalog() -> None:
    jwt = "e30." + "eyJpYXQiOjEwMDAsImV4cCI6MTkwMH0" + ".x"  # iat 1000, exp 1900
    found = answered({"access_token": jwt}, provider=replace(BASE, access_lifetime=77))
    assert isinstance(found, Granted)
    assert (found.tokens["main"].expires_at, found.tokens["main"].origin) == (NOW + 900, Origin.JWT)
    found = answered({"access_token": "at"}, provider=replace(BASE, access_lifetime=77))
    assert isinstance(found, Granted)
    assert (found.tokens["main"].expires_at, found.tokens["main"].origin) == (NOW + 77, Origin.CATALOG)
    found = answered({"access_token": "at"}, provider=replace(BASE, access_lifetime=0))
    assert isinstance(found, Granted)
    assert (found.tokens["main"].expires_at, found.tokens["main"].origin) == (0, Origin.NEVER)


ROWS = [
    ({"error": "invalid_grant"}, 400, Dead),
    ({"error": "invalid_grant"}, 200, Dead),
    ({"error": "invalid_grant"}, 500, Unknown),
    ({"error": "invalid_client"}, 401, ClientRefused),
    ({"error": "unauthorized_client"}, 400, ClientRefused),
    ({"error": "invalid_scope"}, 400, ScopeRefused),
    ({"error": "interaction_required"}, 400, Interaction),
    ({"error": "invalid_grant", "suberror": "consent_required"}, 400, Interaction),
    ({"error": "temporarily_unavailable"}, 503, Busy),
    ({"error": "temporarily_unavailable"}, 400, Busy),
    ({"error": "slow_down"}, 400, Busy),
    ({}, 429, Busy),
    (b"<html>", 429, Busy),
    ({"error": "server_error"}, 500, Unknown),
    (b"<html>503</html>", 503, Unknown),
    ({}, 200, Unknown),
    (b"", 204, Unknown),
    (b"<html>Welcome to the hotel</html>", 200, Unknown),
    (b'{"access_token": "at", "refr', 200, Unknown),
    (b'{"access_token": "one", "access_token": "two"}', 200, Unknown),
    (b"[]", 200, Unknown),
    (b"null", 200, Unknown),
    (b"\xff\xfe", 200, Unknown),
    (b"", 302, Unknown),
    ({"error": "invalid_grant", "access_token": "at"}, 200, Unknown),
    ({"error": {"code": "invalid_grant"}}, 400, Dead),
    ({"errors": [{"errorType": "invalid_grant"}]}, 400, Dead),
    ({"code": "invalid_grant"}, 400, Dead),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "kind"), ROWS)
def test_k_11_every_refusal_and_every_page_has_its_meaning(body: object, status: int, kind: type) -> None:
    assert isinstance(answered(body, status), kind)


@pytest.mark.parametrize(
    ("body", "status", "spent"),
    [
        (b"<html>", 200, True), (b"", 204, True), (b"", 302, True), (b"", 500, True), (b"", 502, True),
        (b"", 408, True), (b"", 400, False), (b"<html>", 403, False), (b"", 404, False),
        ({"error": "vendor_word"}, 400, False), ({"error": "vendor_word"}, 200, False),
        ({"error": "invalid_request"}, 400, False),
    ],
)  # fmt: skip
def test_k_11_only_what_may_have_spent_the_token_is_a_doubt(body: object, status: int, spent: bool) -> None:
    verdict = answered(body, status)
    assert isinstance(verdict, Unknown)
    assert verdict.spent is spent


@pytest.mark.parametrize(
    ("said", "after"),
    [("7", 7), ("0", 0), ("-5", 0), ("1e9", 86_400), ("soon", 0), ("Tue, 14 Nov 2023 22:14:20 GMT", 60)],
)
def test_k_18_retry_after_is_seconds_or_a_date_and_a_day_at_most(said: str, after: int) -> None:
    verdict = answered({}, 429, retry_after=said)
    assert isinstance(verdict, Busy)
    assert verdict.after == after


def test_a_503_that_says_when_to_come_back_is_no_doubt() -> None:
    assert isinstance(answered(b"", 503, retry_after="5"), Busy)


def test_a_provider_has_words_of_its_own_for_a_dead_grant() -> None:
    said = {"ok": False, "error": "invalid_refresh_token"}
    assert isinstance(answered(said, provider=SLACK, names=("bot",)), Dead)
    assert isinstance(answered({"ok": False, "error": "ratelimited"}, provider=SLACK, names=("bot",)), Unknown)
    words = replace(BASE, dead_grant=(ErrorShape(403, "invalid_grant", "Unknown or invalid refresh token"),))
    assert isinstance(answered({"error": "x", "error_description": "no"}, 403, words), Unknown)


def test_two_records_come_out_of_one_reply_and_one_alone_may_come_flat() -> None:
    both = {
        "ok": True, "access_token": "xoxe.xoxb", "refresh_token": "r1", "expires_in": 43200, "scope": "a,b",
        "authed_user": {"access_token": "xoxe.xoxp", "refresh_token": "r2", "expires_in": 43200},
    }  # fmt: skip
    verdict = answered(both, provider=SLACK, names=("bot", "user"))
    assert isinstance(verdict, Granted)
    assert {name: pair.access.reveal() for name, pair in verdict.tokens.items()} == {
        "bot": "xoxe.xoxb", "user": "xoxe.xoxp",
    }  # fmt: skip
    assert verdict.tokens["bot"].scope == ("a", "b")
    flat = answered(
        {"ok": True, "access_token": "u", "refresh_token": "r", "expires_in": 1}, provider=SLACK, names=("user",)
    )
    assert isinstance(flat, Granted)
    assert flat.tokens["user"].access.reveal() == "u"


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ("a b", ("a", "b")),
        ("a,b", ("a", "b")),
        (["a", "b", "a"], ("a", "b")),
        (None, ("asked",)),
        ("", ("asked",)),
        (7, ("asked",)),
    ],
)
def test_scope_is_read_however_it_is_written(said: object, scope: tuple[str, ...]) -> None:
    verdict = answered(tokens(scope=said))
    assert isinstance(verdict, Granted)
    assert verdict.tokens["main"].scope == scope


@pytest.mark.parametrize("kind", ["mac", "DPoP", "pop"])
def test_k_12_a_token_type_that_nobody_asked_for_is_not_handed_out_and_its_refresh_token_is_kept(kind: str) -> None:
    verdict = answered(tokens(token_type=kind))
    assert isinstance(verdict, Granted)
    pair = verdict.tokens["main"]
    assert pair.unusable
    assert pair.refresh is not None


@pytest.mark.parametrize("kind", ["bearer", "BEARER", None, "", "User Access Token", 7])
def test_k_12_an_odd_name_for_a_bearer_token_is_no_obstacle(kind: object) -> None:
    verdict = answered(tokens(token_type=kind))
    assert isinstance(verdict, Granted)
    assert not verdict.tokens["main"].unusable


@pytest.mark.parametrize("missing", [None, "", 7, False, [], {}])
def test_a_reply_without_a_refresh_token_has_none(missing: object) -> None:
    verdict = answered(tokens(refresh_token=missing))
    assert isinstance(verdict, Granted)
    assert verdict.tokens["main"].refresh is None


def test_a_form_is_read_like_json() -> None:
    body = b"access_token=at&refresh_token=rt&expires_in=28800&token_type=bearer&scope="
    verdict = answered(body, content_type="application/x-www-form-urlencoded")
    assert isinstance(verdict, Granted)
    assert verdict.tokens["main"].expires_at == NOW + 28_800
    assert isinstance(answered(b"error=bad_verification_code", content_type="text/plain"), Unknown)


def test_k_23_no_token_of_a_provider_gets_into_an_explanation() -> None:
    leak = "ghr_" + "x" * 60
    verdict = answered({"error": "invalid_grant", "error_description": f"token {leak} is dead\x1b[31m"}, 400)
    assert isinstance(verdict, Dead)
    assert leak not in repr(verdict)
    assert "\x1b" not in verdict.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("3600"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["access_token", "refresh_token", "expires_in", "expires_at", "scope", "token_type", "error", "errors", "ok",
         "id_token", "authed_user", "suberror", "error_description", "code"]) | st.text(max_size=5), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip
HEADERS = st.dictionaries(st.sampled_from(["content-type", "retry-after", "date"]), st.text(max_size=30), max_size=3)
SHIPPED = [Catalog.shipped().get(name) for name in Catalog.shipped().ids()]
NAMED = (Granted, Dead, Interaction, ClientRefused, ScopeRefused, Busy, Unknown)


@given(st.binary(max_size=300), st.integers(100, 599), HEADERS, st.sampled_from(SHIPPED))
def test_k_11_any_bytes_have_a_name(body: bytes, status: int, headers: dict[str, str], provider: Provider) -> None:
    names = [record.name for record in provider.records]
    assert isinstance(read(provider, Answer(status, headers, body, NOW, 0), records=names, asked=()), NAMED)


@given(JSON, st.integers(100, 599), HEADERS, st.sampled_from(SHIPPED), st.integers(0, 2**40))
def test_k_11_any_json_has_a_name_and_no_lifetime_is_negative_or_endless(
    body: object, status: int, headers: dict[str, str], provider: Provider, date: int
) -> None:
    raw = json.dumps(body).encode()
    verdict = read(provider, Answer(status, headers, raw, NOW, date), records=[provider.records[0].name], asked=("a",))
    assert isinstance(verdict, NAMED)
    if isinstance(verdict, Granted):
        for pair in verdict.tokens.values():
            assert pair.origin is Origin.NEVER or NOW < pair.expires_at <= NOW + 11 * 366 * 86_400
