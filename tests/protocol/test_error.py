"""Errors as values: every code has its status, every description its characters, and none reflects input."""

import ast
import re
from pathlib import Path

import evergrant
from evergrant.domain.reason import Refusal
from evergrant.protocol.error import REFUSALS, STATUS, Code, Refused, refused

SRC = Path(evergrant.__file__).parent
# RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E.
ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+\Z")
# What an f-string may put into a description: names of our own parameters, numbers of our own limits, ids we made.
MADE_HERE = {"name", "most", "error", "identity", "MAX_RESOURCES", "MOST_TEXT", "streams"}


def descriptions() -> list[tuple[str, ast.expr]]:
    """The second arguments of every `Refused(...)` in the source."""
    return [
        (f"{file.name}:{node.lineno}", node.args[1])
        for room in ("issuer", "protocol")
        for file in sorted((SRC / room).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused"
    ]


def test_r6749_4_1_2_1_a_every_description_in_the_source_keeps_to_its_characters_and_reflects_nothing() -> None:
    seen = 0
    for place, text in descriptions():
        if isinstance(text, ast.Constant):
            assert ALLOWED.match(text.value), place
            seen += 1
        elif isinstance(text, ast.JoinedStr):
            for part in text.values:
                if isinstance(part, ast.Constant):
                    assert ALLOWED.match(part.value), place
                else:
                    names = {each.id for each in ast.walk(part) if isinstance(each, ast.Name)}
                    assert names <= MADE_HERE, (place, names)
            seen += 1
    assert seen > 30


def test_r6749_5_2_a_every_code_has_a_status_and_400_is_the_rule() -> None:
    for code in Code:
        status = Refused(code, "x").status
        assert status == STATUS.get(code, 400)
    assert {code: status for code, status in STATUS.items() if status not in {400, 500, 503}} == {
        Code.INVALID_CLIENT: 401, Code.INVALID_TOKEN: 401, Code.INSUFFICIENT_SCOPE: 403,
    }  # fmt: skip


def test_r6749_5_2_b_every_refusal_of_a_token_has_one_face() -> None:
    assert set(REFUSALS) == set(Refusal)
    parameters = {Refusal.SCOPE, Refusal.TARGET, Refusal.CLOCK_SUSPECT}
    assert len({REFUSALS[refusal] for refusal in Refusal if refusal not in parameters}) == 1
    for refusal in Refusal:
        error = refused(refusal)
        assert ALLOWED.match(error.description)
        assert error.detail == refusal.value
        assert refusal.value not in error.description


def test_a_description_says_what_to_do_where_a_client_can_do_something() -> None:
    assert "Start the authorization again" in refused(Refusal.REUSED).description
    assert "Try again later" in refused(Refusal.CLOCK_SUSPECT).description
