"""Logout tokens and security events reach a real receiver, once each if it can, and are checked by another library."""

from typing import Any

import pytest

from evergrant.assembly import Outward
from evergrant.domain.client import Client, ClientType
from evergrant.domain.ending import End
from evergrant.domain.event import What
from evergrant.domain.receiver import Delivery
from evergrant.issuer.service.outbox import Outbox
from evergrant.protocol.basic import write_basic
from evergrant.protocol.security_event import CREDENTIAL_CHANGE, LOGOUT, SESSION_REVOKED, SUPPORTED, VERIFICATION
from evergrant.testing.in_process import ISSUER, Issuer, Reply
from tests.issuing import Held, claims_of, is_oauth_error, whats
from tests.receiving import body_of, checked, receiving

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


def outbox(issuer: Issuer) -> Outbox:
    return next(one for one in issuer.life.companions if isinstance(one, Outbox))


async def keys(issuer: Issuer) -> Any:
    return (await issuer.browser().get("/jwks")).json()


async def waiting(issuer: Issuer) -> list[Delivery]:
    return await issuer.house.store.read(lambda tx: tx.deliveries.find())


async def held_by(issuer: Issuer, name: str, address: str, **changes: Any) -> Held:
    client, secret = await issuer.client(ClientType.WEB, name, backchannel_logout_uri=address, **changes)
    return Held(issuer, client, secret, await issuer.signed_in(client, secret, scope="openid offline_access"))


async def sign_out(held: Held) -> None:
    from evergrant.domain.reason import Reason
    from evergrant.issuer.service.ends import end_session

    session, now = claims_of(held.access)["sid"], held.issuer.clock.now()
    await held.issuer.house.store.write(lambda tx: end_session(tx, session, Reason.SIGNED_OUT, now))


async def asked(
    issuer: Issuer, receiver: tuple[Client, str], method: str, path: str, members: dict[str, Any] | None = None
) -> Reply:
    headers = {"authorization": write_basic(receiver[0].id, receiver[1]), "content-type": "application/json"}
    body = b"" if members is None else body_of(members)
    headers["content-length"] = str(len(body))
    return await issuer.browser().send(method, path, body, headers)


async def test_bcl_2_4_a_a_logout_token_says_what_it_must_and_no_more(both: Issuer) -> None:
    with receiving() as receiver:
        held = await held_by(both, "App", receiver.address, id_token_alg="RS256")
        await held_by(both, "Untold", "")
        await sign_out(held)
        assert await outbox(both).round() == 1
        (token,) = receiver.tokens()
        claims = checked(token, await keys(both), held.client.id, ISSUER, "logout+jwt")
        mine, now = claims_of(held.access), both.clock.now()
        assert {**claims, "jti": ""} == {
            "iss": ISSUER, "aud": held.client.id, "iat": now, "exp": now + 120, "jti": "", "sub": mine["sub"],
            "sid": mine["sid"], "events": {LOGOUT: {}},
        }  # fmt: skip
        assert await waiting(both) == []
        assert await outbox(both).round() == 0
        assert len(receiver.got) == 1


async def test_clients_of_other_sessions_are_told_nothing(issuer: Issuer) -> None:
    with receiving() as one, receiving() as two:
        first = await held_by(issuer, "One", one.address)
        await held_by(issuer, "Two", two.address)
        await sign_out(first)
        await outbox(issuer).round()
        assert (len(one.got), len(two.got)) == (1, 0)


async def test_bcl_2_5_a_deliveries_go_side_by_side_and_are_retried_for_passing_trouble_alone(
    both: Issuer,
) -> None:
    with receiving() as busy, receiving() as wrong:
        busy.answers, wrong.answers = [503, 429], [400]
        client, secret = await both.client(ClientType.WEB, "Wrong", backchannel_logout_uri=wrong.address)
        browser = both.browser()
        other = Held(both, client, secret, await both.signed_in(client, secret, browser))
        client, secret = await both.client(ClientType.WEB, "Busy", backchannel_logout_uri=busy.address)
        await both.signed_in(client, secret, browser)
        await sign_out(other)
        assert await outbox(both).round() == 2
        assert len(await waiting(both)) == 1
        assert await outbox(both).round() == 0  # not yet due
        for wait in (2, 4):
            both.clock.advance(wait)
            assert await outbox(both).round() == 1
        assert (len(busy.got), len(wrong.got), await waiting(both)) == (3, 1, [])
        counted = both.house.metrics.render().decode()
        for outcome, number in (("arrived", 1), ("put_off", 2), ("given_up", 1)):
            assert f'evergrant_deliveries_total{{outcome="{outcome}"}} {number}\n' in counted
        assert (await whats(both)).count(What.RECEIVER_NOT_TOLD) == 1


