"""Each check of doctor, on what should alarm it and on what should not."""

import http.server
import ipaddress
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import apsw
import pytest

from evergrant.cli import main
from evergrant.cli.checks import Finding, Verdict, address, files, registrations, running, signing, trail
from evergrant.cli.checks.facts import Facts, gather
from evergrant.clock import SystemClock
from evergrant.config import Config
from evergrant.domain.client import AuthMethod, Client, ClientType, Consent, SecretDigest
from evergrant.domain.event import Event, What
from evergrant.domain.key import SealedKey, Use
from evergrant.domain.lease import Lease
from evergrant.domain.policy import Preset
from evergrant.entropy import SeededEntropy
from evergrant.issuer.service.housekeeping import LEASE
from evergrant.keys import lifecycle, local
from evergrant.keys.local import LocalKek
from evergrant.store.memory import MemoryStore
from evergrant.store.moving.backup import declare
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.store.sqlite.examine import examine
from evergrant.testing import specimens
from tests.cli.scenes import play

NOW: Final = 1_800_000_000
DAY: Final = 86_400
ANY: Final = ipaddress.ip_network("0.0.0.0/0")
PROXY: Final = ipaddress.ip_network("10.0.0.5/32")
NOTHING: Final = Facts((), (), None, None, {}, 0, None)


def verdicts(found: Iterator[Finding]) -> dict[str, Verdict]:
    return {each.check: each.verdict for each in found}


def well_said(finding: Finding) -> bool:
    """Whether a finding that somebody must act on says why and what to do."""
    return finding.verdict is Verdict.OK or bool(finding.said and finding.why and finding.todo)


# ---- address


PRODUCTION: Final = Config().replace(
    server__issuer="https://id.example.com", server__trusted_proxies=(PROXY,), server__workers=1
)


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({}, "issuer", "ok"),
        ({"server__issuer": ""}, "issuer", "fail"),
        ({}, "proxy", "ok"),
        ({"server__trusted_proxies": ()}, "proxy", "warn"),
        ({"server__trusted_proxies": (ANY,)}, "proxy", "fail"),
        ({"server__trusted_proxies": (ipaddress.ip_network("::/0"),)}, "proxy", "fail"),
        ({"server__trusted_proxies": (), "server__issuer": "", "server__listen": "0.0.0.0:80"}, "proxy", "warn"),
        ({"server__trusted_proxies": (), "server__issuer": ""}, "proxy", "ok"),
        ({"server__client_certificates": True}, "certificates", "ok"),
        ({"server__client_certificates": True, "server__listen": "0.0.0.0:80"}, "certificates", "warn"),
        ({"server__client_certificates": True, "server__trusted_proxies": ()}, "certificates", "fail"),
        ({}, "metrics", "ok"),
        ({"server__metrics_networks": (ANY,)}, "metrics", "fail"),
        ({"server__trusted_proxies": ()}, "metrics", "fail"),
        ({"server__trusted_proxies": (), "server__metrics_networks": ()}, "metrics", "ok"),
        ({}, "workers", "ok"),
        ({"server__workers": 64}, "workers", "warn"),
    ],
)
def test_the_way_in_is_judged(monkeypatch, changes, check, verdict):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    found = list(address.address(PRODUCTION.replace(**changes)))
    assert verdicts(found)[check] == verdict
    assert all(map(well_said, found))


# ---- files


@pytest.fixture
def folder(tmp_path):
    play("a person and an application", tmp_path / "data")
    return tmp_path / "data"


def judged(folder, **changes: Any) -> dict[str, Finding]:
    config = Config().replace(store__data=folder, **changes)
    found = list(files.files(config, folder / FILE_NAME, SystemClock()))
    assert all(map(well_said, found))
    return {each.check: each for each in found}


def test_a_key_beside_the_database_is_warned_of(folder, tmp_path):
    assert judged(folder)["key place"].verdict is Verdict.WARN
    beside = folder / "another"
    assert judged(folder, keys__key_encryption_key_file=beside)["key place"].verdict is Verdict.WARN
    elsewhere = tmp_path / "secrets" / "key"
    assert judged(folder, keys__key_encryption_key_file=elsewhere)["key place"].verdict is Verdict.OK
    assert judged(folder, keys__key_encryption_key=bytes(32))["key place"].verdict is Verdict.OK


