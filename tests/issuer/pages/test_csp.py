"""The headers of every page, and that nothing given as a form target can become anything else in them."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.issuer.pages.csp import ALONE, FORMS, headers_for
from evergrant.issuer.pages.view import TEMPLATES, FormPostPage, Pages
from evergrant.web.look.csp import form_targets_of, static_headers
from tests.issuer.pages.reading import Reading
from tests.issuer.pages.samples import GOOD

every_page = pytest.mark.parametrize("page", [pytest.param(page, id=name) for name, page in GOOD.items()])


def policy(page, targets=()) -> dict[str, str]:
    said = dict(headers_for(page, targets))[b"content-security-policy"].decode()
    return dict(part.split(" ", 1) for part in said.split("; "))


def test_every_page_says_where_its_forms_may_go() -> None:
    assert set(FORMS) == set(TEMPLATES)


@every_page
def test_s_04_r9700_4_16_a_r6749_10_13_a_no_page_can_be_framed(page) -> None:
    assert policy(page)["frame-ancestors"] == "'none'"
    assert dict(headers_for(page))[b"x-frame-options"] == b"DENY"


@every_page
def test_s_16_the_policy_admits_no_script_style_or_base_of_a_stranger(page) -> None:
    said = policy(page)
    assert said["default-src"] == "'none'"
    assert said["style-src"] == said["img-src"] == "'self'"
    assert said["base-uri"] == "'none'"
    assert ("script-src" in said) == isinstance(page, FormPostPage)
    assert "unsafe" not in " ".join(said.values())


@every_page
def test_r9700_4_2_a_no_page_sends_a_referrer_or_is_stored(page) -> None:
    headers = dict(headers_for(page))
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_the_one_script_is_admitted_by_the_hash_of_what_the_page_carries() -> None:
    page = GOOD["form_post"]
    script = Reading(Pages("Evergrant").render(page)).one("script").text
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert policy(page)["script-src"] == f"'sha256-{digest}'"


@every_page
def test_a_client_that_opened_a_pop_up_is_not_cut_off_from_it(page) -> None:
    alone = dict(headers_for(page)).get(b"cross-origin-opener-policy")
    assert alone == (b"same-origin" if type(page) in ALONE else None)


@pytest.mark.parametrize(
    ("name", "admitted"),
    [
        ("sign_in", "'self' https:"),
        ("consent", "'self' https:"),
        ("select_account", "'self' https:"),
        ("theft_notice", "'self' https:"),
        ("sign_out", "'self' https:"),
        ("form_post", "https:"),
        ("account", "'self'"),
        ("password", "'self'"),
        ("error", "'none'"),
        ("signed_out", "'none'"),
        ("index", "'none'"),
    ],
)
def test_forms_go_to_the_issuer_and_on_to_the_client_where_a_flow_ends_there(name: str, admitted: str) -> None:
    assert policy(GOOD[name], form_targets_of("https://ledger.example.com/cb"))["form-action"] == admitted


@pytest.mark.parametrize(
    ("redirect_uri", "targets"),
    [
        ("https://ledger.example.com/cb?x=1", ("https:",)),
        ("http://127.0.0.1:51712/cb", ("http://127.0.0.1:*", "http://localhost:*", "https:")),
        ("http://localhost/cb", ("http://127.0.0.1:*", "http://localhost:*", "https:")),
        ("http://[::1]:51712/cb", ("http:", "https:")),
        ("http://intranet:8080/cb", ("http://intranet:8080", "https:")),
        ("com.example.app:/oauth", ("com.example.app:",)),
        ("COM.Example.App:/oauth", ("com.example.app:",)),
        ("javascript:alert(1)", ()),
        ("data:text/html,x", ()),
        ("http://[oops/cb", ()),
        ("http://host:99999999/cb", ()),
        ("no scheme at all", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_a_redirect_uri_becomes_what_a_browser_has_to_admit(redirect_uri, targets) -> None:
    assert form_targets_of(redirect_uri) == targets


MORE_THAN_ONE_SOURCE = (
    "https://a.example; script-src *",
    "https://a.example script-src",
    "https://a.example,https:",
    "https://a.example/path",
    "https://a.example\n",
    "https://a.example\r\nx: y",
    "https://*.example",
    "https://ä.example",
    "https://[::1]:80",
    "'unsafe-inline'",
    "javascript:",
    "data:",
    "HTTPS:",
    "*",
    "",
)


@pytest.mark.parametrize("target", MORE_THAN_ONE_SOURCE)
def test_a_target_that_is_more_than_one_source_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="not a source"):
        headers_for(GOOD["sign_in"], (target,))


@given(uri=st.text() | st.from_regex(r"[a-z]{1,9}://[^/]{0,30}/.*"))
def test_no_redirect_uri_whatever_can_bend_the_policy(uri: str) -> None:
    said = policy(GOOD["sign_in"], form_targets_of(uri))
    assert list(said) == list(policy(GOOD["sign_in"]))
    assert re.fullmatch(r"'self'( [a-z][a-z0-9+.:/*-]*)*", said["form-action"])


@given(target=st.text())
def test_no_target_whatever_can_bend_the_policy(target: str) -> None:
    try:
        said = policy(GOOD["sign_in"], (target,))
    except ValueError:
        return
    assert said["form-action"] == f"'self' {target}"
    assert len(said) == 6


def test_a_static_file_is_kept_for_ever_and_runs_nothing() -> None:
    headers = dict(static_headers('"abc"'))
    assert headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert headers[b"etag"] == b'"abc"'
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
