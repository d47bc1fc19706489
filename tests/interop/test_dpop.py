"""Clients from the package registry for Node with DPoP, at the issuer and at an API that verifies with our verifier."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest

from evergrant.clock import FileClock
from evergrant.resource import Dpop, Possession, Refused, SyncVerifier
from tests.interop.server import API, SETTINGS, Server, forked
from tests.interop.test_node import CALLBACK, Kind, confirm, registered, told

pytestmark = [pytest.mark.needs("node-packages"), pytest.mark.xdist_group("interop-node-dpop")]

KINDS: Final = (Kind("spa", "none", "ES256"), Kind("web", "client_secret_basic", "ES256", CALLBACK))


@pytest.fixture(scope="module", params=[False, True], ids=["own-clock", "nonces"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = f"[tokens]\ndpop_nonce = {str(request.param).lower()}\n{SETTINGS}"
    with Server(tmp_path_factory.mktemp("issuer"), settings) as running:
        running.nonces = request.param
        running.add_person()
        yield running
        assert forked(running.events()) == []


@contextmanager
def api(server: Server) -> Iterator[str]:
    """An API on loopback that demands a nonce of its own in every proof."""

    class Notes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held = Possession("GET", self.path, tuple(self.headers.get_all("DPoP", [])))
            try:
                access = verifier.verify(self.headers.get("Authorization"), scopes=("notes:read",), possession=held)
                status, headers, body = 200, [], {"sub": access.subject, "jkt": access.jkt}
            except Refused as refused:
                status, headers, body = refused.status, refused.headers(), {}
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    origin = f"http://127.0.0.1:{listening.server_port}"
    dpop = Dpop(origin, nonce_keys=(b"k" * 32,), demand_nonce=True)
    clock = FileClock(server.clock_file)
    with SyncVerifier.for_issuer(server.issuer, audience=API, clock=clock, dpop=dpop) as verifier:
        serving = threading.Thread(target=listening.serve_forever, daemon=True)
        serving.start()
        yield origin
        listening.shutdown()
        listening.server_close()
        serving.join(10)


@pytest.mark.parametrize(("kind", "alg"), [(KINDS[0], "ES256"), (KINDS[0], "Ed25519"), (KINDS[1], "ES256")], ids=str)
def test_r9449_5_a_oauth4webapi_with_dpop_is_never_logged_out(server: Server, kind: Kind, alg: str) -> None:
    client = registered(server, f"oauth4webapi {alg}", kind)
    with api(server) as origin:
        more = {"dpopAlg": alg, "resource": origin, "nonces": server.nonces}
        confirm(told(server, "oauth4webapi_dpop", client, kind, **more))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_r9449_8_a_openid_client_with_dpop_is_never_logged_out(server: Server, kind: Kind) -> None:
    client = registered(server, "openid-client", kind)
    checks = told(server, "openid_client_dpop", client, kind, dpopAlg="ES256")
    assert [check["reason"] for check in checks if not check["passed"]] == []
    assert len(checks) == 3
