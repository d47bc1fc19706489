"""No secret survives on its way to a log."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.secret import Secret, fingerprint
from evergrant.observe.redaction import redact, redact_field

BODY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJlc2lnbmF0dXJl"
BASIC = base64.b64encode(b"cli_1:egs_hunter2hunter2").decode()


@pytest.mark.parametrize("prefix", ["egr_", "ega_", "egc_", "egs_", "egk_", "egf_", "egp_"])
@pytest.mark.parametrize(
    "around", ["{}", "token={}&x=1", "({!r},)", "https://c.example/cb?code={}", "a%3D{}%26b", '"{}"']
)
def test_everything_that_is_minted_here_becomes_its_fingerprint(prefix, around):
    token = prefix + BODY
    told = redact(around.format(token))

    assert token not in told
    assert BODY not in told
    assert f"<secret {fingerprint(token)}>" in told


@pytest.mark.parametrize("text", [JWT, JWT.rpartition(".")[0], JWT + ".x.y", f"id_token_hint={JWT}", f"x%3D{JWT}"])
def test_a_signed_token_is_taken_out_whole_or_cut_short(text):
    assert "eyJ" not in redact(text)
    assert "c3Vi" not in redact(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Basic {BASIC}", BASIC),
        (f"authorization: Bearer {BODY}", BODY),
        (f"(b'authorization', b'DPoP {BODY}')", BODY),
        ('{"Authorization": "Custom abc def"}', "abc def"),
        ('{\\"authorization\\": \\"Custom abc def\\"}', "abc def"),
        ("Cookie: __Host-evergrant=abcdefgh; theme=dark", "abcdefgh"),
        ("[(b'cookie', b'evergrant=\"abcdefgh\"; other=zyx')]", "abcdefgh"),
        ("[(b'cookie', b'evergrant=\"abcdefgh\"; other=zyxwvu')]", "zyxwvu"),
        ("Set-Cookie: evergrant=abcdefgh; Path=/", "abcdefgh"),
        (f"sent Bearer {BODY} to the API", BODY),
        ("username=a&password=hunter2&x=1", "hunter2"),
        ("{'password': 'hunter2'}", "hunter2"),
        ("{b'new_password': b'hunter2'}", "hunter2"),
        ('{"client_secret": "hunter2"}', "hunter2"),
        ("code_verifier=dBjftJeZ4CVP", "dBjftJeZ4CVP"),
        ("https://c.example/cb?state=1&code=SplxlOBeZQQ", "SplxlOBeZQQ"),
        ("refresh_token=other-vendor-token", "other-vendor-token"),
    ],
)
def test_credentials_are_taken_out_however_they_are_spelled(text, secret):
    told = redact(text)

    assert secret not in told
    assert "<secret " in told


@pytest.mark.parametrize(
    "text",
    [
        "family fam_AAAAAAAAAAAAAAAAAAAAAA ended: reuse (generation 14)",
        "client cli_AAAAAAAAAAAAAAAAAAAAAA, account usr_AAAAAAAAAAAAAAAAAAAAAA",
        "the password was changed; the cookie expired",
        "code=invalid_grant status=400",
        "tokens.access_lifetime must not be larger than keys.retire_after",
        "basic sign-in over http://127.0.0.1:8000/token?grant_type=refresh_token",
    ],
)
def test_what_is_public_stays_readable(text):
    assert redact(text) == text


def test_redacting_twice_changes_nothing_more():
    once = redact(f"password={BODY} Authorization: Basic {BASIC} token egr_{BODY}")

    assert redact(once) == once


def test_the_same_secret_has_the_same_fingerprint_everywhere():
    bare, in_form = redact(f"egr_{BODY}"), redact(f"refresh_token=egr_{BODY}")

    assert in_form.endswith(bare)


@given(st.binary(min_size=24, max_size=96), st.text(max_size=20), st.text(max_size=20))
def test_no_surroundings_let_a_token_through(body, before, after):
    token = "egr_" + base64.urlsafe_b64encode(body).rstrip(b"=").decode()

    assert token not in redact(before + token + after)


def test_fields_are_judged_by_their_names_too():
    assert redact_field("password", "hunter2") == f"<secret {fingerprint('hunter2')}>"
    assert redact_field("Authorization", b"anything") == f"<secret {fingerprint('anything')}>"
    assert redact_field("nested", {"client_secret": ["s3cret"], "reason": "reuse"}) == {
        "client_secret": [f"<secret {fingerprint('s3cret')}>"],
        "reason": "reuse",
    }
    assert redact_field("count", 3) == 3
    assert redact_field("nothing", None) is None
    assert "hunter2" not in json.dumps(redact_field("any", Secret("hunter2")))
