"""The decision of an exchange, row by row (RFC 8693)."""

from typing import Any

import pytest

from evergrant.domain.client import TOKEN_EXCHANGE, AuthMethod, Client, ClientType
from evergrant.domain.exchange import MOST_ACTORS, Hindrance, Subject, acting, actors, hindrance, targets
from evergrant.domain.policy import Preset

API, OTHER = "https://api.example", "https://other.example"


def client(name: str = "api") -> Client:
    return Client(name, name, ClientType.SERVICE, AuthMethod.BASIC, (), (), (TOKEN_EXCHANGE,), Preset.CONFIDENTIAL, 0)


def subject(**claims: Any) -> Subject:
    return Subject({"client_id": "app", **claims}, frozenset({API}))


def chain(*names: str) -> dict[str, Any]:
    act: dict[str, Any] = {}
    for name in reversed(names):
        act = {"sub": name, **({"act": act} if act else {})}
    return act


KEY = {"jkt": "a key"}


@pytest.mark.parametrize(
    ("claims", "own", "proved", "found"),
    [
        ({}, {API}, {}, None),
        ({}, {OTHER}, {}, Hindrance.NOT_RECEIVED),
        ({"client_id": "api"}, set(), {}, None),
        ({"cnf": KEY}, {API}, {}, Hindrance.BOUND),
        ({"cnf": KEY}, {API}, {"jkt": "another"}, Hindrance.BOUND),
        ({"cnf": KEY}, {API}, KEY, None),
        ({"may_act": {"sub": "api"}}, {API}, {}, None),
        ({"may_act": {"sub": "someone"}}, {API}, {}, Hindrance.ACTOR),
        ({"may_act": "api"}, {API}, {}, Hindrance.ACTOR),
        ({"act": chain("b", "api")}, {API}, {}, Hindrance.LOOP),
        ({"act": chain("api")}, {API}, {}, Hindrance.LOOP),
        ({"client_id": "api", "act": chain("api", "b")}, {API}, {}, None),
        ({"act": chain(*"wxyz")}, {API}, {}, Hindrance.DEPTH),
        ({"act": chain(*"xyz")}, {API}, {}, None),
        ({"client_id": "api", "jti_from": [*"abcdefg"]}, {API}, {}, None),
        ({"client_id": "api", "jti_from": [*"abcdefgh"]}, {API}, {}, Hindrance.DESCENT),
    ],
)
def test_r8693_4_4_a_and_r8693_2_1_a_who_may_exchange_what(
    claims: dict[str, Any], own: set[str], proved: dict[str, str], found: Hindrance | None
) -> None:
    assert hindrance(client(), frozenset(own), subject(**claims), proved) is found


def test_targets_are_what_the_token_was_for_or_what_the_registration_adds() -> None:
    assert targets((), subject(), frozenset()) == [API]
    assert targets((API,), subject(), frozenset()) == [API]
    assert targets((OTHER,), subject(), frozenset()) is Hindrance.AUDIENCE
    assert targets((OTHER, API), subject(), frozenset({OTHER})) == [API, OTHER]
    assert targets((), Subject({}, frozenset()), frozenset({OTHER})) is Hindrance.NOWHERE


def test_the_chain_grows_at_its_outer_end() -> None:
    assert acting(client(), {"client_id": "app"}) == {"act": {"sub": "api"}}
    assert acting(client(), {"client_id": "app", "act": chain("b")}) == {"act": chain("api", "b")}
    assert acting(client(), {"client_id": "api"}) == {}
    assert actors({"act": chain("a", "b")}) == ["a", "b"]
    assert actors({}) == []
    assert MOST_ACTORS == 4
