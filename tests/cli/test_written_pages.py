"""README.md and docs/operate/production.md are followed word for word; what they say must happen does."""

import contextlib
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
import requests

from evergrant.assembly import ROUTE_NAMES
from evergrant.domain.event import What
from evergrant.observe.metrics import Metrics
from tests.interop.application import Application
from tests.interop.person import Person
from tests.interop.server import Registered
from tests.secrecy import watch_output
from tests.served import wait_for
from tests.tools import ROOT
from tests.written import PATIENCE, Terminal, blocks, lines, page

pytestmark = pytest.mark.long

README: Final = page("README.md")
PRODUCTION: Final = page("docs/operate/production.md")
ALL: Final = (README, PRODUCTION, page("docs/start.md"), page("CONTRIBUTING.md"))
FOLDERS: Final = ("/etc/evergrant", "/var/lib/evergrant")
ADDRESS: Final = re.compile(r"listening on (http://127\.0\.0\.1:\d+) as (\S+)")


def test_the_readme_has_the_examples_that_are_run_here() -> None:
    assert lines(README) == [
        "make run",
        "make test",
        "python3 -m venv .venv-issuer",
        ". .venv-issuer/bin/activate",
        "pip install .",
        'evergrant client add "My app" --type spa --redirect-uri http://127.0.0.1:3000/callback',
        "echo 'correct horse battery staple' | evergrant user add ada@example.com --password-stdin",
        "evergrant serve",
        ". .venv-issuer/bin/activate",
        "evergrant family list --user ada@example.com",
        "evergrant family show fam_…",
        "evergrant event list --follow",
        "evergrant user disable ada@example.com",
    ]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`|\$ )make ([a-z]+)\b", "\n".join(ALL), re.MULTILINE))))
def test_what_the_pages_make_can_be_made(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_pip_install_gives_a_command_that_works(tmp_path: Path) -> None:
    into = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--target", str(tmp_path / "installed")]
    subprocess.run([sys.executable, "-m", "pip", "install", *into, "."], cwd=ROOT, timeout=120, check=True)
    told = Terminal(tmp_path, {"PYTHONPATH": str(tmp_path / "installed")}).types(
        "python -c 'import evergrant; print(evergrant.__file__)'"
    )
    shutil.rmtree(tmp_path / "installed")  # the examples in it look like the secrets of other tests
    assert told.startswith(str(tmp_path))


@contextlib.contextmanager
def served(terminal: Terminal, line: str) -> Iterator[tuple[str, str]]:
    """A server that the page starts; the address it listens on and the issuer it says it is."""
    with terminal.keeps(line) as said:
        found = ADDRESS.fullmatch(said[0])
        assert found, said
        yield found[1], found[2]


def test_the_readme_gives_an_issuer_in_a_minute_and_its_commands_work_beside_it(tmp_path: Path) -> None:
    _, _, _, _, _, add_client, add_user, serve, _, list_, show, follow, disable = lines(README)
    terminal = Terminal(tmp_path)
    watch_output(tmp_path)
    client = re.search(r"\bcli_[\w-]{22}", terminal.types(add_client))[0]
    assert "ada@example.com" in terminal.types(add_user)
    with served(terminal, serve) as (address, issuer):
        assert address == issuer
        document = requests.get(f"{address}/.well-known/openid-configuration", timeout=30).json()
        assert document["issuer"] == issuer
        assert (tmp_path / "evergrant-data").is_dir()
        redirect_uri = add_client.split()[-1]
        application = Application(
            SimpleNamespace(issuer=issuer), Registered(client, "My app", "", "none", redirect_uri, "ES256")
        )
        ada = Person(issuer, "ada@example.com", re.search(r"'(.*)'", add_user)[1])
        held = application.redeem(ada.goes(application.authorize_url()))
        family = re.search(r"\bfam_[\w-]{22}", terminal.types(list_))[0]
        with terminal.keeps(follow) as told:
            held = application.refresh(held["refresh_token"]).json()
            assert "began" in terminal.types(show.replace("fam_…", family))
            assert "1 family ended" in terminal.types(disable)
            assert wait_for(lambda: any("account.disabled" in line for line in told), PATIENCE)
        assert application.refresh(held["refresh_token"]).json()["error"] == "invalid_grant"
        assert "account_disabled" in terminal.types(show.replace("fam_…", family))
        assert "not https" in terminal.types("evergrant doctor", 6)


def elsewhere(line: str, folder: Path) -> str:
    """The same line, with the machine's folders below a folder of the test."""
    for name in FOLDERS:
        line = line.replace(name, f"{folder}{name}")
    return line


def test_the_way_to_production_is_walked_step_by_step(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    watch_output(tmp_path)
    (settings,) = blocks(PRODUCTION, "toml")
    (tmp_path / "evergrant.toml").write_text(elsewhere(settings, tmp_path), encoding="utf-8")
    typed = [elsewhere(line, tmp_path) for line in lines(PRODUCTION)]
    serving = typed.index("evergrant serve --config evergrant.toml")
    said = {line: terminal.types(line) for line in typed[:serving]}
    assert "the configuration is good" in said["evergrant config check --config evergrant.toml"]
    assert "evergrant.toml, line 3" in said["evergrant config show --config evergrant.toml"]
    for name in FOLDERS:
        assert stat.S_IMODE((tmp_path / name[1:]).stat().st_mode) == 0o700
    with served(terminal, typed[serving]) as (address, issuer):
        assert issuer == "https://login.example.com"
        assert requests.get(f"{address}/readyz", timeout=30).status_code == 200
        assert requests.get(f"{address}/.well-known/openid-configuration", timeout=30).status_code == 421
        for line in typed[serving + 1 :]:
            if "--follow" in line:
                with terminal.keeps(line) as told:
                    pass
                assert "key.added" in told[0]
            else:
                said[line] = terminal.types(f"{line} --yes" if "--now" in line else line)
    assert "fit for production" in said["evergrant doctor"]
    assert "not fit" not in said["evergrant doctor"]
    assert "next" in said["evergrant key rotate"]
    assert stat.S_IMODE((tmp_path / "copy.backup").stat().st_mode) == 0o600
    assert "up to date" in said["evergrant migrate --check"]


def test_a_copy_made_as_the_page_says_starts_an_issuer(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    (backup,) = (line for line in lines(PRODUCTION) if line.startswith("evergrant backup"))
    with served(terminal, "evergrant serve --data one"):
        terminal.types(
            "echo 'correct horse battery staple' | evergrant user add ada@example.com --password-stdin --data one"
        )
        terminal.types(f"{backup} --data one")
    assert "1 account" in terminal.types(f"evergrant restore {backup.split()[-1]} --data two")
    (tmp_path / "one" / "key-encryption-key").rename(tmp_path / "two" / "key-encryption-key")
    with served(terminal, "evergrant serve --data two"):
        assert "ada@example.com" in terminal.types("evergrant user list --data two")


@pytest.mark.parametrize("text", [README, PRODUCTION], ids=["README", "production"])
def test_every_command_event_and_metric_that_is_named_exists(text: str, tmp_path: Path) -> None:
    terminal, metrics = Terminal(tmp_path), Metrics(endpoints=ROUTE_NAMES)
    shown = metrics.render().decode()
    metrics.close()
    for command in set(re.findall(r"`(evergrant [a-z]+(?: [a-z][a-z-]*)?)", text)):
        assert "Usage:" in terminal.types(f"{command} --help")
    for metric in re.findall(r"`(evergrant_\w+)", text):
        assert f"\n# TYPE {metric} " in f"\n{shown}", metric
    for event in re.findall(r"`((?:family|families|client|key|account|session)\.\w+)`", text):
        assert event in set(What), event
