"""What is wrong with a file is told with its line, all at once, and no file can do harm."""

import random
import time
import tomllib
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.document import LARGEST, parse
from evergrant.keeper.provider.load import judged, load_file, provider_of
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.provider.problem import BadProvider
from evergrant.keeper.provider.schema import TOP

HEAD: Final = """\
name = "Example"
checked_on = "2026-11-21"
sources = ["https://example.com/docs"]
token_url = "https://id.example.com/token"
authorize_url = "https://id.example.com/authorize"
"""
TAIL: Final = """
[revoke]
verb = "none"
blast_radius = "Nothing at the provider: there is no way."
"""


def loaded(lines: str = "", tables: str = "") -> Provider:
    return provider_of(parse(f"{HEAD}{lines}\n{TAIL}{tables}".encode(), "example.toml"), "example")


def problems(lines: str = "", tables: str = "") -> str:
    with pytest.raises(BadProvider) as caught:
        loaded(lines, tables)
    return str(caught.value)


def test_a_small_file_is_enough() -> None:
    provider = loaded()
    assert (provider.id, provider.name, provider.retry.value) == ("example", "Example", "unknown")


def test_an_unknown_fact_is_told_with_its_line_and_what_is_near() -> None:
    assert problems('retyr = "safe"') == 'example.toml, line 6: retyr is not a fact that exists; did you mean "retry"?'


