"""No OAuth library at all: plain requests and a JSON Web Token library, as somebody with an afternoon would do it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
import requests

from evergrant.domain.event import What
from tests.interop.application import Application
from tests.interop.person import Person
from tests.interop.server import API, Server, forked
from tests.secrecy import record_secret, record_secrets_in

pytestmark = pytest.mark.xdist_group("interop-python")

CALLBACK: Final = "https://app.example/callback"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer")) as running:
        running.add_person()
        yield running
        assert forked(running.events()) == []


def signed_in(application: Application, **asked: str) -> Any:
    return application.redeem(Person(application.server.issuer).goes(application.authorize_url(**asked)))


@pytest.fixture
def application(request: pytest.FixtureRequest, server: Server) -> Application:
    client = server.add_client(request.node.name, "spa", redirect_uri=CALLBACK)
    return Application(server, client)


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
def test_pyjwt_verifies_tokens_by_the_published_keys(server: Server, alg: str) -> None:
    client = server.add_client(f"PyJWT {alg}", "spa", "--alg", alg, redirect_uri=CALLBACK)
    held = signed_in(Application(server, client), resource=API)
    known = requests.get(f"{server.issuer}/.well-known/openid-configuration", timeout=30).json()
    keys = jwt.PyJWKClient(known["jwks_uri"])
    for kind, audience in (("id_token", client.id), ("access_token", API)):
        key = keys.get_signing_key_from_jwt(held[kind])
        claims = jwt.decode(held[kind], key, algorithms=[alg], audience=audience, issuer=server.issuer)
        assert claims["sub"].startswith("usr_")
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(held[kind][:-8] + "AAAAAAAA", key, algorithms=[alg], audience=audience)


def test_joserfc_verifies_ed25519_by_its_new_name(server: Server) -> None:
    client = server.add_client("joserfc", "web", "--alg", "Ed25519", redirect_uri=CALLBACK)
    held = signed_in(Application(server, client))
    keys = joserfc.jwk.KeySet.import_key_set(requests.get(f"{server.issuer}/jwks", timeout=30).json())
    decoded = joserfc.jwt.decode(held["id_token"], keys, algorithms=["Ed25519"])
    assert (decoded.header["alg"], decoded.claims["aud"], decoded.claims["nonce"]) == ("Ed25519", client.id, "n")


def test_rt_06_sixty_four_presenters_of_one_token_all_get_the_same_successor(
    server: Server, application: Application
) -> None:
    held = signed_in(application)
    gate = threading.Barrier(64)

    def presents(_: int) -> requests.Response:
        gate.wait(timeout=60)
        return application.refresh(held["refresh_token"])

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(presents, range(64)))
    assert [answer.status_code for answer in answers] == [200] * 64
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == 64
    assert len(server.events(client_id=application.client.id, what=What.FAMILY_ROTATED)) == 1
    assert len(server.families(client_id=application.client.id)) == 1


def test_rt_13_cp_7_a_restart_logs_nobody_out_and_a_lost_reply_is_repeated_across_it(
    server: Server, application: Application
) -> None:
    held = signed_in(application)
    lost = application.refresh(held["refresh_token"]).json()
    listen = server.issuer.removeprefix("http://")
    server.stop()
    server.start(listen)
    again = application.refresh(held["refresh_token"]).json()
    assert again["refresh_token"] == lost["refresh_token"]
    assert application.refresh(again["refresh_token"]).status_code == 200


def test_rt_35_a_token_where_it_does_not_belong_is_refused_and_written_nowhere(
    server: Server, application: Application
) -> None:
    held = signed_in(application)
    text = held["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": application.client.id}
    url = f"{server.issuer}/token"
    record_secret(text)
    careless = [
        requests.post(url, params={"refresh_token": text}, data=form, timeout=30),
        requests.post(url, json={**form, "refresh_token": text}, timeout=30),
        requests.post(url, files={name: (None, value) for name, value in {**form, "refresh_token": text}.items()},
                      timeout=30),
        requests.post(url, data=f"<r>{text}</r>", headers={"content-type": "application/xml"}, timeout=30),
        requests.get(url, params={**form, "refresh_token": text}, timeout=30),
        requests.get(f"{server.issuer}/userinfo", headers={"authorization": f"Bearer {text}"}, timeout=30),
    ]  # fmt: skip
    assert [answer.status_code for answer in careless] == [400, 400, 400, 400, 405, 401]
    assert application.refresh(text).status_code == 200


def test_form_post_brings_the_code_in_a_body(server: Server, application: Application) -> None:
    person = Person(server.issuer)
    person.goes(application.authorize_url())
    page = person.session.get(application.authorize_url(response_mode="form_post", state="x&y"), timeout=30)
    record_secrets_in(page.text)
    assert page.status_code == 200
    assert f'action="{CALLBACK}"' in page.text
    assert 'name="state" value="x&amp;y"' in page.text
    assert f'name="iss" value="{server.issuer}"' in page.text


def test_what_the_command_line_registers_is_known_to_the_running_server_at_the_next_request(server: Server) -> None:
    for number in range(3):
        service = server.add_client(f"Raw service {number}", "service", "--scope", "notes:read")
        answer = Application(server, service).token(grant_type="client_credentials", scope="notes:read")
        assert answer.status_code == 200, number
        client = server.add_client(f"Raw fresh {number}", "spa", redirect_uri=CALLBACK)
        wanted = {"client_id": client.id, "redirect_uri": CALLBACK, "response_type": "code", "prompt": "none"}
        page = requests.get(f"{server.issuer}/authorize", params=wanted, allow_redirects=False, timeout=30)
        assert page.headers.get("location", "").startswith(CALLBACK), number
