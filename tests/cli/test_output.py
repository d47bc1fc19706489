"""The rulebook of the command line, rule by rule."""

import io
import json
import os
import subprocess
import sys

import click
import pytest

from evergrant.cli.output import (
    EXIT_MEANING,
    Column,
    Exit,
    Failure,
    confirm,
    duration,
    emit_line,
    emit_list,
    emit_one,
    emit_secret,
    error,
    instant,
    json_option,
    listed,
    note,
    printable,
    progress,
    run,
    yes_or_no,
)
from evergrant.config import ConfigError
from evergrant.keys.port import KeyUnusable
from evergrant.store.port import StoreUnavailable, StoreUnusable

TOKEN = "egr_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
FAMILIES = [
    {"id": "fam_1", "generation": 14, "device": "Zoë's laptop", "ends_at": 1_767_322_983, "reason": None},
    {"id": "fam_22", "generation": 3, "device": "東京", "ends_at": 1_767_322_983, "reason": "reuse"},
]
COLUMNS = [
    Column("id", "family"),
    Column("generation", right=True),
    Column("device"),
    Column("ends_at", "ends", instant),
    Column("reason"),
]


def command(raises: BaseException | None = None, returns: object = None) -> click.Command:
    def body() -> object:
        if raises is not None:
            raise raises
        return returns

    return click.Command("family", callback=body)


def test_rule_1_a_table_is_aligned_and_on_standard_output(capsys):
    emit_list(FAMILIES, COLUMNS, as_json=False)

    out, err = capsys.readouterr()
    assert out == (
        "family  generation  device        ends                  reason\n"
        "fam_1           14  Zoë's laptop  2026-01-02T03:03:03Z  -\n"
        "fam_22           3  東京          2026-01-02T03:03:03Z  reuse\n"
    )
    assert err == ""


def test_rule_1_json_is_one_document_with_every_key(capsys):
    emit_list(FAMILIES, COLUMNS[:1], as_json=True)

    out, err = capsys.readouterr()
    assert json.loads(out) == FAMILIES
    assert err == ""


def test_rule_1_nothing_to_list_is_an_empty_list_or_a_note(capsys):
    emit_list([], COLUMNS, as_json=True)
    assert capsys.readouterr() == ("[]\n", "")

    emit_list([], COLUMNS, as_json=False, none="no families")
    assert capsys.readouterr() == ("", "evergrant: no families\n")


def test_rule_1_one_record_is_one_document_or_one_line_per_key(capsys):
    emit_one(FAMILIES[0], COLUMNS, as_json=True)
    assert json.loads(capsys.readouterr().out) == FAMILIES[0]

    emit_one(FAMILIES[0], COLUMNS[:2], as_json=False)
    assert capsys.readouterr().out == "family      fam_1\ngeneration  14\n"


def test_rule_1_a_list_that_does_not_end_is_one_document_per_line(capsys):
    for family in FAMILIES:
        emit_line(family)

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == FAMILIES


def test_rule_2_notes_go_to_standard_error_with_their_prefix(capsys):
    note("revoked family fam_1")

    assert capsys.readouterr() == ("", "evergrant: revoked family fam_1\n")


def test_rule_3_an_error_says_what_happened_then_what_to_do(capsys):
    error("family fam_1 was already ended", "see who did it with: evergrant event list --family fam_1")

    assert capsys.readouterr() == (
        "",
        (
            "evergrant: error: family fam_1 was already ended\n"
            "evergrant: hint: see who did it with: evergrant event list --family fam_1\n"
        ),
    )


@pytest.mark.parametrize(
    ("problem", "code", "first"),
    [
        (Failure("no family fam_1", code=Exit.NOT_FOUND), 3, "no family fam_1"),
        (Failure("already ended", code=Exit.CONFLICT), 4, "already ended"),
        (ConfigError(["f.toml, line 1: bad", "f.toml, line 2: worse"]), 2, "f.toml, line 1: bad"),
        (StoreUnavailable("disk full"), 5, "the store is not available: disk full"),
        (StoreUnusable("the database is of a later version"), 5, "the database is of a later version"),
        (KeyUnusable("key.txt is not base64"), 5, "key.txt is not base64"),
        (PermissionError(13, "Permission denied", "/var/lib/evergrant"), 5, "/var/lib/evergrant: permission denied"),
        (click.BadParameter("Not a number.", param_hint="--workers"), 2, "invalid value for --workers: Not a number"),
        (click.FileError("x.toml", "gone"), 2, "could not open file 'x.toml': gone"),
    ],
)
def test_rule_4_every_kind_of_error_has_its_sentence_and_its_exit_code(capsys, problem, code, first):
    assert run(command(problem), []) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"evergrant: error: {first}"
    assert "Traceback" not in err


def test_rule_4_every_problem_of_a_configuration_is_a_line_of_its_own(capsys):
    run(command(ConfigError(["f.toml, line 1: bad", "f.toml, line 2: worse"])), [])

    assert capsys.readouterr().err.splitlines()[:2] == [
        "evergrant: error: f.toml, line 1: bad",
        "evergrant: error: f.toml, line 2: worse",
    ]