def test_a_folder_that_others_may_enter_is_warned_of_and_a_database_they_may_read_fails(folder):
    assert judged(folder)["modes"].verdict is Verdict.OK
    folder.chmod(0o755)
    assert judged(folder)["modes"].verdict is Verdict.WARN
    (folder / FILE_NAME).chmod(0o644)
    assert judged(folder)["modes"].verdict is Verdict.FAIL
    folder.chmod(0o700)
    assert judged(folder)["modes"].verdict is Verdict.OK


@pytest.mark.parametrize(("free", "verdict"), [(2**40, "ok"), (2**29, "warn"), (2**20, "fail")])
def test_a_disk_that_fills_up_is_told(folder, monkeypatch, free, verdict):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert judged(folder)["disk"].verdict == verdict


def test_a_whole_database_is_whole_and_a_damaged_one_is_not(folder):
    assert (judged(folder)["database"].verdict, judged(folder)["sqlite"].verdict) == ("ok", "ok")
    path = folder / FILE_NAME
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096 * 4)
    assert judged(folder)["database"].verdict is Verdict.FAIL


def test_damage_ends_the_examination_with_a_sentence(folder, capsys):
    path = folder / FILE_NAME
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096 * 20)
    assert main(["doctor", "--data", str(folder)]) == 6
    out, err = capsys.readouterr()
    assert "fail  database: " in out
    assert "Traceback" not in out + err


def test_what_is_no_database_is_a_finding(folder, capsys):
    (folder / FILE_NAME).write_bytes(b"a letter to my aunt " * 1000)
    assert main(["doctor", "--data", str(folder)]) == 6
    assert f"fail  database: {folder / FILE_NAME}: this is not a SQLite database" in capsys.readouterr().out


def test_a_large_database_is_looked_at_for_a_while_only(tmp_path):
    path = tmp_path / "large.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 200000)"
                       " INSERT INTO t SELECT randomblob(40) FROM n")  # fmt: skip
    connection.execute("CREATE INDEX i ON t (a)")
    connection.close()
    moments = iter(range(1000))

    assert examine(path, lambda: next(moments), 1.5).whole is None
    assert examine(path, lambda: 0.0, 1.5).whole is True


# ---- keys


def sealed(active: int, *, alg: str = "ES256", created: int = 0, retires: int = 0) -> SealedKey:
    return SealedKey(f"{alg}-{active}", Use.SIGN, alg, b"", "kek", "", 0, created or active - 3_600, active, retires)


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ([sealed(NOW - DAY)], "ok"),
        ([sealed(NOW - 91 * DAY)], "warn"),
        ([sealed(NOW - 91 * DAY), sealed(NOW + 60)], "ok"),
        ([sealed(NOW - 90 * DAY)], "ok"),
        ([sealed(NOW - DAY), sealed(NOW + 60, created=NOW - 60)], "warn"),
    ],
)
def test_a_key_that_nobody_relieves_is_warned_of(keys, verdict):
    (found,) = signing.turns(Config(), NOTHING._replace(keys=tuple(keys)), NOW)
    assert found.verdict == verdict
    assert well_said(found)


def test_an_algorithm_that_a_client_needs_and_nobody_signs_with_fails():
    client = web(id_token_alg="RS256")
    found = list(signing.turns(Config(), NOTHING._replace(keys=(sealed(NOW),), clients=(client,)), NOW))
    assert [each.verdict for each in found] == ["ok", "fail"]
    assert "evergrant key rotate --now --alg RS256" in found[1].todo


async def test_a_key_encryption_key_of_another_issuer_fails(tmp_path):
    entropy, store = SeededEntropy("doctor"), MemoryStore()
    kek = LocalKek(entropy.draw(32))
    await store.write(lambda tx: lifecycle.ensure(tx, ("ES256",), kek, entropy, NOW))
    facts = await store.read(lambda tx: gather(tx, NOW))
    config = Config().replace(store__data=tmp_path)
    (tmp_path / FILE_NAME).touch()

    (missing,) = signing.opening(config, facts)
    local.from_file(tmp_path / local.FILE_NAME, entropy, make=True)
    (other,) = signing.opening(config, facts)
    assert [missing.verdict, other.verdict] == ["fail", "fail"]
    assert "does not open" in other.said


# ---- clients


