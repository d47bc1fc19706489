"""Claims judged at one glance: what that takes, the whole judgement takes, and to the same access."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import json as quick

from evergrant.protocol.compact import Unreadable, json_object
from evergrant.resource import Access, Refused
from evergrant.resource.claims import judge
from evergrant.resource.rules import rules
from evergrant.resource.usual import judge_usual

ISSUER, API, NOW = "https://issuer.example", "https://api.example", 1_800_000_000
RULES = rules(ISSUER, API)
GOOD = {
    "iss": ISSUER, "sub": "u", "aud": API, "client_id": "c", "iat": NOW, "exp": NOW + 60, "jti": "j", "scope": "a b",
    "auth_time": NOW, "acr": "1", "fam": "f", "sid": "s",
}  # fmt: skip
VALUES = st.sampled_from([
    "", "x", "\ud800", "é\n", ISSUER, API, [API], [API, "x"], ["x"], [], [7], 0, -1, 7, 1.0, True, None, {},
    {"a": [{}]}, NOW, NOW - 60, NOW + 60, NOW + 0.0,
    NOW - 10, NOW + 10, NOW + 11, 253_402_300_799, 253_402_300_800, 10**30,
])  # fmt: skip
NAMES = st.sampled_from([*GOOD, "nbf", "cnf", "act", "events", "typ", "x"])
MEMBERS = st.tuples(NAMES, VALUES)


def written(members: list[tuple[str, Any]], gap: str, *, plain: bool) -> bytes:
    """An object with these members in this order, also those that are there twice."""
    spell = json.JSONEncoder(ensure_ascii=plain).encode
    text = ",".join(f"{spell(name)}:{gap}{spell(value)}" for name, value in members)
    return f"{{{text}}}".encode("utf-8", "surrogatepass")


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The claims of a good token with something changed, added, taken away, repeated, moved or spelled otherwise."""
    members = list(GOOD.items())
    members = members[: draw(st.integers(min_value=7, max_value=len(members)))]
    for place, member in draw(st.lists(st.tuples(st.integers(0, len(members)), MEMBERS), max_size=2)):
        members.insert(place, member)
    for name, value in draw(st.lists(MEMBERS, max_size=2)):
        members = [(known, value if known == name else old) for known, old in members]
    if draw(st.integers(0, 9)) == 0:
        members = draw(st.permutations(members))
    return written(members, draw(st.sampled_from(["", "", "", " "])), plain=draw(st.booleans()))


def judged(text: bytes) -> Access | None:
    try:
        return judge(json_object(text), RULES, NOW)
    except (Refused, Unreadable):
        return None


@given(texts() | st.binary(max_size=60))
@example(quick.encode(GOOD))
@example(quick.encode({**GOOD, "aud": [API, "https://issuer.example/userinfo"]}))
@example(quick.encode(GOOD)[:-1] + b',"sid":"t"}')
@example(quick.encode(GOOD).replace(b'"exp":', b'"exp":1.0,"exp":'))
@example(quick.encode({**GOOD, "scope": "a\u00a0b\u001cc"}))
@example(quick.encode({**GOOD, "scope": ""}))
def test_j_13_what_is_taken_at_one_glance_is_what_the_whole_judgement_takes(text: bytes) -> None:
    found = judge_usual(text, RULES, NOW)
    if found is not None:
        whole = judged(text)
        assert whole is not None
        assert found == whole
        assert dict(found.claims) == dict(whole.claims)
        assert list(found.claims) == list(whole.claims)
