"""A certificate as a proxy hands it on (RFC 9440)."""

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.certificate import MAX_HEADER, certificate_thumbprint
from tests.proving import b64

DER = b"\x30\x82\x01\x0a" + b"made up" * 30


def test_r8705_3_a_the_thumbprint_is_the_sha_256_of_the_certificate():
    assert certificate_thumbprint(f":{b64encode(DER).decode()}:") == b64(sha256(DER).digest())


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":",
        "::",
        b64encode(DER).decode(),
        f":{b64encode(DER).decode()}",
        f":{b64encode(DER).decode()}:, :{b64encode(DER).decode()}:",
        f":{b64encode(DER).decode()}:\n",
        f":{b64encode(b'no certificate').decode()}:",
        ":MA=a:",
        ":MIIé:",
        "-----BEGIN CERTIFICATE-----",
        f":{b64encode(b'0' * MAX_HEADER).decode()}:",
    ],
)
def test_what_is_no_byte_sequence_of_a_certificate_is_none(header):
    assert certificate_thumbprint(header) == ""


@given(st.text(max_size=100))
def test_any_text_is_a_certificate_or_none(text):
    certificate_thumbprint(text)
    certificate_thumbprint(f":{text}:")