async def test_bcl_2_5_a_a_client_that_stays_away_is_given_up(issuer: Issuer) -> None:
    with receiving() as receiver:
        address = receiver.address
    held = await held_by(issuer, "Away", address)
    await sign_out(held)
    await outbox(issuer).round()
    for _ in range(12):
        issuer.clock.advance(300)
        await outbox(issuer).round()
    assert await waiting(issuer) == []
    assert What.RECEIVER_NOT_TOLD in await whats(issuer)


async def test_a_sender_that_lost_its_lease_sends_nothing_more(both: Issuer) -> None:
    with receiving() as receiver:
        held = await held_by(both, "App", receiver.address)
        first, house = outbox(both), both.house
        second = Outbox(
            house.store, house.catalog, house.settings, house.kek, both.clock, Outward(house.config).post, "another"
        )
        await sign_out(held)
        assert await second.round() == 1
        await sign_out(await held_by(both, "Next", receiver.address))
        assert await first.round() == 0
        both.clock.advance(60)
        assert await first.round() == 1
        assert len(receiver.got) == 2
        await first.stop()  # lets go at once
        await sign_out(await held_by(both, "Last", receiver.address))
        assert await second.round() == 1


async def test_an_end_of_a_kind_that_is_not_known_here_stops_nothing(both: Issuer) -> None:
    """Another version of the product may write it, while the two run side by side (attack O-12)."""
    with receiving() as receiver:
        held = await held_by(both, "App", receiver.address)
        strange = End(both.clock.now(), "reason_of_a_later_version", claims_of(held.access)["sub"])
        await both.house.store.write(lambda tx: tx.endings.add([strange]))
        await sign_out(held)
        assert await outbox(both).round() == 1


@pytest.mark.parametrize(
    "uri", ["http://app.example/out", "https://app.example/out#x", "https://u:p@app.example/", "app", "https://"]
)
async def test_a_back_channel_that_cannot_be_asked_safely_is_not_registered(issuer: Issuer, uri: str) -> None:
    from evergrant.issuer.service.clients import BadRegistration

    with pytest.raises(BadRegistration):
        await issuer.client(ClientType.WEB, "App", backchannel_logout_uri=uri)


async def test_u_15_an_address_that_leads_into_a_private_network_is_never_asked(issuer: Issuer) -> None:
    held = await held_by(issuer, "App", "https://10.0.0.7/out")
    await sign_out(held)
    assert await outbox(issuer).round() == 1
    assert await waiting(issuer) == []
    assert What.RECEIVER_NOT_TOLD in await whats(issuer)


async def test_the_metadata_offer_back_channel_logout_and_a_transmitter(issuer: Issuer) -> None:
    document = (await issuer.browser().get("/.well-known/openid-configuration")).json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
    transmitter = (await issuer.browser().get("/.well-known/ssf-configuration")).json()
    assert transmitter["issuer"] == ISSUER
    assert transmitter["delivery_methods_supported"] == [PUSH, POLL]


async def _pushed(issuer: Issuer, address: str, **more: Any) -> tuple[Client, str]:
    receiver = await issuer.client(ClientType.SERVICE, "Receiver", scopes=(), id_token_alg="RS256")
    await made(issuer, receiver, {"method": PUSH, "endpoint_url": address, **more})
    return receiver


async def made(issuer: Issuer, receiver: tuple[Client, str], delivery: dict[str, Any], **more: Any) -> str:
    """The id of a new stream."""
    reply = await asked(issuer, receiver, "POST", "/events/stream", {"delivery": delivery, **more})
    assert reply.status == 201, reply.text
    return str(reply.json()["stream_id"])


async def only(issuer: Issuer, receiver: tuple[Client, str]) -> str:
    """The id of the receiver's one stream."""
    (stream,) = (await asked(issuer, receiver, "GET", "/events/stream")).json()
    return str(stream["stream_id"])


