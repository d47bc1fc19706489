"""HMAC-SHA256 as the standard library has it."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.mac import mac_once, mac_with


@given(key=st.binary(max_size=64), message=st.binary(max_size=300))
def test_both_forms_are_hmac_sha256(key: bytes, message: bytes) -> None:
    expected = hmac.digest(key, message, "sha256")
    assert mac_with(key)(message) == expected
    assert mac_with(key)(message) == expected, "a MAC function is used more than once"
    assert mac_once(key, message) == expected


def test_rfc_4231_test_case_two() -> None:
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert mac_once(b"Jefe", b"what do ya want for nothing?") == expected
