"""docs/keeper/start.md and the keeper's part of README.md are followed word for word; what they show happens."""

import os
import re
import tomllib
from base64 import b64encode
from contextlib import ExitStack
from typing import Final

import pytest

from evergrant.config import load
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.event import What
from evergrant.keeper.serving.metrics import CONNECTIONS, EVENTS, LETTERS
from tests.cli.keeper.pages import Follower, examples, same
from tests.secrecy import belongs_to_client
from tests.written import Terminal, blocks, lines, page

pytestmark = [pytest.mark.long, pytest.mark.needs("curl")]
START: Final = page("docs/keeper/start.md")
README: Final = page("README.md")
LINE: Final = '{"client": "github_app", "account": "a", "access_token": "ghu_0123456789", "expires_at": 4102444800}'
CHAOS: Final = "127.0.0.1:39943"


@pytest.fixture
def follower(tmp_path):
    belongs_to_client(tmp_path)  # a desk: the configuration of a trial, with the secret of a client of chaos
    with ExitStack() as servers:
        yield Follower(tmp_path, servers)


def learned(follower: Follower, command: str, said: list[str]) -> None:
    """Remember the addresses and ids of this run that the page shows others for."""
    if command.startswith("evergrant chaos"):
        follower.finds(CHAOS, r"API to call +http://(127\.0\.0\.1:\d+)/", said)
        follower.finds("ccf514a48f07bcc8fe776eace652fc306eb8ec0c891e83cf", r"Control token +(\S+)", said)
    elif command.startswith("evergrant demo"):
        follower.finds("127.0.0.1:8000", r"Issuer +http://(127\.0\.0\.1:\d+)", said)
        (follower.folder / "demo.said").write_text("\n".join(said))
    elif command.startswith("evergrant client add"):
        follower.finds("cli_zc0swoJPNWkMlsjoF1sWTQ", r"(cli_[\w-]{22})", said)
    elif command.startswith("evergrant family list"):
        follower.finds("fam_OMoJ0UV35SXM6N4V36vXkA", r"(fam_[\w-]{22})", said)


def test_the_first_page_is_followed_from_nothing_to_a_token_and_through_two_accidents(follower):
    for command, shown in examples(START):
        said = follower.types(command)
        learned(follower, command, said)
        if shown:
            assert sorted(map(same, said)) == sorted(map(same, shown)), command
    accounts = follower.types("evergrant keeper list --json")
    assert '"health": "active"' in "\n".join(accounts)


def test_the_readme_connects_an_account_and_gives_its_token_to_curl(follower):
    commands = [command for command, _ in examples(README)]
    assert commands[0].startswith("evergrant chaos")
    for command in commands:
        said = follower.types(command)
        learned(follower, command, said)
        if command.startswith("curl"):
            assert any("ada" in line for line in said), said
        if command == "evergrant keeper list":
            assert any("active" in line for line in said), said
    assert '"health": "revoked"' in "\n".join(follower.types("evergrant keeper list --json"))


def test_the_configuration_that_the_pages_show_is_a_good_one(tmp_path):
    (tmp_path / "github.secret").write_text("s")
    for number, block in enumerate(blocks(START, "toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        assert set(load(file, {}).clients) == set(tomllib.loads(block)["keeper"]["client"])


def test_the_python_of_the_readme_is_python_that_imports():
    found = [block for block in blocks(README, "python") if "keeper" in block]
    assert found
    for block in found:
        names: dict[str, object] = {}
        exec(compile(block, "README.md", "exec"), names)
        assert re.findall(r"async def (\w+)", block)[0] in names


OPERATE: Final = page("docs/keeper/operate.md")


def test_the_page_for_operators_says_commands_that_work_in_their_order(tmp_path):
    terminal = Terminal(tmp_path, {"EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID": "x"})
    terminal.types(f"echo '{LINE}' | evergrant keeper import")
    run, *rest = lines(OPERATE)
    assert run == "evergrant keeper run"
    with terminal.keeps(run) as said:
        assert said[0].startswith("refreshing what is in ")
        for command in rest:
            terminal.types(command)
    assert (tmp_path / "keeper-monday").stat().st_size > 0


def test_the_configuration_of_the_page_for_operators_is_a_good_one(tmp_path):
    [block] = [block for block in blocks(OPERATE, "toml") if "[keeper]" in block and "vault_url" not in block]
    (tmp_path / "evergrant.toml").write_text(block)
    found = load(tmp_path / "evergrant.toml", {"EVERGRANT_KEEPER_WEBHOOK_SECRET": "s"})
    assert set(found.clients) == {"hubspot", "own"}


@pytest.mark.needs("postgres")
def test_the_page_for_operators_holds_for_a_vault_in_a_database(tmp_path, database):
    [block] = [block for block in blocks(OPERATE, "toml") if "vault_url" in block]
    (tmp_path / "evergrant.toml").write_text(block.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "keeper-database").write_text(database)
    (tmp_path / "keeper-keys").write_text(b64encode(os.urandom(32)).decode())
    (tmp_path / "keeper-keys").chmod(0o600)
    told = {"EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID": "x", "EVERGRANT_CONFIG": str(tmp_path / "evergrant.toml")}
    terminal = Terminal(tmp_path, told)
    terminal.types(f"echo '{LINE}' | evergrant keeper import")
    run, *rest = lines(OPERATE)
    with terminal.keeps(run) as said:
        assert said[0].startswith(f"refreshing what is in {database}")
        for command in rest:
            if "keeper.db" not in command:
                terminal.types(command)
    assert not (tmp_path / "evergrant-data" / "keeper.db").exists()


def test_every_health_and_every_metric_that_operators_are_told_of_exists():
    rows = re.findall(r"^\| `(\w+)` \| `([^|]+)` \|", OPERATE, re.MULTILINE)
    assert {health for health, _ in rows} <= set(Health)
    assert {reason for _, said in rows for reason in re.findall(r"\w+", said)} <= set(Reason)
    assert set(re.findall(r'what="([\w.]+)"', OPERATE)) <= set(What)
    assert set(re.findall(r'health="(\w+)"', OPERATE)) <= set(Health)
    named = {CONNECTIONS.name, EVENTS.name, LETTERS.name}
    assert set(re.findall(r"evergrant_keeper_\w+", OPERATE)) <= named
