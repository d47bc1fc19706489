"""Write docs/reference/command-line.md from the commands themselves: `python docs/generate/command_line.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import click

from evergrant.cli.output import EXIT_MEANING
from evergrant.cli.verbs import evergrant

PAGE: Final = Path(__file__).parent.parent / "reference" / "command-line.md"
EVERYWHERE: Final = ("file", "folder", "as_json")

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/command_line.py from the commands in src/evergrant/cli; edit there, not here. -->

# Command line

Every command works on the data directory while a server runs on it; the server knows of a change within a second, and
of an end at once.

- **The answer is on standard output**, and nothing else: a table, or one JSON document with `--json`. Notes, questions,
  errors and progress go to standard error, each line beginning with `evergrant: `.
- **JSON keys are stable.** Instants are seconds since the epoch, durations seconds; what is absent is `null`. A list
  that does not end (`event list --follow`) is one document per line. A secret that is shown once is in the document,
  under `secret` or `password`.
- **Nothing is asked where nobody can answer**: without a terminal, a command that would ask names the option that
  answers.
- Commands that only read never make a store: where there is none, they say so.
- The keeper's commands take `--tenant NAME` where connections are meant, and make a vault only where they put something
  into it.

These options are taken by every command; `demo`, which keeps a place of its own, has no `--config`, and `chaos`, which
keeps nothing, has no `--data` either:

| option | meaning |
|---|---|
| `--config FILE` | the configuration, a TOML file; also `EVERGRANT_CONFIG` |
| `--data DIR` | the directory with the database and the keys; also `EVERGRANT_STORE_DATA`; default `./evergrant-data` |
| `--json` | print one JSON document instead of a table |
| `--help`, `-h` | say how the command is used |

Every key of the [configuration](configuration.md) can be set by its environment variable as well.
"""


def render() -> str:
    """Return the whole page."""
    root = click.Context(evergrant, info_name="evergrant", **evergrant.context_settings)
    commands = [section for name in evergrant.list_commands(root) for section in _sections(root, name)]
    return "\n".join([_INTRODUCTION, *_exit_codes(), *commands])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |\n|---|---|"
    for code, meaning in EXIT_MEANING.items():
        yield f"| {code.value} | {meaning} |"
    yield ""


def _sections(root: click.Context, name: str) -> Iterator[str]:
    context = _below(root, name)
    command = context.command
    yield f"## {name}\n"
    if not isinstance(command, click.Group):
        yield from _described(context)
        return
    yield _text(command)
    for part in command.list_commands(context):
        yield from _part(context, part, name)


def _part(above: click.Context, part: str, name: str) -> Iterator[str]:
    """A command below a verb, or another group and what is below that."""
    context = _below(above, part)
    command = context.command
    if isinstance(command, click.Group):
        yield f"### {name} {part}\n"
        yield _text(command)
        for inner in command.list_commands(context):
            yield from _part(context, inner, f"{name} {part}")
        return
    yield f"### {name} {part}\n"
    yield from _described(context)


def _below(parent: click.Context, name: str) -> click.Context:
    command = cast("click.Group", parent.command).get_command(parent, name)
    if command is None:
        raise LookupError(name)
    return click.Context(command, info_name=name, parent=parent)


def _described(context: click.Context) -> Iterator[str]:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)]).replace("[OPTIONS]", "[OPTION]…")
    yield f"```\n{usage}\n```\n"
    yield _text(command)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    own = [each for each in options if each.name not in EVERYWHERE and "--help" not in each.opts]
    if own:
        yield "| option | meaning |\n|---|---|"
        yield from (_row(each, context) for each in own)
        yield ""


def _row(option: click.Option, context: click.Context) -> str:
    written, meaning = option.get_help_record(context) or ("", "")
    notes = re.search(r"\s\s\[(.*)\]$", meaning)
    if notes:
        meaning = f"{meaning[: notes.start()]} ({notes[1]})"
    return f"| `{_cell(written)}` | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|").replace("<", "&lt;")


def _text(command: Any) -> str:
    """The help text as paragraphs; what click leaves as it is becomes a block of code."""
    parts = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_paragraph(part) for part in parts) + "\n"


def _paragraph(part: str) -> str:
    if not part.startswith("\b\n"):
        return part.replace("<", "&lt;")
    first, *rest = part.removeprefix("\b\n").split("\n")
    return f"{first}\n\n```\n" + "\n".join(line.strip() for line in rest) + "\n```"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
