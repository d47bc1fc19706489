"""The gRPC example under real calls."""

from collections.abc import Iterator

import grpc
import pytest

from evergrant.testing.token_issuer import TokenIssuer, token_issuer
from tests.resource.frameworks.running import example
from tests.secrecy import record_secret

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as one:
        record_secret(one.credentials.client_secret)
        yield one


@pytest.fixture(scope="module")
def channel(issuer: TokenIssuer) -> Iterator[grpc.Channel]:
    with example("grpc", issuer) as address, grpc.insecure_channel(address) as opened:
        yield opened


def called(channel: grpc.Channel, method: str, *headers: str) -> bytes:
    sent = [("authorization", header) for header in headers]
    answer: bytes = channel.unary_unary(f"/orders.Orders/{method}")(b"", metadata=sent, timeout=30)
    return answer


def refused(channel: grpc.Channel, *headers: str) -> tuple[grpc.StatusCode, dict[str, str]]:
    with pytest.raises(grpc.RpcError) as caught:
        called(channel, "List", *headers)
    return caught.value.code(), dict(caught.value.trailing_metadata())


def test_a_good_token_reaches_the_method_and_a_public_method_needs_none(
    issuer: TokenIssuer, channel: grpc.Channel
) -> None:
    token = issuer.token(scope="orders:read")
    record_secret(token)
    assert b'{"for": "usr_' in called(channel, "List", f"Bearer {token}")
    assert called(channel, "Open") == b'{"for": "everybody"}'


def test_what_is_refused_gets_a_status_and_the_challenge(issuer: TokenIssuer, channel: grpc.Channel) -> None:
    code, trailing = refused(channel)
    assert (code, trailing["www-authenticate"].split()[0]) == (grpc.StatusCode.UNAUTHENTICATED, "Bearer")
    code, trailing = refused(channel, f"Bearer {issuer.token(scope='orders:write')}")
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert 'scope="orders:read"' in trailing["www-authenticate"]
    for wrong in (issuer.token(scope="orders:read", lifetime=-60), issuer.refresh_token(), "x"):
        code, trailing = refused(channel, f"Bearer {wrong}")
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert 'error="invalid_token"' in trailing["www-authenticate"]
    good = f"Bearer {issuer.token(scope='orders:read')}"
    assert refused(channel, good, good)[0] is grpc.StatusCode.UNAUTHENTICATED
