"""What a person must do next, held against all of its rules at once; case by case it is told in `test_steps`."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.client import ClientType, Consent
from evergrant.domain.steps import Step, Wanted, next_step
from evergrant.testing import specimens

NOW = specimens.NOW
SESSION = specimens.session(auth_time=NOW - 100)
FLOW = specimens.flow(
    signed_in_at=0, session_id="", consented_by="", selected=False, other=False, denied=False, answered_at=0, code=b""
)
CLIENT = specimens.client(type=ClientType.SPA, consent=Consent.REMEMBER)
GRANT = specimens.grant(scope="openid", resources="", withdrawn_at=0)
WANTED = Wanted((), None, "", "openid", "")


def step(wanted=WANTED, flow=FLOW, session=SESSION, client=CLIENT, grant=GRANT, noticed=False, now=NOW):
    return next_step(wanted, flow, session, client, grant, noticed=noticed, now=now)


def changed(record, **changes):
    return replace(record, **changes)


prompts = st.sets(st.sampled_from(["login", "consent", "select_account"])).map(tuple)
flows = st.builds(
    lambda signed_in_at, consented_by, selected, other: changed(
        FLOW, signed_in_at=signed_in_at, consented_by=consented_by, selected=selected, other=other
    ),
    st.sampled_from([0, SESSION.auth_time - 1, SESSION.auth_time, SESSION.auth_time + 1]),
    st.sampled_from(["", SESSION.account_id, "usr_another"]),
    st.booleans(),
    st.booleans(),
)
wanteds = st.builds(
    Wanted,
    prompts,
    st.sampled_from([None, 0, 99, 100]),
    st.sampled_from(["", SESSION.account_id, "usr_another"]),
    st.sampled_from(["openid", "email openid"]),
    st.just(""),
)
clients = st.builds(
    lambda kind, consent: changed(CLIENT, type=kind, consent=consent),
    st.sampled_from(list(ClientType)),
    st.sampled_from(list(Consent)),
)


@given(wanteds, flows, st.sampled_from([None, SESSION]), clients, st.sampled_from([None, GRANT]), st.booleans())
def test_nobody_is_done_who_should_have_been_asked(wanted, flow, session, client, grant, noticed):
    if step(wanted, flow, session, client, grant, noticed) is not Step.DONE:
        return
    fresh = bool(flow.signed_in_at) and session is not None and session.auth_time >= flow.signed_in_at
    agreed = session is not None and flow.consented_by == session.account_id
    assert session is not None
    assert not noticed
    assert wanted.subject in {"", session.account_id}
    assert fresh or not flow.other
    assert fresh or "login" not in wanted.prompt
    assert fresh or wanted.max_age in {None, 100}
    assert agreed or "consent" not in wanted.prompt
    assert agreed or client.consent is not Consent.ALWAYS
    assert agreed or client.consent is Consent.TRUSTED or client.type is not ClientType.NATIVE
    assert agreed or client.consent is Consent.TRUSTED or (grant is not None and grant.covers(wanted.scope, ""))


@given(wanteds, clients, st.sampled_from([None, GRANT]), st.booleans())
def test_doing_what_is_asked_leads_to_the_end_in_four_steps(wanted, client, grant, noticed):
    wanted = wanted._replace(subject="")
    flow, session = FLOW, None
    for _ in range(5):
        asked = step(wanted, flow, session, client, grant, noticed)
        if asked is Step.DONE:
            return
        if asked is Step.SIGN_IN:
            session = changed(SESSION, auth_time=NOW)
            flow = changed(flow, signed_in_at=NOW)
        elif asked is Step.SELECT:
            flow = changed(flow, selected=True)
        elif asked is Step.NOTICE:
            noticed = False
        else:
            flow = changed(flow, consented_by=SESSION.account_id)
    pytest.fail("it never ends")


def test_silence_asks_for_exactly_what_a_page_would():
    """prompt=none is no rule of its own: the same step, answered by an error instead of a page."""
    for session, grant, noticed in product([None, SESSION], [None, GRANT], [False, True]):
        silent = step(WANTED._replace(prompt=("none",)), FLOW, session, CLIENT, grant, noticed)
        assert silent is step(WANTED, FLOW, session, CLIENT, grant, noticed)
