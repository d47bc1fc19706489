"""The commands as a tree: each has the options that all have, says what it is for, prints JSON, and costs little."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import click
import pytest

from evergrant.cli import main
from evergrant.cli.verbs import VERBS, evergrant
from tests.cli.keeper.calls import CALLS as KEEPER
from tests.cli.scenes import play
from tests.secrecy import record_secrets_in

FAMILY: Final = "<family>"
# Every command but those that go on until they are stopped, in an order in which each finds what it needs.
CALLS: Final = (
    ("client add", "Other", "--type", "service"),
    ("client list",),
    ("client show", "App"),
    ("client update", "App", "--uri", "https://app.example"),
    ("client rotate-secret", "Other"),
    ("user add", "bob@example.com", "--generate"),
    ("user list",),
    ("user show", "bob@example.com"),
    ("user password", "bob@example.com", "--generate"),
    ("user disable", "bob@example.com"),
    ("user enable", "bob@example.com"),
    ("user delete", "bob@example.com", "--yes"),
    ("family list",),
    ("family show", FAMILY),
    ("family end", FAMILY, "--reason", "a test"),
    ("stream list",),
    ("stream show", "Siem"),
    ("stream pause", "Siem", "--reason", "a test"),
    ("stream resume", "Siem"),
    ("stream verify", "Siem"),
    ("stream delete", "Siem", "--yes"),
    ("key list",),
    ("key rotate",),
    ("event list",),
    ("config show",),
    ("config check",),
    ("doctor",),
    ("migrate",),
    ("backup", "everything"),
    ("restore", "everything", "--replace", "--yes"),
    ("store copy", "<data>", "elsewhere"),
    ("store reopen", "<data>", "--yes"),
    ("client delete", "Other", "--yes"),
)
# These name their stores themselves.
NAMED: Final = {"store copy", "store reopen", "keeper copy", "keeper reopen"}
ENDLESS: Final = {"serve", "demo", "chaos", "keeper run", "keeper serve"}


def leaves(command: click.Command = evergrant, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(command)
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    for name in command.list_commands(context):
        under = command.get_command(context, name)
        assert under is not None
        yield from leaves(under, (*path, name))


LEAVES: Final = dict(leaves())


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_the_options_that_all_take(name):
    options = {option for each in LEAVES[name].params for option in each.opts}
    assert "--json" in options
    assert "--data" in options or name in {"chaos", *NAMED}
    assert "--config" in options or name in {"demo", "chaos", *NAMED}


@pytest.mark.parametrize("name", LEAVES)
def test_no_option_of_a_command_hides_behind_another_one(name):
    names = [each.name for each in LEAVES[name].params]
    assert len(names) == len(set(names)), names


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_and_every_option_says_what_it_is_for(name):
    command = LEAVES[name]
    first = (command.help or "").strip().split("\n\n")[0]
    assert re.search(r"[.:]$", first), f"{name}: its first paragraph is no sentence"
    silent = [each.name for each in command.params if isinstance(each, click.Option) and not each.help]
    assert silent == []


def test_every_verb_has_its_line_and_the_tree_has_every_verb():
    assert [verb.name for verb in VERBS] == sorted({name.split()[0] for name in LEAVES}, key=_place)
    assert all(verb.line.endswith(".") for verb in VERBS)


def _place(name: str) -> int:
    return [verb.name for verb in VERBS].index(name)


def test_every_command_is_called_below():
    assert {call[0] for call in (*CALLS, *KEEPER)} | ENDLESS == set(LEAVES)


def test_every_command_prints_one_json_document(tmp_path, monkeypatch, capsys):
    for key, value in {"MEMORY_KIB": "7168", "ITERATIONS": "1", "PARALLELISM": "1"}.items():
        monkeypatch.setenv(f"EVERGRANT_PASSWORD_{key}", value)
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EVERGRANT_SERVER_LISTEN", "127.0.0.1:1")
    play("a family that lives", tmp_path / "data")
    play("a receiver of security events", tmp_path / "data")
    family = ""
    for verb, *rest in CALLS:
        code = main([*verb.split(), *(_named(word, family, tmp_path) for word in rest), "--json"])
        out = capsys.readouterr().out
        record_secrets_in(out)
        said = json.loads(out)
        assert code == (6 if verb == "doctor" else 0), verb
        assert isinstance(said, dict | list), verb
        family = said[0]["id"] if verb == "family list" else family


def _named(word, family, folder):
    paths = {"<data>": folder / "data", "everything": folder / "everything", "elsewhere": folder / "elsewhere"}
    return family if word == FAMILY else str(paths.get(word, word))


PROBE: Final = """
import sys
from evergrant.cli import main
code = main(sys.argv[1:])
print(sorted({name.partition(".")[0] for name in sys.modules} | {n for n in sys.modules if n.startswith("evergrant.")}))
sys.exit(code)
"""
HEAVY: Final = {"apsw", "argon2", "asyncio", "cryptography", "jinja2", "joserfc", "msgspec", "uvicorn", "uvloop"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["serve", "--help"], ["client", "add", "--help"]])
def test_asking_for_help_loads_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, timeout=60, check=True
    )  # fmt: skip
    loaded = set(re.findall(r"'([^']+)'", done.stdout.splitlines()[-1]))
    assert "click" in loaded
    assert loaded & HEAVY == set()
    assert {
        name for name in loaded if name.startswith(("evergrant.issuer", "evergrant.store", "evergrant.keys"))
    } == set()


def test_reading_loads_no_web_server_and_no_templates(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "event", "list", "--data", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert set(re.findall(r"'([^']+)'", done.stdout)) & {"uvicorn", "jinja2", "argon2"} == set()
