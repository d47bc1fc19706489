"""The device grant as a client reads it."""

import pytest

from evergrant.protocol.device import Poll, backed_off, poll_of, read_device_code, slower

GOOD = {"device_code": "d" * 40, "user_code": "ABCD-EFGH", "verification_uri": "https://as.example/device"}


def test_r8628_3_2_a_what_is_missing_has_the_defaults_of_the_specification():
    code = read_device_code(GOOD, 1_000)
    assert (code.interval, code.until, code.complete_uri) == (5, 1_600, "")


@pytest.mark.parametrize(
    ("said", "interval"), [(7, 7), ("7", 7), (0, 5), (-3, 5), ("x", 5), (1e300, 60), (True, 5), (None, 5), (999, 60)]
)
def test_an_interval_of_any_shape_is_a_sane_number_of_seconds(said, interval):
    assert read_device_code({**GOOD, "interval": said}, 0).interval == interval


def test_an_older_spelling_of_the_address_is_read_too():
    said = {**GOOD, "verification_url": GOOD["verification_uri"]}
    del said["verification_uri"]
    assert read_device_code(said, 0).verification_uri == GOOD["verification_uri"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_code": ""}, {"device_code": 7}, {"user_code": None}, {"user_code": "\x1b[2J"},
        {"verification_uri": "javascript:alert(1)"}, {"verification_uri": "https://a\x1b[2J"},
        {"verification_uri": None},
        {"verification_uri_complete": "file:///etc"}, {"user_code": "x" * 5_000},
    ],
)  # fmt: skip
def test_what_a_person_is_shown_steers_neither_browser_nor_terminal(wrong):
    with pytest.raises(ValueError, match="has no usable"):
        read_device_code({**GOOD, **wrong}, 0)


@pytest.mark.parametrize(
    ("error", "poll"),
    [
        ("authorization_pending", Poll.PENDING), ("slow_down", Poll.SLOWER), ("access_denied", Poll.DENIED),
        ("expired_token", Poll.EXPIRED), ("", Poll.ANSWERED), ("invalid_grant", Poll.ANSWERED),
        ("answered", Poll.ANSWERED),
    ],
)  # fmt: skip
def test_r8628_3_5_a_what_a_poll_means(error, poll):
    assert poll_of(error) is poll


def test_r8628_3_5_a_slowing_down_adds_five_seconds_and_trouble_doubles_up_to_a_minute():
    code = read_device_code(GOOD, 0)
    assert slower(slower(code)).interval == 15
    assert backed_off(backed_off(code)).interval == 20
    for _ in range(10):
        code = backed_off(slower(code))
    assert code.interval == 60


def test_the_device_code_is_a_secret():
    assert "d" * 40 not in repr(read_device_code(GOOD, 0))
