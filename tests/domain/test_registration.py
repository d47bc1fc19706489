"""Registering a client: what cannot work is told at once, in sentences."""

from dataclasses import replace

import pytest

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.domain.policy import Preset
from evergrant.domain.registration import GRANTS_OF, MAX_NAME, MAX_URIS, METHODS, PRESET_OF, problems
from evergrant.testing import specimens

GOOD = specimens.client()
PUBLIC = replace(GOOD, type=ClientType.SPA, auth_method=AuthMethod.NONE, preset=Preset.PUBLIC, secrets=())


@pytest.mark.parametrize("kind", list(ClientType))
def test_r8252_8_4_a_every_kind_of_client_is_good_with_its_own_defaults(kind):
    client = replace(
        GOOD, type=kind, auth_method=METHODS[kind], preset=PRESET_OF[kind], grant_types=GRANTS_OF[kind],
        redirect_uris=("https://app.example/cb",) if "authorization_code" in GRANTS_OF[kind] else (),
    )  # fmt: skip
    assert problems(client) == []
    assert set(METHODS) == set(PRESET_OF) == set(GRANTS_OF) == set(ClientType)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (replace(GOOD, name=""), "a client's name has 1 to 100 printable characters"),
        (replace(GOOD, name="x" * (MAX_NAME + 1)), "a client's name has"),
        (replace(GOOD, name="Bank\u202ekcatta"), "a client's name has"),
        (replace(GOOD, name="Bank\nof"), "a client's name has"),
        (replace(GOOD, name="Bank\u200b"), "a client's name has"),
        (replace(PUBLIC, auth_method=AuthMethod.BASIC), "a spa client cannot keep a secret"),
        (replace(PUBLIC, type=ClientType.NATIVE, auth_method=AuthMethod.POST), "a native client cannot keep a secret"),
        (replace(PUBLIC, grant_types=("client_credentials",)), "client_credentials needs a client that authenticates"),
        (replace(PUBLIC, preset=Preset.CONFIDENTIAL), "the preset confidential is for clients that authenticate"),
        (replace(PUBLIC, preset=Preset.FAPI2, dpop_bound=True), "the preset fapi2 is for clients that authenticate"),
        (replace(GOOD, preset=Preset.FAPI2), "the preset fapi2 demands bound tokens"),
        (replace(GOOD, dpop_bound=True, certificate_bound=True), "not to both"),
        (replace(GOOD, redirect_uris=()), "needs at least one redirect URI"),
        (replace(GOOD, grant_types=("refresh_token",)), "refresh_token needs authorization_code"),
        (replace(GOOD, redirect_uris=("https://a",) * (MAX_URIS + 1)), "at most 50 redirect URIs"),
        (replace(GOOD, post_logout_redirect_uris=("https://a",) * (MAX_URIS + 1)), "at most 50 redirect URIs"),
        (replace(GOOD, idle_lifetime=0), "a lifetime is longer than nothing"),
        (replace(GOOD, absolute_lifetime=-1), "a lifetime is longer than nothing"),
        (replace(GOOD, access_lifetime=0), "a lifetime is longer than nothing"),
        (replace(GOOD, overlap=-1), "an overlap is no less than nothing"),
    ],
)
def test_what_cannot_work_is_told(client, told):
    (sentence,) = problems(client)
    assert told in sentence


def test_o21_8_1_a_rt_36_a_public_client_may_choose_the_presets_made_for_it():
    for preset in (Preset.PUBLIC, Preset.MCP):
        assert problems(replace(PUBLIC, preset=preset)) == []


def test_fapi2_is_for_clients_whose_tokens_are_bound_by_either_means():
    assert problems(replace(GOOD, preset=Preset.FAPI2, dpop_bound=True)) == []
    assert problems(replace(GOOD, preset=Preset.FAPI2, certificate_bound=True)) == []


def test_several_problems_are_told_together():
    assert len(problems(replace(PUBLIC, name="", redirect_uris=(), overlap=-1))) == 3


def test_an_overlap_of_nothing_is_allowed():
    assert problems(replace(GOOD, overlap=0)) == []