async def test_ssf_1_an_event_is_pushed_signed_and_says_whose_session_ended(both: Issuer) -> None:
    with receiving() as there:
        receiver = await _pushed(both, there.address, authorization_header="Bearer of good news")
        held = await held_by(both, "App", "")
        await sign_out(held)
        assert await outbox(both).round() == 1
        ((headers, _),) = there.got
        assert headers["content-type"] == "application/secevent+jwt"
        assert headers["authorization"] == "Bearer of good news"
        name = await only(both, receiver)
        stream = await both.house.store.read(lambda tx: tx.streams.get(name))
        assert b"good news" not in repr(stream).encode()  # sealed, like every secret that must be known again
        claims = checked(there.tokens()[0], await keys(both), receiver[0].id, ISSUER, "secevent+jwt")
        mine, now = claims_of(held.access), both.clock.now()
        assert not {"exp", "sub", "nonce"} & set(claims)
        assert claims["sub_id"] == {
            "format": "complex", "user": {"format": "iss_sub", "iss": ISSUER, "sub": mine["sub"]},
            "session": {"format": "opaque", "id": mine["sid"]},
        }  # fmt: skip
        assert claims["events"] == {SESSION_REVOKED: {"event_timestamp": now, "initiating_entity": "user"}}


async def test_a_changed_password_and_a_disabled_account_are_told(issuer: Issuer) -> None:
    with receiving() as there:
        receiver = await _pushed(issuer, there.address)
        await issuer.house.accounts.set_password("ada@example.com", "another horse battery staple")
        await issuer.house.accounts.disable("ada@example.com")
        assert await outbox(issuer).round() == 2
        published = await keys(issuer)
        kinds = {
            next(iter(checked(one, published, receiver[0].id, ISSUER, "secevent+jwt")["events"]))
            for one in there.tokens()
        }
        assert kinds == {CREDENTIAL_CHANGE, SESSION_REVOKED}


async def test_ssf_2_a_verification_event_gives_the_state_back(both: Issuer) -> None:
    with receiving() as there:
        there.answers = [202]
        receiver = await _pushed(both, there.address)
        said = {"stream_id": await only(both, receiver), "state": "k7"}
        assert (await asked(both, receiver, "POST", "/events/verify", said)).status == 204
        assert (await asked(both, receiver, "POST", "/events/verify", said)).status == 429
        await outbox(both).round()
        claims = checked(there.tokens()[0], await keys(both), receiver[0].id, ISSUER, "secevent+jwt")
        assert claims["events"] == {VERIFICATION: {"state": "k7"}}
        assert claims["sub_id"] == {"format": "opaque", "id": said["stream_id"]}


async def test_ssf_3_events_are_polled_until_they_are_acknowledged(both: Issuer) -> None:
    receiver = await both.client(ClientType.SERVICE, "Receiver", scopes=())
    answer = (await asked(both, receiver, "POST", "/events/stream", {})).json()
    address = f"/events/poll?stream_id={answer['stream_id']}"
    assert answer["delivery"] == {"method": POLL, "endpoint_url": f"{ISSUER}{address}"}
    for name in ("One", "Two"):
        await sign_out(await held_by(both, name, ""))
    await outbox(both).round()
    now = {"returnImmediately": True}
    first = (await asked(both, receiver, "POST", address, {**now, "maxEvents": 1})).json()
    assert (len(first["sets"]), first["moreAvailable"]) == (1, True)
    again = (await asked(both, receiver, "POST", address, now)).json()
    assert set(first["sets"]) < set(again["sets"])
    assert len(again["sets"]) == 2
    for name, token in again["sets"].items():
        assert checked(token, await keys(both), receiver[0].id, ISSUER, "secevent+jwt")["jti"] == name
    done, bad = sorted(again["sets"])
    settled = {**now, "ack": [done, "unknown"], "setErrs": {bad: {"err": "invalid_key", "description": "no"}}}
    last = (await asked(both, receiver, "POST", address, settled)).json()
    assert last == {"sets": {}, "moreAvailable": False}
    assert (await whats(both)).count(What.RECEIVER_NOT_TOLD) == 1


