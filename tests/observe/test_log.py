"""What the log looks like, and that neither a secret nor a forged line gets into it."""

import io
import json
import logging
import sys
import warnings

import pytest

from evergrant.config import LogConfig
from evergrant.observe.log import Redaction, fields, set_up

TOKEN = "egr_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
LOG = logging.getLogger("evergrant.test")


@pytest.fixture(params=["json", "text"])
def form(request):
    return request.param


@pytest.fixture
def written():
    """Set logging up anew for each call; everything is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("evergrant").level, logging.raiseExceptions)
    showwarning = warnings.showwarning

    def begin(form: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
        stream = stream or io.StringIO()
        set_up(LogConfig(level=level, format=form), stream)
        return stream

    yield begin
    logging.captureWarnings(capture=False)
    warnings.showwarning = showwarning
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.getLogger("evergrant").setLevel(before[2])
    logging.raiseExceptions = before[3]


def test_a_json_line_says_when_what_where_and_more(written):
    stream = written("json")
    LOG.info("listening on %s", "127.0.0.1:8000", extra=fields(workers=2))
    line = json.loads(stream.getvalue())

    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "evergrant.test",
        "message": "listening on 127.0.0.1:8000",
        "workers": 2,
    }


def test_a_text_line_says_the_same(written):
    stream = written("text")
    LOG.info("listening", extra=fields(workers=2, name="a b"))

    assert stream.getvalue().endswith(' info    evergrant.test listening workers=2 name="a b"\n')


def test_auto_is_json_for_machines_and_text_for_terminals(written):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    machine, terminal = io.StringIO(), Terminal()
    written("auto", stream=machine)
    LOG.info("one")
    written("auto", stream=terminal)
    LOG.info("two")

    assert json.loads(machine.getvalue())["message"] == "one"
    assert terminal.getvalue().endswith("two\n")


def test_no_secret_in_messages_arguments_fields_exceptions_and_causes(written, form):
    stream = written(form)

    def inner() -> None:
        raise ValueError(f"cannot read {TOKEN}")

    def outer() -> None:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError(f"Authorization: Bearer {TOKEN}") from error

    try:
        outer()
    except RuntimeError:
        LOG.exception(
            "failed with %s and %r", TOKEN, {"password": "hunter2"}, extra=fields(seen=[TOKEN], cookie="abc123")
        )
    LOG.info(TOKEN, stack_info=True)

    told = stream.getvalue()
    for secret in (TOKEN, TOKEN[4:], "hunter2", "abc123"):
        assert secret not in told
    assert "RuntimeError" in told
    assert "ValueError" in told
    assert "in inner" in told


def test_what_other_libraries_log_is_redacted_as_well(written, form):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stream = written(form)
        logging.getLogger("some.driver").warning("bad value %s", TOKEN)
        warnings.warn(f"strange {TOKEN}", stacklevel=1)

    assert stream.getvalue().count("<secret ") == 2
    assert TOKEN not in stream.getvalue()


def test_a_second_handler_has_nothing_to_give_away_either(written):
    written("json")
    other = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(other))
    LOG.error("with %s", TOKEN, exc_info=ValueError(TOKEN))

    assert "<secret " in other.getvalue()
    assert TOKEN not in other.getvalue()


def test_a_message_cannot_forge_a_line_or_command_a_terminal(written, form):
    stream = written(form)
    evil = "x\n2026-01-01T00:00:00.000Z info evergrant forged\r\x1b[2J\u2028\x85"
    LOG.info(evil, extra=fields(agent=evil))

    told = stream.getvalue()
    assert told.count("\n") == 1
    assert told.splitlines() == [told.rstrip("\n")]
    assert "\x1b" not in told


def test_the_lines_of_a_traceback_cannot_pass_for_records(written):
    stream = written("text")
    LOG.error("failed", exc_info=ValueError("a\n2026-01-01T00:00:00.000Z info evergrant forged"))

    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_the_level_is_what_was_configured(written):
    stream = written("json", "warning")
    LOG.info("too quiet")
    LOG.warning("loud enough")
    logging.getLogger("some.driver").info("never")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud enough"]


def test_setting_up_twice_writes_once(written):
    written("json")
    stream = written("json")
    LOG.info("once")

    assert len(stream.getvalue().splitlines()) == 1
    handlers = logging.getLogger().handlers
    assert sum(any(isinstance(each, Redaction) for each in handler.filters) for handler in handlers) == 1


def test_a_log_that_cannot_be_written_costs_no_request(written, capfd):
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    written("json", stream=Full())
    LOG.info("lost")

    assert capfd.readouterr().err == ""


def test_arguments_that_do_not_fit_are_told_and_redacted(written):
    stream = written("json")
    LOG.info("%d things", TOKEN)

    assert "do not fit" in stream.getvalue()
    assert TOKEN not in stream.getvalue()


def test_a_field_cannot_replace_what_the_line_says_of_itself(written):
    stream = written("json")
    LOG.warning("real", extra=fields(level="info", message="forged"))
    line = json.loads(stream.getvalue())

    assert (line["level"], line["message"]) == ("warning", "real")


def test_the_servers_own_log_goes_the_same_way(written):
    server = logging.getLogger("uvicorn.error")
    server.addHandler(logging.StreamHandler(sys.stderr))
    stream = written("json")
    server.warning("from below")

    assert json.loads(stream.getvalue())["logger"] == "uvicorn.error"
    assert server.handlers == []
