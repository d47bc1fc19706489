"""Starting and stopping the demo: its addresses, its directory, its sentences, and nothing left behind."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import httpx2
import pytest

from evergrant.config import Config
from evergrant.demo.running import AddressUnusable, Wishes, run
from tests.demo.demonstration import FREE, PATIENCE, demonstration
from tests.tools import ROOT

pytestmark = pytest.mark.long

SOON = 20  # a stop takes half a second; a machine that is busy with other tests takes its time


def folders(place: Path) -> list[Path]:
    return list(place.glob("evergrant-demo-*"))


@contextlib.contextmanager
def taken(port: int = 0) -> Iterator[int]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
        yield sock.getsockname()[1]


def has_ipv6() -> bool:
    """Whether this machine has a second loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def refused(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A demo that does not start."""
    return subprocess.run(
        [sys.executable, "-m", "evergrant", "demo", *options], cwd=ROOT, capture_output=True, text=True,
        timeout=PATIENCE, check=False, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_demo_soon_and_removes_everything(tmp_path: Path, number: signal.Signals) -> None:
    with demonstration(tmp_path) as demo:
        assert folders(tmp_path) == [Path(demo.said["data"])]
        assert (Path(demo.said["data"]) / "evergrant.db").exists()
        demo.walker().sign_in()  # whose connections stay open
        assert demo.stop(number) < SOON
        assert demo.process.returncode == 0
        assert demo.log.read_text() == "evergrant: stopped; everything is removed\n"
        assert folders(tmp_path) == []


def test_a_second_interrupt_does_not_leave_the_directory_behind(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        demo.walker().sign_in()
        demo.process.send_signal(signal.SIGINT)
        assert demo.stop(signal.SIGINT) < SOON
        assert folders(tmp_path) == []


def test_the_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        assert Path(demo.said["data"]).stat().st_mode & 0o077 == 0


def test_ports_that_are_taken_are_replaced_by_others(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        for port in (8000, 8001):
            with contextlib.suppress(OSError):  # somebody else has it, which is as good
                stack.enter_context(taken(port))
        demo = stack.enter_context(demonstration(tmp_path, where=()))
        ports = {urlsplit(demo.said[name]).port for name in ("issuer", "application")}
        assert len(ports) == 2
        assert not ports & {8000, 8001}
        assert demo.walker().sign_in().heading == "Look at what you were given"


def test_two_demos_run_side_by_side_in_one_browser(tmp_path: Path) -> None:
    with demonstration(tmp_path / "one") as one, demonstration(tmp_path / "other") as other:
        walker = one.walker()
        walker.sign_in()
        second = other.walker()
        second.http.cookies.update(walker.http.cookies)
        assert second.sign_in().heading == "Look at what you were given"
        walker.http.cookies.update(second.http.cookies)
        assert walker.get("/look").heading == "Look at what you were given"


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with taken() as port:
        ended = refused("--listen", f"127.0.0.1:{port}", folder=tmp_path)
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        f"evergrant: error: another program listens at 127.0.0.1:{port}",
        "evergrant: hint: leave the option out to have a free port chosen",
    ]
    assert folders(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EADDRNOTAVAIL])
def test_what_the_system_says_about_an_address_is_told(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def denied(_config: Config) -> NoReturn:  # which only other users and other machines get to hear
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("evergrant.demo.running.bound", denied)
    with pytest.raises(AddressUnusable, match=f"nobody can listen at 127.0.0.1:1: {os.strerror(number)}"):
        asyncio.run(run(Wishes(listen="127.0.0.1:1"), print))


def test_one_address_for_both_servers_is_an_error(tmp_path: Path) -> None:
    with taken() as port:
        pass
    address = f"127.0.0.1:{port}"
    ended = refused("--listen", address, "--app-listen", address, folder=tmp_path)
    assert ended.returncode == 4
    assert "another program listens" in ended.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_the_demo_never_listens_beyond_loopback(tmp_path: Path, address: str) -> None:
    ended = refused("--app-listen", address, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert folders(tmp_path) == []


@pytest.mark.parametrize("host", ["localhost", *(["[::1]"] if has_ipv6() else [])])
def test_the_other_names_of_loopback_will_do(tmp_path: Path, host: str) -> None:
    with demonstration(tmp_path, where=("--listen", f"{host}:0", "--app-listen", f"{host}:0")) as demo:
        assert demo.said["issuer"].startswith(f"http://{host}:")
        walker = demo.walker()
        assert walker.sign_in().heading == "Look at what you were given"
        walker.act("/refresh")
        walker.act("/refresh")
        assert walker.steal(0).outcome == "The thief got nothing, and the stolen sign-in is dead"


def test_an_address_that_cannot_be_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    ended = refused("--listen", "8000", folder=tmp_path)
    assert ended.returncode == 2
    assert "HOST:PORT" in ended.stderr


def test_a_named_directory_is_kept_and_a_second_start_goes_on_with_it(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with demonstration(tmp_path, "--data", str(place)) as demo:
        assert demo.said["kept"] is True
        walker = demo.walker()
        walker.sign_in()
        ahead = walker.let_pass(600)
        assert "ahead of your machine" in ahead.words
        first = demo.said["password"]
        assert demo.stop() < SOON
    with demonstration(tmp_path, "--data", str(place)) as demo:
        assert demo.said["password"] != first
        page = demo.walker().sign_in()
        assert page.heading == "Look at what you were given"
        assert "10 min ahead of your machine" in page.words
        assert "2 tokens" not in page.words
        assert "the password was changed" in page.words  # which ended the family of the first start
    assert (place / "evergrant.db").exists()


def test_a_real_issuers_directory_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "real"
    subprocess.run(
        [sys.executable, "-m", "evergrant", "user", "add", "bob@example.com", "--data", str(place), "--password-stdin"],
        cwd=ROOT, input="unlikely lantern orbit\n", text=True, capture_output=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    before = (place / "evergrant.db").read_bytes()
    ended = refused("--data", str(place), *FREE, folder=tmp_path)
    assert ended.returncode == 4
    assert "holds an issuer that is not a demo's" in ended.stderr
    assert (place / "evergrant.db").read_bytes() == before


def test_a_developers_own_configuration_does_not_reach_the_demo(tmp_path: Path) -> None:
    os.environ["EVERGRANT_SERVER_ISSUER"] = "https://id.example.com"
    try:
        with demonstration(tmp_path) as demo:
            assert demo.walker().sign_in().heading == "Look at what you were given"
    finally:
        del os.environ["EVERGRANT_SERVER_ISSUER"]


def test_the_demos_issuer_is_a_whole_one(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo, httpx2.Client(base_url=demo.said["issuer"], trust_env=False) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert "evergrant_" in http.get("/metrics").text
        found = http.get("/.well-known/oauth-authorization-server").json()
        assert found["issuer"] == demo.said["issuer"]


def test_people_read_a_table_and_what_to_do_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "evergrant", "demo", *FREE], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert [line.split("  ")[0] for line in lines] == ["Sample application", "Issuer", "Sign in as", "Password"]
    assert errors.splitlines() == [
        "evergrant: open the sample application in a browser and follow the seven steps",
        "evergrant: stop with Ctrl-C; everything is removed then",
        "evergrant: stopped; everything is removed",
    ]


def test_programs_read_one_line_of_json(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        assert set(demo.said) == {"application", "issuer", "username", "password", "data", "kept"}
        assert json.dumps(demo.said)
