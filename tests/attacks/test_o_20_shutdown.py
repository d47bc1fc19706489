"""A server that is told to stop while everybody refreshes: what is under way is finished, and nobody loses a token."""

import re
import threading
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from evergrant.testing.in_process import pkce
from tests.secrecy import record_secrets_in
from tests.served import CALLBACK, NAME, PASSWORD, served, wait_for

FAMILIES = 8
STOPS = 3


def family(server):
    """Sign in, allow, redeem: a refresh token."""
    verifier, challenge = pkce()
    browser = requests.Session()
    query = {
        "client_id": server.client_id, "redirect_uri": CALLBACK, "response_type": "code", "state": "s",
        "scope": "openid offline_access", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    page = browser.get(f"{server.issuer}/authorize", params=query, timeout=30)
    path, more = "/sign-in", {"username": NAME, "password": PASSWORD}
    for _ in range(2):
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text))
        fields = {name: unescape(value) for name, value in fields.items()}
        reply = browser.post(f"{server.issuer}{path}", {**fields, **more}, allow_redirects=False, timeout=30)
        if reply.headers["location"].startswith(CALLBACK):
            break
        page = browser.get(f"{server.issuer}{reply.headers['location']}", timeout=30)
        path, more = "/consent", {"decision": "allow"}
    code = parse_qs(urlsplit(reply.headers["location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": server.client_id}
    answer = requests.post(f"{server.issuer}/token", form, timeout=30)
    record_secrets_in(answer.text)
    return answer.json()["refresh_token"]


def refresh(server, token, session=requests):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": server.client_id}
    return session.post(f"{server.issuer}/token", form, timeout=30)


@dataclass
class Storm:
    """One application that refreshes for as long as it is answered."""

    server: object
    token: str
    done: int = 0
    wrong: list[str] = field(default_factory=list)

    def run(self):
        with requests.Session() as session:
            while True:
                try:
                    answer = refresh(self.server, self.token, session)
                except requests.ConnectionError:
                    return
                if answer.status_code == 503:
                    return
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                    return
                record_secrets_in(answer.text)
                self.token = answer.json()["refresh_token"]
                self.done += 1


@pytest.mark.long
def test_o_20_stopping_in_a_refresh_storm_loses_no_successor(tmp_path):
    tokens = []
    for stop in range(STOPS + 1):
        with served(tmp_path) as server:
            tokens = tokens or [family(server) for _ in range(FAMILIES)]
            storms = [Storm(server, token) for token in tokens]
            threads = [threading.Thread(target=storm.run) for storm in storms]
            for thread in threads:
                thread.start()
            # Whoever was cut off repeats what it last sent: the same successor, never an end of the family.
            assert wait_for(lambda storms=storms: all(storm.done >= 3 for storm in storms)), [s.wrong for s in storms]
            server.terminate()
            for thread in threads:
                thread.join(30)
            server.process.wait(30)
            assert not any(thread.is_alive() for thread in threads)
        assert [storm.wrong for storm in storms] == [[]] * FAMILIES, f"stop {stop}"
        tokens = [storm.token for storm in storms]
        assert "Traceback" not in server.log.read_text()


def test_o_20_a_request_under_way_is_answered_and_the_next_one_is_not_taken(tmp_path):
    with served(tmp_path) as server:
        body = b"grant_type=refresh_token&refresh_token=x&client_id=" + server.client_id.encode()
        raw = b"POST /token HTTP/1.1\r\nhost: %b\r\ncontent-type: application/x-www-form-urlencoded\r\n" % (
            server.host.encode()
        )
        with server.connect() as link:
            link.sendall(raw + b"content-length: %d\r\n\r\n" % len(body) + body[:10])
            assert wait_for(lambda: server.exchange(b"GET /healthz HTTP/1.0\r\n\r\n"))
            server.terminate()
            assert wait_for(lambda: not _takes(server))
            link.sendall(body[10:])
            answer = link.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"connection: close" in answer
        server.process.wait(30)
        assert "Traceback" not in server.log.read_text()


def _takes(server):
    try:
        server.connect(1).close()
    except ConnectionRefusedError:
        return False
    return True