def web(**changes: Any) -> Client:
    shape: dict[str, Any] = {
        "id": "cli_web", "name": "Web", "type": ClientType.WEB, "auth_method": AuthMethod.BASIC,
        "redirect_uris": ("https://web.example/cb",), "scopes": ("openid",),
        "grant_types": ("authorization_code", "refresh_token"), "preset": Preset.CONFIDENTIAL, "created_at": NOW,
        "secrets": (SecretDigest(b"", NOW - DAY, 0),), **changes,
    }  # fmt: skip
    return Client(**shape)


PUBLIC: Final = {"type": ClientType.SPA, "auth_method": AuthMethod.NONE, "preset": Preset.PUBLIC, "secrets": ()}


@pytest.mark.parametrize(
    ("client", "verdict", "words"),
    [
        (web(), "ok", "1 client"),
        (web(redirect_uris=("http://127.0.0.1/cb",)), "warn", "http://127.0.0.1/cb"),
        (web(**PUBLIC), "ok", "1 client"),
        (web(**PUBLIC, redirect_uris=("http://localhost/cb",)), "warn", "http://localhost/cb"),
        (web(**{**PUBLIC, "type": ClientType.NATIVE}, redirect_uris=("http://127.0.0.1/cb",)), "ok", "1 client"),
        (web(**{**PUBLIC, "preset": Preset.FAPI2}), "fail", "do not rotate"),
        (web(preset=Preset.FAPI2), "fail", "without bound tokens"),
        (web(preset=Preset.FAPI2, dpop_bound=True), "ok", "1 client"),
        (web(certificate_bound=True), "fail", "no proxy hands one on"),
        (web(**PUBLIC, consent=Consent.TRUSTED), "warn", "never asks"),
        (web(consent=Consent.TRUSTED), "ok", "1 client"),
        (web(secrets=()), "fail", "no secret that works"),
        (web(secrets=(SecretDigest(b"", NOW - DAY, NOW + DAY),)), "fail", "no secret that works"),
        (web(secrets=(SecretDigest(b"", NOW - 400 * DAY, 0),)), "warn", "400d old"),
        (web(secrets=(SecretDigest(b"", 1, NOW + DAY), SecretDigest(b"", NOW, 0))), "warn", "stops working at"),
        (web(secrets=(SecretDigest(b"", 1, NOW - DAY), SecretDigest(b"", NOW, 0))), "ok", "stopped working at"),
        (web(secrets=(SecretDigest(b"", 1, NOW - 30 * DAY), SecretDigest(b"", NOW, 0))), "ok", "1 client"),
    ],
)
def test_registrations_are_judged(client, verdict, words):
    found = list(registrations.registrations(Config(), NOTHING._replace(clients=(client,)), NOW))
    assert found[0].verdict == verdict
    assert words in found[0].said
    assert all(map(well_said, found))


# ---- the trail


def test_a_clock_that_cannot_be_right_fails():
    newest = NOTHING._replace(newest=Event(NOW, What.SIGNED_IN))
    assert trail.clock(newest, NOW, simulated=False).verdict == "ok"
    assert trail.clock(newest, NOW - 30, simulated=False).verdict == "ok"
    assert trail.clock(newest, NOW - 3_600, simulated=False).said == "the newest event is 1h in the future"
    assert trail.clock(NOTHING, 1_000_000_000, simulated=False).verdict == "fail"
    assert trail.clock(NOTHING, NOW, simulated=True).verdict == "fail"


def test_a_trail_that_is_short_or_not_swept_is_warned_of():
    old = NOTHING._replace(oldest=Event(NOW - 100 * DAY, What.SIGNED_IN))
    young = NOTHING._replace(oldest=Event(NOW - 91 * DAY, What.SIGNED_IN))
    assert trail.retention(Config(), young, NOW).verdict == "ok"
    assert trail.retention(Config(), old, NOW).verdict == "warn"
    assert trail.retention(Config().replace(audit__retention=7 * DAY), NOTHING, NOW).verdict == "warn"


