"""How single values are read and written."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.config.kinds import Choice, Flag, ListOf, Location, NetworkRange, Text
from evergrant.config.numbers import Duration, Size, Whole


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("0s", 0), ("90 s", 90), (5, 5)],
)
def test_a_duration_is_seconds_or_a_number_with_a_unit(text, seconds):
    assert Duration().read(text) == seconds


@pytest.mark.parametrize(
    "text", ["60", "1h30m", "m", "-5s", "1.5h", "5 weeks", "٣s", "", True, 1.0, None, -1, "9999999999s"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="must be a duration"):
        Duration().read(text)


def test_a_variable_may_hold_seconds_without_a_unit():
    assert Duration().read_text("60") == 60
    assert Duration().read_text("1m") == 60
    assert Size().read_text("1024") == 1024


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("64KiB", 65_536), ("1MiB", 1_048_576), (4096, 4096)])
def test_a_size_is_bytes_or_a_number_with_a_unit(text, size):
    assert Size().read(text) == size


@pytest.mark.parametrize("text", ["64kb", "64K", "1TiB", "2GiB", False])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="must be a size"):
        Size().read(text)


@given(st.integers(0, 10 * 366 * 86400))
def test_a_duration_that_is_written_is_read_back_as_itself(seconds):
    assert Duration().read(Duration().write(seconds).strip('"')) == seconds


@given(st.integers(0, 2**30))
def test_a_size_that_is_written_is_read_back_as_itself(size):
    assert Size().read(Size().write(size).strip('"')) == size


def test_a_duration_is_written_in_its_largest_whole_unit():
    assert [Duration().write(n) for n in (0, 90, 900, 86_400)] == ['"0s"', '"90s"', '"15m"', '"1d"']


@pytest.mark.parametrize("value", [True, 1.0, "1", 0, 65, None, [1]])
def test_what_is_no_whole_number_in_range_is_refused(value):
    with pytest.raises(ValueError, match="a whole number from 1 to 64"):
        Whole(1, 64).read(value)


@pytest.mark.parametrize("text", ["", "x", "1.0", "1e3", "0x10", "٣", "99999999999999"])
def test_a_variable_that_is_no_whole_number_is_refused(text):
    with pytest.raises(ValueError, match="a whole number from 1 to 64"):
        Whole(1, 64).read_text(text)


@pytest.mark.parametrize("text", ["yes", "1", "True", ""])
def test_only_true_and_false_are_flags(text):
    with pytest.raises(ValueError, match="true or false"):
        Flag().read_text(text)


def test_a_choice_names_all_its_words():
    with pytest.raises(ValueError, match='must be one of "json", "text", not "xml"'):
        Choice(("json", "text")).read("xml")


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1b[31mb", "x" * 1025])
def test_a_text_with_control_characters_or_without_end_is_refused(text):
    with pytest.raises(ValueError, match="must"):
        Text().read(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "example.com", "", 10, "fe80::/129"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="must be an address or a network"):
        NetworkRange().read(text)


def test_a_list_is_written_as_it_is_read():
    kind = ListOf(NetworkRange())
    assert kind.read(["10.0.0.0/8", "::1"]) == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    assert kind.write(kind.read(["10.0.0.0/8"])) == '["10.0.0.0/8"]'
    with pytest.raises(ValueError, match="must be a list"):
        kind.read("10.0.0.0/8")


def test_a_path_with_nul_is_refused():
    with pytest.raises(ValueError, match="must be a path"):
        Location().read("a\x00b")