def test_an_unknown_fact_inside_a_table_is_told_with_its_line() -> None:
    assert 'example.toml, line 12: limits.refreshs is not a fact that exists; did you mean "refreshes"?' in problems(
        "", "[limits]\nrefreshs = 10\n"
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = problems('access_lifetime = "1800"\nretry = "saef"\npkce = true').splitlines()
    assert told == [
        "example.toml, line 6: access_lifetime must be a whole number, not '1800'",
        "example.toml, line 7: retry must be one of {}, not 'saef'; did you mean \"safe\"?".format(
            "safe, window, until_successor_used, configurable, no, unknown"
        ),
        "example.toml, line 8: pkce must be one of required, supported, unsupported, unknown, not True",
    ]


def test_what_a_file_needs_is_asked_for() -> None:
    with pytest.raises(BadProvider) as caught:
        provider_of(parse(b'token_url = "https://a.example/t"', "x.toml"), "x")
    for needed in ("name", "sources", "checked_on", "[revoke]"):
        assert f"has no {needed}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("access_lifetime = -1", "access_lifetime must be from 0 to"),
        ("access_lifetime = 1e300", "must be a whole number"),
        ("access_lifetime = true", "must be a whole number"),
        ("advisory = 0", "advisory must be a number above 0"),
        ("advisory = nan", "advisory must be a number above 0"),
        ('checked_on = "yesterday"', "is not TOML"),
        ('client_auth = ["basic", "basic"]', "client_auth says 'basic' twice"),
        ("client_auth = []", "client_auth must have from 1"),
        ('client_auth = "basic"', "must be a list in square brackets"),
        ('headers = { Authorization = "x" }', "is set by the keeper itself"),
        ('headers = { "X\\nY" = "x" }', "control character"),
        ('headers = { "X-A" = "x\\r\\nY: z" }', "control character"),
        ('authorize_params = { state = "x" }', "is set by the keeper itself"),
        ('authorize_params = { redirect_uri = "https://evil.example" }', "is set by the keeper itself"),
        ('token_params = { client_secret = "x" }', "is set by the keeper itself"),
        ('refresh_params = { a = "{client_secret}" }', "may hold client_id or redirect_uri in braces"),
        ('bearer = "Bearer"', "bearer must be"),
        ('unverified = ["grace"]', "names grace, which the file does not state"),
        ('callback_fields = { x = "client_secret" }', "must not keep anything as client_secret"),
        ('name = "\u202egnp"', "is not TOML"),
        ('seen = "\u202egnp"', "control character"),
        (f'seen = "{"x" * 5000}"', "at most 600"),
        ("scope_separator = ';'", "must be one of  , ,"),
        ('refresh_scope = ""', "is empty"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_the_way_out(line: str, told: str) -> None:
    assert told in problems(line)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://id.example.com/", "must begin with https://"),
        ("http://127.0.0.1/", "on this machine alone http is allowed, with loopback_http = true"),
        ("ftp://id.example.com/", "must begin with https://"),
        ("//id.example.com/", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("https://user@id.example.com/", "no user name"),
        ("https://id.example.com/#a", "no fragment"),
        ("https://id.example.com:0/", "no port 0"),
        ("https://id.example.com:99999/", "is not an address"),
        ("https://[::1/", "is not an address"),
        ("https:///path", "no host name"),
        ("https://", "no host name"),
        ("https://0.0.0.0/", "no host name"),
        ("https://bücher.example/", "plain ASCII"),
        ("https://id.example.com\\\\@evil.example/", "plain ASCII"),
        ("https://id.example.com/ x", "plain ASCII"),
        ("https://{tenant}.example.com/", "there is no [placeholders.tenant]"),
        ("https://{Tenant}.example.com/", "whose name is not lower-case"),
        ("https://{te{nant}}.example.com/", "brace"),
        ("https://{}.example.com/", "whose name is not"),
        ("https://{client_id}.example.com/", "known only when something is revoked"),
        ("https://-a.example.com/", "no host name"),
    ],
)
def test_an_address_leads_where_it_says_or_is_refused(address: str, told: str) -> None:
    assert told in problems(f'userinfo_url = "{address}"')


def test_http_on_this_machine_is_allowed_when_a_file_says_so() -> None:
    provider = loaded('loopback_http = true\nuserinfo_url = "http://127.0.0.1:8080/me"')
    assert provider.userinfo_url == "http://127.0.0.1:8080/me"
    assert "must begin with https://" in problems('loopback_http = true\nuserinfo_url = "http://10.0.0.1/me"')


@pytest.mark.parametrize(
    ("lines", "tables", "told"),
    [
        ('retry = "window"', "", "line 6: retry is a window, so say how long"),
        ('retry = "no"\ngrace = 60', "", "line 7: grace contradicts"),
        ('rotates = "never"\nretry = "no"', "", "line 7: retry cannot be"),
        ('rotates = "never"\nretry = "window"\ngrace = 60', "", "refresh tokens never rotate"),
        ('rotates = "never"\nretry = "safe"\ngrace = 60', "", "grace means nothing"),
        ('rotates = "always"\nretry = "safe"', "", "although each refresh rotates"),
        ('retry = "safe"\nreuse_effect = "family_revoked"', "", 'cannot be "safe" where reuse'),
        ("refresh_idle = 100\nrefresh_hard = 50", "", "refresh_idle is longer than refresh_hard"),
        ("access_lifetime = 600\nrefresh_not_before = 600", "", "leaves no time to refresh"),
        ("advisory_most = 10\nmandatory_most = 20", "", "mandatory_most is more than"),
        ("hard_restarts_on_rotation = true", "", "refresh_hard, which is not stated"),
        ("refresh_tokens = false\nrefresh_idle = 60", "", "contradicts refresh_tokens = false"),
        ('refresh_tokens = false\nretry = "no"', "", "contradicts refresh_tokens = false"),
        ("iss_in_callback = true", "", "needs issuer"),
        ("", "[limits]\nrefreshes = 10\n", "both belong together"),
        ("", '[limits]\noverflow = "x"\n', "refresh_tokens_per_user"),
        ("", '[placeholders.tenant]\nstands = "label"\n', "is in no address; remove it"),
        ('userinfo_url = "{base}/me"', '[placeholders.base]\nstands = "origin"\n', "say its hosts"),
        ('userinfo_url = "https://a.example/{base}"',
         '[placeholders.base]\nstands = "origin"\nhosts = ["*.a.example"]\n', "must begin with {base}"),
        ('userinfo_url = "https://a.example/{base}"', '[placeholders.base]\nstands = "label"\n', "in its host"),
        ('userinfo_url = "https://{base}.example/"', '[placeholders.base]\nstands = "segment"\n', "in its path"),
        ('userinfo_url = "{base}/me"', '[placeholders.base]\nstands = "origin"\nhosts = ["*.com"]\n', "top-level"),
        ("", '[records.a]\naccess_token = "x"\n[records.b]\naccess_token = "x"\n', "each pair needs its own"),
    ],
)  # fmt: skip
def test_facts_that_contradict_each_other_are_told(lines: str, tables: str, told: str) -> None:
    assert told in problems(lines, tables)


@pytest.mark.parametrize(
    ("revoke", "told"),
    [
        ('verb = "rfc7009"', "and no url"),
        ('verb = "none"\nurl = "https://a.example/r"', "is of no use"),
        ('verb = "delete"\nurl = "https://a.example/r"\nbody = { a = "{token}" }', 'must be "DELETE"'),
        ('verb = "json"\nurl = "https://a.example/r"', "names no token"),
        ('verb = "json"\nurl = "https://a.example/r"\nbody = { a = "{token}", b = "{x}" }', "unknown placeholder"),
        ('verb = "rfc7009"\nurl = "https://a.example/r"\nbody = { a = "{token}" }', "is of no use"),
        ('verb = "api_call"\nurl = "https://a.example/r"\nauth = "bearer"', 'must be "access_token"'),
        ('verb = "shout"', "must be one of"),
    ],
)
def test_a_way_to_revoke_that_cannot_work_is_told(revoke: str, told: str) -> None:
    text = f'{HEAD}\n[revoke]\nblast_radius = "All that there is."\n{revoke}\n'
    with pytest.raises(BadProvider, match="revoke") as caught:
        provider_of(parse(text.encode(), "example.toml"), "example")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name = \xff\xfe", "is not UTF-8 text (byte 7); save it as UTF-8"),
        (b'name = "a"\nname = "b"', "is not TOML"),
        (b"[revoke]\n[revoke]", "is not TOML"),
        (b"name = ", "is not TOML"),
        (b"\x00", "is not TOML"),
        (b"x = " + b"[" * 30_000, "nested too deeply"),
        (b"x = " + b"{a=" * 15_000, "nested too deeply"),
        (b"x = " + b"9" * 60_000, "is not TOML"),
        (b"#" * (LARGEST + 1), "is larger than 65536 bytes"),
        (b"", "has no name"),
        (b"reply = 3", "must be a table"),
        (b"records = 3", "must be a table"),
        (b"records.a = 3", "must be a table"),
        (b"dead_grant = 3", "must be a list"),
        (b"dead_grant = [3]", "must be a table"),
        (b"revoke = [{}]", "must be a table"),
        (b"placeholders.\"a.b\".stands = 'label'", "has a name that must be"),
        (b"\n".join(b"k%d = 1" % index for index in range(5_000)), "is not a fact that exists"),
    ],
)
def test_a_hostile_file_is_one_sentence_and_no_harm(content: bytes, told: str) -> None:
    with pytest.raises(BadProvider) as caught:
        provider_of(parse(content, "hostile.toml"), "hostile")
    assert told in str(caught.value)


