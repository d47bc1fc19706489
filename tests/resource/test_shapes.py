"""Tokens as other products make them: each good under its own shape alone, its ID token under none."""

from typing import Any

import pytest

from evergrant.resource import AUTH0, ENTRA, KEYCLOAK, OKTA, RFC9068, SHAPES, Shape, Why
from tests.resource.stand import API, NOW, Stand, signed, why

PLAIN = {"client_id": None, "auth_time": None, "acr": None, "fam": None, "sid": None}
ACCESS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "keycloak": ("JWT", {**PLAIN, "typ": "Bearer", "azp": "app", "sid": "s", "acr": "1", "aud": [API, "account"]}),
    "auth0": ("JWT", {**PLAIN, "jti": None, "azp": "app", "aud": [API, "https://tenant.example/userinfo"]}),
    "okta": (None, {**PLAIN, "scope": None, "scp": ["read", "write"], "cid": "app", "uid": "00u", "ver": 1}),
    "entra": ("JWT", {**PLAIN, "jti": None, "scope": None, "scp": "read write", "azp": "app", "ver": "2.0"}),
    "rfc9068": ("at+jwt", {"client_id": "app"}),
}  # fmt: skip
IDENTITY: dict[str, tuple[str | None, dict[str, Any]]] = {
    "keycloak": ("JWT", {**PLAIN, "typ": "ID", "azp": "app", "at_hash": "x"}),
    "auth0": ("JWT", {**PLAIN, "nonce": "n"}),
    "okta": (None, {**PLAIN, "at_hash": "x", "amr": ["pwd"], "idp": "i", "ver": 1}),
    "entra": ("JWT", {**PLAIN, "ver": "2.0", "nonce": "n", "oid": "o"}),
    "rfc9068": ("JWT", {"at_hash": "x"}),
}


@pytest.mark.parametrize("name", ACCESS)
async def test_a_products_own_access_token_is_good_under_its_shape(stand: Stand, name: str) -> None:
    typ, changes = ACCESS[name]
    async with stand.verifier(shape=SHAPES[name]) as verifier:
        access = await verifier.verify_token(signed(stand.signer, stand.claims(**changes), typ=typ), scopes=("read",))
        assert access.client_id == "app"
        assert access.scopes == {"read", "write"}


@pytest.mark.parametrize("name", IDENTITY)
async def test_j_07_a_products_id_token_for_the_same_audience_is_refused_under_its_shape(
    stand: Stand, name: str
) -> None:
    typ, changes = IDENTITY[name]
    async with stand.verifier(shape=SHAPES[name]) as verifier:
        token = signed(stand.signer, stand.claims(**changes), typ=typ)
        assert await why(verifier, token) in {Why.ID_TOKEN, Why.CLAIMS, Why.TYPE}


@pytest.mark.parametrize("name", [name for name in ACCESS if name != "rfc9068"])
async def test_r8725_3_11_a_what_a_product_does_otherwise_is_refused_unless_its_shape_was_chosen(
    stand: Stand, name: str
) -> None:
    typ, changes = ACCESS[name]
    async with stand.verifier() as verifier:
        token = signed(stand.signer, stand.claims(**changes), typ=typ)
        assert await why(verifier, token) in {Why.TYPE, Why.ID_TOKEN}


async def test_entras_first_version_names_its_client_otherwise(stand: Stand) -> None:
    changes = {**PLAIN, "jti": None, "scope": None, "roles": ["Orders.Read"], "appid": "app", "ver": "1.0"}
    async with stand.verifier(shape=ENTRA) as verifier:
        access = await verifier.verify_token(signed(stand.signer, stand.claims(**changes), typ="JWT"))
        assert (access.client_id, access.scopes) == ("app", frozenset())
        assert access.claims["roles"] == ("Orders.Read",)


async def test_a_keycloak_token_of_another_kind_is_named(stand: Stand) -> None:
    async with stand.verifier(shape=KEYCLOAK) as verifier:
        for habit in ("Refresh", "Offline", "ID", "Logout", None, 7):
            token = signed(stand.signer, stand.claims(**PLAIN, typ=habit, azp="app"), typ="JWT")
            assert await why(verifier, token) in {Why.TYPE, Why.CLAIMS}


def test_each_shape_says_where_it_is_documented_and_what_keeps_id_tokens_out() -> None:
    for shape in (RFC9068, KEYCLOAK, AUTH0, OKTA, ENTRA):
        assert isinstance(shape, Shape)
        assert shape.source
        typed = shape.types == {"at+jwt"}
        assert typed or shape.absent or shape.fixed
        assert {"iss", "exp", "aud"} <= set(shape.required)
    assert NOW
