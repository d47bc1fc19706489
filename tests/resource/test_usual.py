"""The ordinary case: which tokens are judged at one glance, and that a look at their claims finds all of them."""

from typing import Any

import pytest
from msgspec import json

from evergrant.domain.base64url import decode
from evergrant.resource import KEYCLOAK
from evergrant.resource.rules import rules
from evergrant.resource.usual import allows, judge_usual
from evergrant.testing.token_issuer import TokenIssuer
from tests.resource.stand import API, NOW

ISSUER = "https://issuer.example"
RULES = rules(ISSUER, API)
CLAIMS = {
    "iss": ISSUER, "sub": "usr_1", "aud": API, "client_id": "cli_1", "iat": NOW, "exp": NOW + 60, "jti": "j1",
    "scope": "orders:read orders:write",
}  # fmt: skip
MORE = {"auth_time": NOW, "acr": "", "fam": "fam_1", "sid": "ses_1"}


def glance(claims: dict[str, Any], now: int = NOW) -> Any:
    return judge_usual(json.encode(claims), RULES, now)


def test_the_tokens_of_an_issuer_of_ours_are_judged_at_one_glance(issuer: TokenIssuer) -> None:
    payload = decode(issuer.token(scope="openid").split(".")[1])
    found = judge_usual(payload, rules(issuer.url, issuer.audience), json.decode(payload)["iat"])
    assert found is not None
    assert dict(found.claims) == json.decode(payload)


@pytest.mark.parametrize("claims", [CLAIMS, {**CLAIMS, **MORE}, {**CLAIMS, "aud": ["https://other.example", API]}])
def test_the_claims_are_all_there_and_cannot_be_changed(claims: dict[str, Any]) -> None:
    access = glance(claims)
    assert access.subject == "usr_1"
    assert access.scopes == {"orders:read", "orders:write"}
    assert (access.family, access.session, access.auth_time) == tuple(
        claims.get(name, other) for name, other in (("fam", ""), ("sid", ""), ("auth_time", None))
    )
    assert json.decode(json.encode(dict(access.claims))) == claims
    assert len(access.claims) == len(claims)
    assert "nothing" not in access.claims
    with pytest.raises(TypeError):
        access.claims["sub"] = "usr_2"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example"}, {"aud": "https://other.example"}, {"exp": NOW - 10}, {"iat": NOW + 11},
        {"nbf": NOW}, {"cnf": {"jkt": "x"}}, {"exp": -1}, {"jti": 7}, {"sub": None},
    ],
)  # fmt: skip
def test_whatever_differs_takes_a_closer_look(changed: dict[str, Any]) -> None:
    assert glance(CLAIMS | changed) is None


def test_rules_that_ask_for_more_are_not_judged_at_one_glance() -> None:
    assert allows(RULES)
    assert not allows(rules(ISSUER, API, KEYCLOAK))
    assert not allows(rules(ISSUER, API, sole_audience=True))
