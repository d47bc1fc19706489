"""What a person must do next: one pure function, said case by case."""

from dataclasses import replace

import pytest

from evergrant.domain.client import ClientType, Consent
from evergrant.domain.steps import Step, Wanted, next_step
from evergrant.testing import specimens

NOW = specimens.NOW
CLIENT = specimens.client(consent=Consent.REMEMBER)
SESSION = specimens.session(auth_time=NOW - 100)
ME = SESSION.account_id
WANTED = Wanted((), None, "", "openid", "https://api.example")
GRANT = specimens.grant(withdrawn_at=0, scope="openid orders:read", resources="https://api.example")
FLOW = replace(
    specimens.flow(), signed_in_at=0, session_id="", consented_by="", selected=False, other=False, denied=False,
    answered_at=0, code=b"",
)  # fmt: skip
FRESH = replace(FLOW, signed_in_at=NOW - 100)


def step(wanted=WANTED, flow=FLOW, session=SESSION, client=CLIENT, grant=GRANT, noticed=False):
    return next_step(wanted, flow, session, client, grant, noticed=noticed, now=NOW)


def test_a_session_and_a_remembered_consent_need_nothing():
    assert step() is Step.DONE


def test_without_a_session_there_is_a_sign_in():
    assert step(session=None) is Step.SIGN_IN
    assert step(session=None, noticed=True, grant=None) is Step.SIGN_IN


@pytest.mark.parametrize(
    ("max_age", "expected"), [(99, Step.SIGN_IN), (100, Step.DONE), (0, Step.SIGN_IN), (None, Step.DONE)]
)
def test_oidc_3_1_2_1_b_an_old_sign_in_is_asked_for_again(max_age, expected):
    assert step(WANTED._replace(max_age=max_age)) is expected


def test_oidc_3_1_2_1_b_a_sign_in_within_the_flow_is_fresh_enough():
    assert step(WANTED._replace(max_age=0), FRESH) is Step.DONE
    assert step(WANTED._replace(prompt=("login",)), FRESH) is Step.DONE


def test_prompt_login_asks_again_in_a_session():
    assert step(WANTED._replace(prompt=("login",))) is Step.SIGN_IN


def test_a_sign_in_of_an_earlier_session_does_not_count_for_a_later_flow():
    assert step(WANTED._replace(prompt=("login",)), replace(FLOW, signed_in_at=NOW)) is Step.SIGN_IN


def test_another_person_than_the_one_asked_for_signs_in():
    assert step(WANTED._replace(subject="usr_other")) is Step.SIGN_IN
    assert step(WANTED._replace(subject=ME)) is Step.DONE


def test_selecting_is_asked_once():
    wanted = WANTED._replace(prompt=("select_account",))
    assert step(wanted) is Step.SELECT
    assert step(wanted, replace(FLOW, selected=True)) is Step.DONE
    assert step(wanted, FRESH) is Step.DONE
    assert step(wanted, replace(FLOW, other=True)) is Step.SIGN_IN


def test_rt_31_a_suspected_theft_is_told_before_anything_is_consented():
    assert step(noticed=True, grant=None) is Step.NOTICE
    assert step(noticed=True) is Step.NOTICE


def test_consent_is_asked_when_there_is_none_or_more_is_wanted():
    assert step(grant=None) is Step.CONSENT
    assert step(grant=specimens.grant(withdrawn_at=NOW)) is Step.CONSENT
    assert step(WANTED._replace(scope="openid profile")) is Step.CONSENT
    assert step(WANTED._replace(resources="https://other.example")) is Step.CONSENT
    assert step(WANTED._replace(scope="openid orders:read")) is Step.DONE


def test_consent_counts_for_the_account_that_gave_it():
    assert step(flow=replace(FLOW, consented_by=ME), grant=None) is Step.DONE
    assert step(flow=replace(FLOW, consented_by="usr_other"), grant=None) is Step.CONSENT


def test_prompt_consent_and_a_wary_client_ask_each_time():
    assert step(WANTED._replace(prompt=("consent",))) is Step.CONSENT
    assert step(client=replace(CLIENT, consent=Consent.ALWAYS)) is Step.CONSENT


def test_a_trusted_client_never_asks_unless_the_request_does():
    trusted = replace(CLIENT, consent=Consent.TRUSTED)
    assert step(client=trusted, grant=None) is Step.DONE
    assert step(WANTED._replace(prompt=("consent",)), client=trusted) is Step.CONSENT


def test_s_07_r8252_8_6_a_asvs_10_7_1_a_native_client_is_asked_for_each_time():
    native = replace(CLIENT, type=ClientType.NATIVE)
    assert step(client=native) is Step.CONSENT
    assert step(client=native, flow=replace(FLOW, consented_by=ME)) is Step.DONE
