"""Clients from the package registry for Node, each as every kind of client it can be: see `node/*.mjs`."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from tests import tools
from tests.interop.server import API, OPAQUE_API, PASSWORD, PERSON, Registered, Server, forked

pytestmark = [pytest.mark.needs("node-packages"), pytest.mark.xdist_group("interop-node")]

SCRIPTS: Final = tools.NODE_PACKAGES.parent
CALLBACK: Final = "https://app.example/callback"
# Registered without a port: an installed application listens on whichever is free (RFC 8252 section 7.3).
LOOPBACK: Final = "http://127.0.0.1/callback"
LEFT: Final = "https://app.example/left"
SCOPES: Final = ("openid", "profile", "email", "offline_access", "notes:read", "notes:write")


class Kind(NamedTuple):
    """A client to register."""

    type: str
    auth_method: str
    alg: str
    redirect_uri: str = CALLBACK

    def __str__(self) -> str:
        return f"{self.type}-{self.auth_method}-{self.alg}"


PEOPLES: Final = (
    Kind("spa", "none", "ES256"),
    Kind("native", "none", "PS256", LOOPBACK),
    Kind("web", "client_secret_basic", "RS256"),
    Kind("web", "client_secret_post", "Ed25519"),
)
SERVICES: Final = (
    Kind("service", "client_secret_basic", "ES256", ""),
    Kind("service", "client_secret_post", "Ed25519", ""),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer")) as running:
        running.add_person()
        yield running
        assert forked(running.events()) == []


def registered(server: Server, name: str, kind: Kind) -> Registered:
    scopes = SCOPES if kind.redirect_uri else ("notes:read", "notes:write")
    options = [word for scope in scopes for word in ("--scope", scope)]
    options += ["--auth-method", kind.auth_method, "--alg", kind.alg]
    if kind.redirect_uri:
        options += ["--post-logout-redirect-uri", LEFT]
    return server.add_client(f"{name} {kind}", kind.type, *options, redirect_uri=kind.redirect_uri)


def told(server: Server, script: str, client: Registered, kind: Kind, **more: Any) -> list[dict[str, Any]]:
    """Run a script and return its checks; it must have come to its end."""
    redirect_uri = "http://127.0.0.1:49321/callback" if kind.redirect_uri == LOOPBACK else client.redirect_uri
    world = {
        "issuer": server.issuer, "clock": str(server.clock_file), "person": PERSON, "password": PASSWORD, "api": API,
        "opaqueApi": OPAQUE_API,
        "client": {**client._asdict(), "redirect_uri": redirect_uri, "post_logout_redirect_uri": LEFT},
    }  # fmt: skip
    world |= more
    done = subprocess.run(
        [str(tools.node()), f"{script}.mjs"], cwd=SCRIPTS, input=json.dumps(world), capture_output=True, text=True,
        timeout=200, check=False, env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )  # fmt: skip
    server.offset = int(server.clock_file.read_text(encoding="ascii"))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert lines[-1:] == [{"finished": len(lines) - 1}], "the script stopped half way"
    return lines[:-1]


def confirm(checks: list[dict[str, Any]]) -> None:
    assert len(checks) >= 5
    for check in checks:
        print(check["name"])
    failed = [f"{check['name']}: {check['reason']}" for check in checks if not check["passed"]]
    if failed:
        pytest.fail("\n\n".join(failed), pytrace=False)


@pytest.mark.parametrize("kind", PEOPLES, ids=str)
def test_openid_client_is_never_logged_out(server: Server, kind: Kind) -> None:
    client = registered(server, "openid-client", kind)
    confirm(told(server, "openid_client", client, kind))


@pytest.mark.parametrize("kind", PEOPLES, ids=str)
def test_oauth4webapi_finds_every_answer_valid(server: Server, kind: Kind) -> None:
    client = registered(server, "oauth4webapi", kind)
    other = registered(server, f"beside {kind}", PEOPLES[0])
    confirm(told(server, "oauth4webapi", client, kind, other=other._asdict()))


@pytest.mark.parametrize("kind", SERVICES, ids=str)
def test_openid_client_as_a_service(server: Server, kind: Kind) -> None:
    client = registered(server, "openid-client", kind)
    confirm(told(server, "openid_client_service", client, kind))