async def test_alarms_of_the_last_days_fail_and_older_ones_are_over():
    store = MemoryStore()
    told = [
        Event(NOW - 30 * DAY, What.FAMILY_FORGED), Event(NOW - DAY, What.FAMILY_AHEAD), Event(NOW, What.FAMILY_REUSED),
        Event(NOW, What.FAMILY_REPEATS_MANY),
    ]  # fmt: skip
    await store.write(lambda tx: tx.events.add(told))
    await store.write(lambda tx: tx.notices.put(specimens.notice(acknowledged_at=0)))
    facts = await store.read(lambda tx: gather(tx, NOW))

    found = list(trail.alarms(facts))
    assert [(each.check, each.verdict) for each in found] == [
        ("alarms", "fail"),
        ("alarms", "warn"),
        ("notices", "warn"),
    ]
    assert found[0].said == "1 event family.ahead in the last 7 days"
    assert all(map(well_said, found))

    quiet = facts._replace(alarms={What.FAMILY_REUSED: 2}, unseen_notices=0)
    (calm,) = trail.alarms(quiet)
    assert (calm.verdict, calm.said) == ("ok", "none in the last 7 days; 2 reuses noticed and dealt with")


async def test_o_03_a_loss_that_was_declared_hides_no_other_alarm_and_is_none_any_more(tmp_path):
    store = SqliteStore.open(tmp_path / "evergrant.db")

    async def alarms(*told: What) -> dict[What, int]:
        await store.write(lambda tx: tx.events.add([Event(NOW, what) for what in told]))
        return (await store.read(lambda tx: gather(tx, NOW))).alarms

    assert await alarms(What.FAMILY_FORGED, What.FAMILY_AHEAD) == {What.FAMILY_FORGED: 1, What.FAMILY_AHEAD: 1}
    for _ in range(2):
        await declare(store, NOW, heads_trusted=True)
        assert await alarms(What.FAMILY_ADOPTED) == {What.FAMILY_FORGED: 1}
    assert await alarms(What.FAMILY_AHEAD) == {What.FAMILY_FORGED: 1, What.FAMILY_AHEAD: 1}
    await store.close()


# ---- a running server


@contextmanager
def answering(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    """A server that says what it is told to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers.get(self.path, (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


KEPT: Final = NOTHING._replace(lease=Lease(LEASE, "node-1:4711:c0ffee", 1, NOW + 60))


def asked(listen: str, facts: Facts = NOTHING) -> dict[str, Finding]:
    found = list(running.running(Config().replace(server__listen=listen), facts))
    assert all(map(well_said, found))
    return {each.check: each for each in found}


def test_a_server_that_is_ready_is_found():
    with answering({"/readyz": (200, "ready\n"), "/metrics": (200, "evergrant_clock_steps_total 0\n")}) as listen:
        found = asked(listen, KEPT)
    assert found["server"].said == f"{listen} is ready; process 4711 on node-1 keeps house"
    assert "clock steps" not in found


def test_a_server_that_is_not_ready_fails_and_one_whose_clock_stepped_is_warned_of():
    with answering({"/readyz": (503, "the store does not answer\n")}) as listen:
        assert asked(listen)["server"].verdict is Verdict.FAIL
    with answering({"/readyz": (200, ""), "/metrics": (200, "# x\nevergrant_clock_steps_total 2\n")}) as listen:
        assert asked(listen)["clock steps"].verdict is Verdict.WARN


def test_a_server_at_another_address_is_warned_of_and_none_is_nothing():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
        assert asked(listen)["server"].verdict is Verdict.OK
        assert asked(listen, KEPT)["server"].verdict is Verdict.WARN


def test_something_that_speaks_no_http_is_nobody():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            link, _ = server.accept()
            with link:
                link.recv(1000)
                link.sendall(b"220 smtp\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        found = asked(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert "no HTTP" in found["server"].said


def test_what_is_fit_for_production_is_said_to_be(tmp_path, monkeypatch, capsys):
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    local.from_file(secrets / "key", SeededEntropy("elsewhere"), make=True)
    settings = tmp_path / "evergrant.toml"
    settings.write_text(
        '[server]\nissuer = "https://id.example.com"\nlisten = "127.0.0.1:1"\ntrusted_proxies = ["10.0.0.5"]\n'
        f'[keys]\nkey_encryption_key_file = "{secrets / "key"}"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40))
    place = ("--config", str(settings), "--data", str(tmp_path / "data"))
    shop = ("--type", "spa", "--redirect-uri", "https://shop.example/cb")
    assert main(["client", "add", "Shop", *shop, *place]) == 0
    capsys.readouterr()

    assert main(["doctor", *place]) == 0
    out, err = capsys.readouterr()
    assert err == "evergrant: fit for production\n"
    assert {line[:4] for line in out.splitlines()} == {"ok  "}