def test_rule_4_a_wrong_option_points_to_the_help(capsys):
    assert run(command(), ["--lisen", "x"]) == Exit.USAGE

    assert capsys.readouterr().err.splitlines() == [
        "evergrant: error: no such option '--lisen'",
        "evergrant: hint: see: evergrant --help",
    ]


def test_rule_4_a_defect_is_told_with_its_traceback_and_without_secrets(capsys):
    assert run(command(ValueError(f"bad {TOKEN}\x1b[2J")), []) == Exit.UNEXPECTED

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "evergrant: error: unexpected: ValueError: bad <secret " in err
    assert TOKEN not in err
    assert "\x1b" not in err


def test_rule_4_interruption_is_no_defect(capsys):
    assert run(command(KeyboardInterrupt()), []) == Exit.INTERRUPTED

    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (Exit.NOT_READY, 6), ("text", 0)])
def test_rule_4_a_command_may_end_with_a_code_of_its_own(returned, code):
    assert run(command(returns=returned), []) == code


def test_rule_4_help_is_no_error(capsys):
    assert run(command(), ["--help"]) == Exit.OK
    assert capsys.readouterr().out.startswith("Usage: evergrant")


def test_rule_4_every_exit_code_is_explained():
    assert set(EXIT_MEANING) == set(Exit)


def test_rule_5_instants_and_durations_are_spelled_one_way():
    assert instant(0) == "1970-01-01T00:00:00Z"
    assert [duration(n) for n in (0, 59, 60, 3_661, 273_600, 31_536_000)] == [
        "0s",
        "59s",
        "1m",
        "1h 1m",
        "3d 4h",
        "365d",
    ]
    assert (listed(["a", 1]), listed([]), yes_or_no(0), yes_or_no("x")) == ("a 1", "-", "no", "yes")


def test_rule_6_no_name_can_command_the_terminal_or_break_a_row(capsys):
    evil = "x\x1b[2J\n\r\x9b31m\u202e"
    emit_list([{"device": evil}], [Column("device")], as_json=False)
    emit_list([{"device": evil}], [Column("device")], as_json=True)
    note(evil)

    out, err = capsys.readouterr()
    assert out.isascii()
    assert err.isascii()
    assert len(out.splitlines()) == 2 + 5
    assert "\x1b" not in out + err
    assert printable("plain") == "plain"


def test_rule_6_a_terminal_that_cannot_spell_a_character_gets_it_escaped(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    emit_list(FAMILIES, COLUMNS[2:3], as_json=False)
    narrow.flush()

    assert narrow.buffer.getvalue().decode("latin-1").splitlines()[1:] == ["Zoë's laptop", "\\u6771\\u4eac"]


def test_rule_7_progress_is_silent_where_nobody_watches(capsys):
    with progress(range(3), "counting") as items:
        assert list(items) == [0, 1, 2]

    assert capsys.readouterr() == ("", "")


def test_rule_7_progress_is_shown_on_a_terminal_on_standard_error(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(range(3), "counting") as items:
        list(items)

    assert "evergrant: counting" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_rule_8_a_question_that_nobody_can_answer_names_its_option(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(Failure) as refused:
        confirm("delete client cli_1?", yes=False)

    assert refused.value.hint == "say so on the command line: --yes"
    assert refused.value.exit_code == Exit.USAGE
    confirm("delete client cli_1?", yes=True)


@pytest.mark.parametrize(("answer", "goes_on"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_rule_8_a_question_is_asked_on_standard_error_and_no_is_the_default(monkeypatch, capsys, answer, goes_on):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    if goes_on:
        confirm("delete client cli_1?", yes=False)
    else:
        with pytest.raises(Failure) as refused:
            confirm("delete client cli_1?", yes=False)
        assert refused.value.exit_code == Exit.CONFLICT

    assert capsys.readouterr().out == ""


def test_rule_9_a_secret_stands_alone_on_standard_output(capsys):
    emit_secret("s3cret-s3cret", "client secret")

    assert capsys.readouterr() == (
        "s3cret-s3cret\n",
        "evergrant: this client secret is shown once and stored nowhere in clear: keep it now\n",
    )


def test_every_command_can_take_json():
    @click.command
    @json_option
    def show(as_json: bool) -> int:
        return Exit.OK if as_json else Exit.NOT_FOUND

    assert run(show, ["--json"]) == Exit.OK


PROGRAM = """
import sys, click
from evergrant.cli.output import Column, emit_list, run
@click.command
def lines():
    emit_list(({"n": n} for n in range(100000)), [Column("n")], as_json=False)
sys.exit(run(lines, []))
"""


def test_a_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().strip() == "n"
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()

    assert (process.wait(), complaints) == (0, "")


def test_ascii_terminals_get_whole_tables():
    program = PROGRAM.replace('{"n": n} for n in range(100000)', '{"n": "Zoë"} for n in range(1)')
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == "n\nZo\\xeb\n"
