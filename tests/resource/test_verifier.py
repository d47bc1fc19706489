"""A verifier at a real issuer over HTTP: what is good is good, in both worlds, and everything else has one reason."""

import pytest

from evergrant.resource import Refused, SyncVerifier, Verifier, Why
from evergrant.testing.token_issuer import TokenIssuer


async def test_r9068_4_a_a_token_of_this_issuer_is_good_and_says_whose_it_is(issuer: TokenIssuer) -> None:
    async with Verifier.for_issuer(issuer.url, audience=issuer.audience) as verifier:
        token = issuer.token(scope="read write")
        access = await verifier.verify(f"Bearer {token}", scopes=("read",))
        assert access.scopes == {"read", "write"}
        assert access.issuer == issuer.url
        assert access.family.startswith("fam_")
        assert access.claims["jti"] == access.id
        assert await verifier.verify(f"Bearer {token}") is access
        assert await verifier.verify_token(token) is access


def test_without_await_the_same_token_is_as_good(issuer: TokenIssuer) -> None:
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience) as verifier:
        token = issuer.token(scope="read")
        access = verifier.verify(f"Bearer {token}")
        assert access.scopes == {"read"}
        assert verifier.verify(f"Bearer {token}".encode()) is access
        with pytest.raises(Refused) as caught:
            verifier.verify(f"Bearer {token}", scopes=("write",))
        assert caught.value.why is Why.SCOPE
        assert caught.value.status == 403
        assert caught.value.challenges() == ('Bearer error="insufficient_scope", scope="write"',)
