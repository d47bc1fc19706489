"""The command line beside a running server, on the same data directory. Two workers, because that is harder."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import joserfc.jws
import pytest
import requests

from tests.interop.application import Application
from tests.interop.person import Person
from tests.interop.server import SETTINGS, Server
from tests.served import wait_for

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("beside-a-server")]

CALLBACK: Final = "https://app.example/callback"
# A worker looks for changes twice a second; more than this is a change that was not seen.
SEEN: Final = 10
ASKED: Final = 12
PATIENCE: Final = 60
HOUR: Final = 3_600
DAY: Final = 24 * HOUR


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer"), f"{SETTINGS}\n[server]\nworkers = 2\n") as running:
        yield running


class SignedIn:
    """One person signed in to one application, both made for one test."""

    def __init__(self, server: Server, name: str, *options: str, type_: str = "spa") -> None:
        self.server, self.email = server, f"{name}@example.com"
        self.account_id = server.add_person(self.email)
        self.application = Application(server, server.add_client(name, type_, *options, redirect_uri=CALLBACK))
        self.browser = Person(server.issuer, self.email)
        self.held: dict[str, Any] = self.application.redeem(self.browser.goes(self.application.authorize_url()))

    def refresh(self) -> requests.Response:
        answer = self.application.refresh(self.held["refresh_token"])
        if answer.status_code == 200:
            self.held = answer.json()
        return answer

    def userinfo(self) -> int:
        bearer = {"authorization": f"Bearer {self.held['access_token']}"}
        return requests.get(f"{self.server.issuer}/userinfo", headers=bearer, timeout=PATIENCE).status_code

    def at_home(self) -> bool:
        """Whether the browser is still let into the account area."""
        url = f"{self.server.issuer}/account"
        return self.browser.session.get(url, allow_redirects=False, timeout=PATIENCE).status_code == 200

    def assert_out(self, error: str = "invalid_grant") -> None:
        answer = self.refresh()
        assert (answer.status_code, answer.json()["error"]) == ({"invalid_client": 401}.get(error, 400), error)
        assert self.userinfo() == 401


def kids(server: Server) -> set[str]:
    return {key["kid"] for key in requests.get(f"{server.issuer}/jwks", timeout=PATIENCE).json()["keys"]}


def everywhere(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds as often as it takes to have asked every worker."""
    return wait_for(lambda: all(condition() for _ in range(ASKED)), SEEN)


def test_disabling_a_user_ends_their_browser_and_their_families_at_once(server):
    ada = SignedIn(server, "disabled")
    assert (ada.at_home(), ada.userinfo()) == (True, 200)

    said = server.command("user", "disable", ada.email)

    assert (said["sessions_ended"], said["families_ended"]) == (1, 1)
    ada.assert_out()
    assert not ada.at_home()

    server.command("user", "enable", ada.email)
    ada.assert_out()


def test_a_password_set_here_ends_what_was_held_with_the_old_one(server):
    ada = SignedIn(server, "forgetful")

    said = server.command("user", "password", ada.email, "--password-stdin", stdin="another long password\n")

    assert (said["sessions_ended"], said["families_ended"]) == (1, 1)
    ada.assert_out()
    assert not ada.at_home()


def test_deleting_a_user_ends_everything_they_hold(server):
    ada = SignedIn(server, "leaving")
    assert server.command("user", "delete", ada.email, "--yes")["families_ended"] == 1
    ada.assert_out()
    assert not ada.at_home()


def test_deleting_a_client_ends_its_families_at_once(server):
    ada = SignedIn(server, "deleted")
    assert server.command("client", "delete", "deleted", "--yes")["families_ended"] == 1
    assert ada.userinfo() == 401
    assert ada.refresh().status_code in {400, 401}
    assert everywhere(lambda: ada.refresh().json()["error"] == "invalid_client")


def test_a_family_that_an_operator_ends_is_dead_with_its_access_tokens(server):
    ada = SignedIn(server, "ended")
    (family,) = server.command("family", "list", "--user", ada.email)

    server.command("family", "end", family["id"], "--reason", "stolen laptop")

    ada.assert_out()
    shown = server.command("family", "show", family["id"])
    assert (shown["reason"], shown["events"][-2]["detail"]) == ("ended_by_operator", "stolen laptop")
    assert shown["events"][-1]["what"] == "family.refused"
    assert ada.at_home()


def test_a_family_is_listed_as_it_is(server):
    ada = SignedIn(server, "listed")
    ada.refresh()
    (family,) = server.command("family", "list", "--client", "listed")
    assert (family["generation"], family["user"], family["client"]) == (1, ada.email, "listed")
    shown = server.command("family", "show", family["id"])
    assert [event["what"] for event in shown["events"]] == ["family.started", "family.rotated"]


