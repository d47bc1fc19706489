"""Grants remember consent; sessions live until their ends; events keep to their vocabulary."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.event import MEANING, Event, What
from evergrant.domain.family import Ended
from evergrant.domain.key import Use
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.scope import join, split
from evergrant.domain.session import device_label
from evergrant.testing import specimens

NOW = specimens.NOW
sets = st.frozensets(st.sampled_from("abcdef"))


def test_consent_covers_what_was_given_and_less():
    grant = specimens.grant(withdrawn_at=0, scope="a b", resources="https://x")
    assert grant.covers("a", "")
    assert grant.covers("", "")
    assert grant.covers("a b", "https://x")
    assert not grant.covers("a c", "")
    assert not grant.covers("a", "https://y")


def test_a_withdrawn_consent_covers_nothing_and_widens_from_nothing():
    grant = specimens.grant(scope="a b", resources="https://x", withdrawn_at=NOW)
    assert not grant.covers("a", "")
    assert not grant.covers("", "")
    assert grant.widened("c", "") == ("c", "")


@given(sets, sets, sets, sets)
def test_a_widened_consent_covers_the_old_and_the_new_and_nothing_else(scope, more, resources, others):
    grant = specimens.grant(withdrawn_at=0, scope=join(scope), resources=join(resources))
    wide = grant.widened(join(more), join(others))
    assert (set(split(wide[0])), set(split(wide[1]))) == (scope | more, resources | others)
    assert replace(grant, scope=wide[0], resources=wide[1]).covers(join(scope | more), join(resources | others))


@pytest.mark.parametrize(("idle", "absolute", "live"), [(1, 1, True), (0, 1, False), (1, 0, False), (-1, -1, False)])
def test_a_session_lives_until_the_first_of_its_ends(idle, absolute, live):
    session = specimens.session(idle_end=NOW + idle, absolute_end=NOW + absolute)
    assert session.live(NOW) is live
    assert not replace(session, ended=Ended(NOW, Reason.SIGNED_OUT)).live(NOW)


@pytest.mark.parametrize(("retires", "published"), [(0, True), (NOW - 1, False), (NOW, False), (NOW + 1, True)])
def test_j_14_a_key_is_published_until_it_retires(retires, published):
    assert specimens.key(use=Use.SIGN, retires_at=retires).published(NOW) is published


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19 Safari/604",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140.0 Safari/537 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537 Chrome/140.0 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15) AppleWebKit/605 Version/19 Safari/605", "Safari on macOS"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("<script>alert(1)</script>", "Unknown device"),
    ],
)
def test_a_device_gets_a_name_a_person_knows(agent, label):
    assert device_label(agent) == label


def test_every_event_has_a_meaning_and_a_name_of_its_own():
    assert set(MEANING) == set(What)
    assert all(meaning.strip() for meaning in MEANING.values())
    assert len({what.value for what in What}) == len(What)


def test_inv_13_an_event_has_no_place_for_a_secret():
    assert not {name for name in Event._fields if any(word in name for word in ("token", "secret", "digest", "code"))}


def test_reasons_and_refusals_are_told_apart_by_their_words():
    assert not {reason.value for reason in Reason} & {refusal.value for refusal in Refusal}


@pytest.mark.parametrize(
    "make",
    [
        specimens.client, specimens.account, specimens.session, specimens.grant, specimens.code, specimens.flow,
        specimens.notice, specimens.key, specimens.barred, specimens.bucket,
    ],
)  # fmt: skip
def test_records_are_values_that_nobody_changes(make):
    record = make()
    assert is_dataclass(record)
    assert not hasattr(record, "__dict__")
    name = fields(record)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, "other")
    assert make() == make()


def test_families_and_heads_are_values_that_nobody_changes():
    family = specimens.family()
    with pytest.raises(AttributeError):
        family.scope = "admin"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        family.head.generation = 5  # type: ignore[misc]
