"""What a receiver of security events may ask of its streams (SSF 1.0 section 8): several, each narrowed to people."""

from dataclasses import replace
from typing import Any

import pytest

from evergrant.domain.client import Client, ClientType
from evergrant.domain.event import What
from evergrant.domain.receiver import Status
from evergrant.issuer.service import streams
from evergrant.issuer.service.streams import MOST_LEFT_OUT, MOST_STREAMS
from evergrant.protocol.security_event import CREDENTIAL_CHANGE, STREAM_UPDATED, SUPPORTED, VERIFICATION
from evergrant.testing.in_process import ISSUER, Issuer
from tests.issuer.service.test_outbox import POLL, PUSH, asked, made, outbox, waiting
from tests.issuing import claims_of, is_oauth_error, whats
from tests.receiving import receiving

ADA, BEA = "ada@example.com", "bea@example.com"


async def receiver_of(issuer: Issuer, name: str = "Receiver") -> tuple[Client, str]:
    return await issuer.client(ClientType.SERVICE, name, scopes=())


async def polled(issuer: Issuer, receiver: tuple[Client, str], stream: str, **more: Any) -> list[dict[str, Any]]:
    """What waits in a stream, by its claims."""
    await outbox(issuer).round()
    path = f"/events/poll?stream_id={stream}"
    answer = await asked(issuer, receiver, "POST", path, {"returnImmediately": True, **more})
    assert answer.status == 200, answer.text
    return [claims_of(token) for _, token in sorted(answer.json()["sets"].items())]


async def people_changed(issuer: Issuer, *names: str) -> None:
    for name in names:
        await issuer.house.accounts.set_password(name, "another horse battery staple")


def told_of(events: list[dict[str, Any]]) -> set[str]:
    return {event["sub_id"]["sub"] for event in events}


async def test_ssf_2_a_receiver_has_several_streams_that_know_nothing_of_each_other(both: Issuer) -> None:
    with receiving() as there:
        receiver, other = await receiver_of(both), await receiver_of(both, "Other")
        push = await made(both, receiver, {"method": PUSH, "endpoint_url": there.address})
        poll = await made(both, receiver, {"method": POLL}, events_requested=[CREDENTIAL_CHANGE])
        shown = (await asked(both, receiver, "GET", "/events/stream")).json()
        assert sorted(each["stream_id"] for each in shown) == sorted([push, poll])
        assert {each["aud"] for each in shown} == {receiver[0].id}
        assert (await asked(both, other, "GET", "/events/stream")).json() == []
        for name in (push, poll):
            assert (await asked(both, other, "GET", f"/events/status?stream_id={name}")).status == 404
        await people_changed(both, ADA)
        (event,) = await polled(both, receiver, poll)
        assert len(there.got) == 1
        assert await polled(both, receiver, poll, ack=[event["jti"]]) == []
        assert (await asked(both, receiver, "GET", "/events/status")).status == 404  # which of them?
        assert (await asked(both, receiver, "DELETE", f"/events/stream?stream_id={poll}")).status == 204
        assert (await asked(both, receiver, "GET", "/events/status")).json()["stream_id"] == push


async def test_ssf_2_a_receiver_is_told_at_once_when_the_operator_holds_its_stream(both: Issuer) -> None:
    with receiving() as there:
        receiver = await receiver_of(both)
        push = await made(both, receiver, {"method": PUSH, "endpoint_url": there.address})
        poll = await made(both, receiver, {"method": POLL})
        now = both.clock.now()
        for name in (push, poll):
            await both.house.store.write(
                lambda tx, name=name: streams.operate(tx, name, Status.PAUSED, "moving house", now)
            )
        await people_changed(both, ADA)
        (polled_one,) = await polled(both, receiver, poll)
        (pushed_one,) = [claims_of(token) for token in there.tokens()]
        for name, told in ((push, pushed_one), (poll, polled_one)):
            assert told["events"] == {STREAM_UPDATED: {"status": "paused", "reason": "moving house"}}
            assert told["sub_id"] == {"format": "opaque", "id": name}
        assert (await whats(both)).count(What.STREAM_CHANGED) == 2
        assert (
            await asked(both, receiver, "POST", "/events/status", {"stream_id": poll, "status": "enabled"})
        ).status == 403
        assert await polled(both, receiver, poll, ack=[polled_one["jti"]]) == []
        await both.house.store.write(lambda tx: streams.operate(tx, poll, Status.ENABLED, "", now))
        told = await polled(both, receiver, poll)
        assert sorted(name for one in told for name in one["events"]) == [CREDENTIAL_CHANGE, STREAM_UPDATED]


async def test_streams_of_one_receiver_are_bounded(issuer: Issuer) -> None:
    receiver = await receiver_of(issuer)
    for _ in range(MOST_STREAMS):
        await made(issuer, receiver, {"method": POLL})
    assert (await asked(issuer, receiver, "POST", "/events/stream", {})).status == 409