def test_j_14_a_rotated_key_is_published_by_every_worker_and_does_not_sign_yet(server):
    ada = SignedIn(server, "rotating")
    before = kids(server)
    made = {key["id"] for key in server.command("key", "rotate", "--alg", "ES256")}

    assert everywhere(lambda: kids(server) == before | made)
    ada.refresh()
    assert signed_by(ada.held["access_token"]) in before
    assert ada.userinfo() == 200


def test_after_a_compromise_every_worker_signs_with_the_new_key_and_disowns_the_old(server):
    ada = SignedIn(server, "compromised")
    (fresh,) = server.command("key", "rotate", "--now", "--yes", "--alg", "ES256")

    assert everywhere(lambda: kids(server) & {fresh["id"]} and ada.userinfo() == 401)
    assert ada.refresh().status_code == 200
    assert signed_by(ada.held["access_token"]) == fresh["id"]
    assert ada.userinfo() == 200


def test_j_14_a_running_server_gives_its_keys_successors_by_itself(tmp_path):
    settings = f"{SETTINGS}\n[housekeeping]\ninterval = 1\n"
    with Server(tmp_path, settings) as server:
        (first,) = kids(server)
        server.advance(90 * DAY - HOUR)
        assert wait_for(lambda: len(kids(server)) == 2, SEEN)
        server.advance(HOUR)
        ada = SignedIn(server, "patient")
        assert signed_by(ada.held["access_token"]) in kids(server) - {first}
        server.advance(DAY)
        assert wait_for(lambda: first not in kids(server), SEEN)
        assert ada.refresh().status_code == 200


def signed_by(token: str) -> str:
    return str(joserfc.jws.extract_compact(token.encode()).headers()["kid"])


def test_a_new_secret_works_at_once_and_the_old_one_for_the_overlap(server):
    ada = SignedIn(server, "secretive", type_="web")
    old = ada.application.client

    fresh = old._replace(secret=server.command("client", "rotate-secret", old.id, "--overlap", "1h")["secret"])
    assert ada.refresh().status_code == 200
    ada.application.client = fresh
    assert everywhere(lambda: ada.refresh().status_code == 200)

    last = fresh._replace(secret=server.command("client", "rotate-secret", old.id, "--overlap", "0")["secret"])
    assert everywhere(lambda: ada.refresh().status_code == 401)
    ada.application.client = last
    assert ada.refresh().status_code == 200


def test_rt_23_a_scope_that_is_taken_away_is_missing_from_the_next_refresh(server):
    ada = SignedIn(server, "narrowed")
    assert "email" in ada.held["scope"].split()
    server.command("client", "update", "narrowed", "--scope", "openid", "--scope", "offline_access")

    def narrowed() -> bool:
        assert ada.refresh().status_code == 200
        return "email" not in ada.held["scope"].split()

    assert everywhere(narrowed)


def test_commands_at_the_same_time_all_succeed(server):
    def add(number: int) -> str:
        return server.add_client(f"at once {number}", "spa", redirect_uri=CALLBACK).id

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(add, range(8)))
    assert made <= {client["id"] for client in server.command("client", "list")}


def test_events_can_be_followed_as_they_happen(server):
    ada = SignedIn(server, "followed")
    command = server._command("event", "list", "--follow", "--limit", "1", "--user", ada.email, "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        late = threading.Timer(PATIENCE, following.kill)
        late.start()
        started = json.loads(following.stdout.readline())
        ada.refresh()
        rotated = json.loads(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        _, err = following.communicate(timeout=PATIENCE)
        late.cancel()

    assert (started["what"], rotated["what"]) == ("family.started", "family.rotated")
    assert rotated["number"] > started["number"]
    assert (following.returncode, err.split()) == (130, [b"evergrant:", b"interrupted"])


def test_doctor_asks_the_server_too(server):
    host = server.issuer.removeprefix("http://")
    command = [*server._command("doctor", "--json")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**server._environment(), "EVERGRANT_SERVER_LISTEN": host},
    )  # fmt: skip
    found = {each["check"]: each for each in json.loads(done.stdout)["checks"]}

    assert found["server"]["verdict"] == "ok"
    assert f"{host} is ready" in found["server"]["said"]
    assert found["clock"]["said"] == "simulated: EVERGRANT_TEST_CLOCK is set"
    assert done.returncode == 6


def test_two_servers_do_not_take_one_address(server):
    host = server.issuer.removeprefix("http://")
    done = subprocess.run(
        [sys.executable, "-m", "evergrant", "serve", "--listen", host, "--data", str(server.data)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"evergrant: error: {host}: the address is in use",
        "evergrant: hint: stop the server that has it, or choose another with --listen",
    ]