async def test_ssf_2_a_stream_is_read_changed_paused_and_deleted_by_its_receiver_alone(both: Issuer) -> None:
    with receiving() as there:
        receiver = await _pushed(both, there.address)
        other = await both.client(ClientType.SERVICE, "Other", scopes=())
        name = await only(both, receiver)
        shown = (await asked(both, receiver, "GET", f"/events/stream?stream_id={name}")).json()
        assert shown["events_delivered"] == list(SUPPORTED)
        assert (await asked(both, receiver, "GET", "/events/stream")).json() == [shown]
        assert (await asked(both, other, "GET", f"/events/stream?stream_id={name}")).status == 404
        assert (await asked(both, other, "DELETE", f"/events/stream?stream_id={name}")).status == 404
        changed = {"stream_id": name, "events_requested": [CREDENTIAL_CHANGE, "https://unknown.example"]}
        assert (await asked(both, receiver, "PATCH", "/events/stream", changed)).json()["events_delivered"] == [
            CREDENTIAL_CHANGE
        ]
        paused = {"stream_id": name, "status": "paused", "reason": "night"}
        assert (await asked(both, receiver, "POST", "/events/status", paused)).json() == paused
        await both.house.accounts.set_password("ada@example.com", "another horse battery staple")
        await outbox(both).round()
        assert (there.got, len(await waiting(both))) == ([], 1)
        await asked(both, receiver, "POST", "/events/status", {"stream_id": name, "status": "enabled"})
        await outbox(both).round()
        assert len(there.got) == 1
        assert (await asked(both, receiver, "DELETE", f"/events/stream?stream_id={name}")).status == 204
        assert (await asked(both, receiver, "GET", "/events/stream")).json() == []


@pytest.mark.parametrize(
    "members",
    [
        {"delivery": {"method": "carrier pigeon"}}, {"delivery": {"method": PUSH}}, {"delivery": 7},
        {"delivery": {"method": PUSH, "endpoint_url": "https://10.0.0.7/"}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example/"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://169.254.169.254/latest"}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://127.0.0.1:9/", "authorization_header": "a\r\nb: c"}},
    ],
)  # fmt: skip
async def test_u_15_a_stream_that_leads_astray_or_cannot_be_read_is_refused(
    issuer: Issuer, members: dict[str, Any]
) -> None:
    receiver = await issuer.client(ClientType.SERVICE, "Receiver", scopes=())
    is_oauth_error(await asked(issuer, receiver, "POST", "/events/stream", members), "invalid_request", 400)


async def test_only_services_with_a_secret_are_receivers(issuer: Issuer) -> None:
    web = await issuer.client(ClientType.WEB, "Web")
    is_oauth_error(await asked(issuer, web, "GET", "/events/stream"), "access_denied", 403)
    is_oauth_error(await issuer.browser().send("GET", "/events/stream"), "invalid_client", 400)


async def test_j_07_no_logout_token_or_event_passes_as_an_access_token(issuer: Issuer) -> None:
    with receiving() as there:
        await _pushed(issuer, there.address)
        held = await held_by(issuer, "App", there.address)
        await sign_out(held)
        assert await outbox(issuer).round() == 2
        for token in there.tokens():
            reply = await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {token}"})
            assert reply.status == 401


HOSTILE = [
    b"", b"null", b"[]", b"\xff\xfe", b"[" * 5_000, b'{"delivery":{"method":"' + b"x" * 3_000 + b'"}}',
    b'{"stream_id":"\\u0000","status":"paused","state":"\\u0000","ack":["\\u0000"],"maxEvents":-1}',
    b'{"stream_id":"\\ud800"}', b'{"maxEvents":99999999999999999999,"returnImmediately":true}',
    b'{"returnImmediately":true,"ack":["' + b"a" * 5_000 + b'"],"setErrs":{"\\u0000":{"err":"\\u0000"}}}',
    b'{"returnImmediately":true,"maxEvents":-5}', b'{"status":"enabled","stream_id":7}',
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE)
async def test_inv_14_whatever_a_receiver_sends_is_answered(both: Issuer, body: bytes) -> None:
    receiver = await both.client(ClientType.SERVICE, "Receiver", scopes=())
    await asked(both, receiver, "POST", "/events/stream", {"delivery": {"method": POLL}})
    headers = {"authorization": write_basic(receiver[0].id, receiver[1]), "content-type": "application/json"}
    for method, path in (
        ("POST", "stream"), ("PATCH", "stream"), ("PUT", "stream"), ("POST", "status"), ("POST", "verify"),
    ):  # fmt: skip
        sent = {**headers, "content-length": str(len(body))}
        reply = await both.browser().send(method, f"/events/{path}", body, sent)
        assert reply.status < 500, (method, path, reply.text)
    if b"returnImmediately" in body:
        reply = await both.browser().send("POST", "/events/poll", body, {**headers, "content-length": str(len(body))})
        assert reply.status < 500, reply.text
    for query in ("stream_id=%00", "stream_id=x&stream_id=y", "stream_id=" + "x" * 9_000, "%zz"):
        for path in ("stream", "status"):
            reply = await both.browser().send("GET", f"/events/{path}?{query}", b"", headers)
            assert 400 <= reply.status < 500, reply.text