def test_a_file_as_bad_as_its_size_allows_is_judged_at_once() -> None:
    """In proportion to its size: the lines are found in one pass over the text."""
    dotted = b".".join(b"a" for _ in range(8_000)) + b" = 1"
    many_lines = b"x = [" + b"\n" * 60_000 + b"]"
    began = time.process_time()
    for content in (dotted, many_lines, b'x = """' + b"\n" * 60_000 + b'"""'):
        with pytest.raises(BadProvider):
            provider_of(parse(content, "hostile.toml"), "hostile")
    assert time.process_time() - began < 10


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadProvider, match=r"cannot be read: No such file"):
        load_file(tmp_path / "nowhere.toml")
    with pytest.raises(BadProvider, match=r"cannot be read"):
        load_file(tmp_path)


@pytest.mark.parametrize("name", ["My Provider", "9lives", "a-b", "ä", "x" * 60])
def test_a_file_is_named_as_its_provider(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text(HEAD + TAIL, encoding="utf-8")
    with pytest.raises(BadProvider, match="its name is the provider's id"):
        load_file(tmp_path / f"{name}.toml")


def test_a_problem_is_a_bad_request_so_that_callers_need_no_further_type() -> None:
    assert issubclass(BadProvider, BadRequest)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_there_is_a_provider_or_a_sentence(content: bytes) -> None:
    with pytest.raises(BadProvider, match=r"^x\.toml"):  # so few bytes cannot state what a file needs
        provider_of(parse(content, "x.toml"), "x")


SCALARS: Final = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.sampled_from(["https://a.example", "safe"])
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=settings().max_examples * 3)
@given(st.dictionaries(st.sampled_from(TOP), VALUES, max_size=4))
def test_whatever_facts_are_stated_they_are_read_or_refused(values: dict[str, object]) -> None:
    document = parse((HEAD + TAIL).encode(), "x.toml")
    changed = type(document)(document.file, {**document.values, **values}, document.lines)
    provider, found = judged(changed, "x")
    assert isinstance(provider, Provider)
    for problem in found:
        assert str(problem).startswith("x.toml, line ")
        assert "\n" not in str(problem)


def test_shuffled_facts_mean_the_same() -> None:
    lines = [line for line in HEAD.splitlines() if line]
    random.Random(7).shuffle(lines)
    text = "\n".join(lines) + TAIL
    assert tomllib.loads(text)
    assert provider_of(parse(text.encode(), "example.toml"), "example") == loaded()