async def test_ssf_2_what_is_replaced_is_whole_and_what_is_changed_keeps_the_rest(issuer: Issuer) -> None:
    receiver = await receiver_of(issuer)
    name = await made(issuer, receiver, {"method": POLL}, events_requested=[CREDENTIAL_CHANGE], description="night")
    patched = await asked(issuer, receiver, "PATCH", "/events/stream", {"stream_id": name, "description": "day"})
    assert (patched.json()["events_requested"], patched.json()["description"]) == ([CREDENTIAL_CHANGE], "day")
    put = (await asked(issuer, receiver, "PUT", "/events/stream", {"stream_id": name})).json()
    assert put["events_requested"] == list(SUPPORTED)
    assert "description" not in put


@pytest.mark.parametrize("subject", ["iss_sub", "email", "complex"])
async def test_ssf_2_a_person_is_taken_out_of_a_stream_and_put_back(both: Issuer, subject: str) -> None:
    receiver = await receiver_of(both)
    name, whole = [await made(both, receiver, {"method": POLL}) for _ in range(2)]
    await both.person(BEA)
    ids = {each: (await both.house.accounts.find(each)).id for each in (ADA, BEA)}
    person = {"format": "iss_sub", "iss": ISSUER, "sub": ids[ADA]}
    shape = {"iss_sub": person, "email": {"format": "email", "email": ADA}, "complex": {
        "format": "complex", "user": person,
    }}  # fmt: skip
    said = {"stream_id": name, "subject": shape[subject]}
    assert (await asked(both, receiver, "POST", "/events/subjects/remove", said)).status == 204
    await people_changed(both, ADA, BEA)
    assert told_of(await polled(both, receiver, name)) == {ids[BEA]}
    assert told_of(await polled(both, receiver, whole)) == set(ids.values())
    assert (await asked(both, receiver, "POST", "/events/subjects/add", said)).status == 200
    await people_changed(both, ADA)
    assert told_of(await polled(both, receiver, name)) == set(ids.values())


async def test_ssf_2_a_receiver_learns_of_nobody_by_naming_them(issuer: Issuer) -> None:
    receiver = await receiver_of(issuer)
    name = await made(issuer, receiver, {"method": POLL})
    unknown = {"stream_id": name, "subject": {"format": "email", "email": "nobody@example.com"}}
    for path, status in (("add", 200), ("remove", 204)):
        assert (await asked(issuer, receiver, "POST", f"/events/subjects/{path}", unknown)).status == status
    for subject in (
        {"format": "iss_sub", "iss": "https://other.example", "sub": "usr_1"}, {"format": "opaque", "id": "x"},
        {"format": "complex", "user": {"format": "email", "email": ADA}, "session": {"format": "opaque", "id": "s"}},
        {"format": "email"},
    ):  # fmt: skip
        said = {"stream_id": name, "subject": subject}
        assert (await asked(issuer, receiver, "POST", "/events/subjects/remove", said)).status == 404
    foreign = {**unknown, "stream_id": "cli_other.x"}
    assert (await asked(issuer, receiver, "POST", "/events/subjects/add", foreign)).status == 404
    is_oauth_error(
        await asked(issuer, receiver, "POST", "/events/subjects/add", {"stream_id": name}), "invalid_request"
    )


async def test_whom_a_stream_leaves_out_is_bounded(issuer: Issuer) -> None:
    receiver = await receiver_of(issuer)
    name = await made(issuer, receiver, {"method": POLL})

    def crowd(tx: Any) -> None:
        full = tuple(f"usr_{place}" for place in range(MOST_LEFT_OUT))
        tx.streams.put(replace(streams.wanted(tx, name), without=full))

    await issuer.house.store.write(crowd)
    said = {"stream_id": name, "subject": {"format": "email", "email": ADA}}
    assert (await asked(issuer, receiver, "POST", "/events/subjects/remove", said)).status == 403


async def test_the_transmitter_says_where_subjects_and_verifications_are_asked_for(issuer: Issuer) -> None:
    described = (await issuer.browser().get("/.well-known/ssf-configuration")).json()
    for member, path in (
        ("add_subject_endpoint", "subjects/add"), ("remove_subject_endpoint", "subjects/remove"),
        ("verification_endpoint", "verify"), ("status_endpoint", "status"), ("configuration_endpoint", "stream"),
    ):  # fmt: skip
        assert described[member] == f"{ISSUER}/events/{path}"
    assert described["default_subjects"] == "ALL"


async def test_a_stream_goes_with_its_client(both: Issuer) -> None:
    receiver = await receiver_of(both)
    name = await made(both, receiver, {"method": POLL})
    assert (await asked(both, receiver, "POST", "/events/verify", {"stream_id": name})).status == 204
    (event,) = await polled(both, receiver, name)
    assert event["events"] == {VERIFICATION: {}}
    await both.house.clients.delete(receiver[0].id)
    assert await waiting(both) == []
    assert await both.house.store.read(lambda tx: tx.streams.find()) == []
