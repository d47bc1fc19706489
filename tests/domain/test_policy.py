"""Policies: presets, a client's own wishes, and the server's caps over both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.client import AuthMethod
from evergrant.domain.policy import PRESETS, Limits, Preset, Radius, absolute_lifetime, idle_lifetime, resolve
from evergrant.testing import specimens

DAY = 86_400
lifetimes = st.none() | st.integers(0, 10**9)
limits = st.builds(
    Limits,
    overlap=st.integers(0, 10**6),
    until_used_max=st.integers(0, 10**6),
    idle_lifetime=st.integers(1, 10**9),
    absolute_lifetime=st.integers(1, 10**9),
    max_idle_lifetime=st.integers(1, 10**9),
    max_absolute_lifetime=st.integers(1, 10**9),
)


@pytest.mark.parametrize(
    ("preset", "rotate", "overlap"),
    [
        (Preset.PUBLIC, True, 60),
        (Preset.CONFIDENTIAL, True, DAY),
        (Preset.FAPI2, False, DAY),
        (Preset.MCP, True, 300),
    ],
)
def test_r9700_2_2_2_a_r10017_6_3_2_3_a_each_preset_rotates_as_its_name_says(preset, rotate, overlap):
    policy = resolve(PRESETS[preset], None, Limits())
    assert (policy.rotate, policy.overlap) == (rotate, overlap)
    assert PRESETS[preset].why
    assert policy.bound_overlap == DAY, "a thief's copy is worth nothing where the key is missing"


def test_every_preset_has_a_rule():
    assert set(PRESETS) == set(Preset)


@given(limits, lifetimes, st.sampled_from(list(Preset)))
def test_r10017_6_3_2_3_b_nobody_gets_more_than_the_servers_most(limits, asked, preset):
    policy = resolve(PRESETS[preset], asked, limits)
    assert policy.idle_lifetime <= limits.max_idle_lifetime
    assert policy.overlap <= policy.bound_overlap <= max(limits.until_used_max, 0)
    assert policy.online_idle <= min(policy.idle_lifetime, limits.session_idle)
    assert absolute_lifetime(asked, limits) <= limits.max_absolute_lifetime


@given(limits)
def test_whoever_asks_for_nothing_gets_the_default(limits):
    assert idle_lifetime(None, limits) == min(limits.idle_lifetime, limits.max_idle_lifetime)
    assert absolute_lifetime(None, limits) == min(limits.absolute_lifetime, limits.max_absolute_lifetime)


def test_a_client_may_ask_for_less():
    assert idle_lifetime(60, Limits()) == 60
    assert absolute_lifetime(0, Limits()) == 0


@pytest.mark.parametrize("preset", list(Preset))
def test_a_clients_own_overlap_takes_the_place_of_its_presets(preset):
    client = specimens.client(preset=preset, overlap=7, idle_lifetime=None)
    policy = client.policy(Limits())
    assert (policy.overlap, policy.bound_overlap) == (7, 7)
    assert policy.rotate == PRESETS[preset].rotate
    assert specimens.client(preset=preset, overlap=10**9).policy(Limits()).overlap == DAY
    assert specimens.client(preset=preset, overlap=None).rule == PRESETS[preset]


def test_blast_radius_and_observing_come_from_the_server():
    policy = resolve(PRESETS[Preset.PUBLIC], None, Limits(radius=Radius.USER, observe_only=True))
    assert (policy.radius, policy.observe_only) == (Radius.USER, True)


@pytest.mark.parametrize("method", list(AuthMethod))
def test_a_client_with_credentials_is_confidential(method):
    assert specimens.client(auth_method=method).confidential is (method is not AuthMethod.NONE)


def test_asvs_10_4_4_a_client_may_use_the_grants_it_was_given_and_no_other():
    client = specimens.client(grant_types=("authorization_code",))
    assert client.may("authorization_code")
    assert not client.may("refresh_token")
    assert not client.may("authorization")
    assert not client.may("")
