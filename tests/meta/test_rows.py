"""The checklists and the tests speak of the same rows, and the pages made from the code are up to date."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from tests.meta import claims

SLOW: Final = frozenset({"exploration"})  # visits every state of the small model again
GENERATORS: Final = sorted((claims.ROOT / "docs" / "generate").glob("*.py"))


def _case(script: Path) -> Any:
    return pytest.param(script, id=script.stem, marks=[pytest.mark.long] if script.stem in SLOW else [])


def test_every_id_in_a_test_name_is_a_row() -> None:
    assert claims.unknown() == []


def test_no_row_is_listed_twice() -> None:
    ids = [row.id for group in claims.groups() for row in group.rows]
    assert sorted(set(ids)) == sorted(ids)


def test_every_row_says_what_it_promises_and_what_is_left_in_words() -> None:
    for group in claims.groups():
        for row in group.rows:
            assert row.title.strip(), row.id
            assert "|" not in row.title + row.left, f"{row.id} would break the page's table"


@pytest.mark.parametrize(
    ("name", "carried"),
    [
        ("test_rt_06_many_presenters", ["RT-06"]),
        ("TestOverlap::test_rt_02_and_rt_30_both_copies_live", ["RT-02", "RT-30"]),
        ("test_r6749_5_2_a_failure_is_400", ["R6749-5.2.a"]),
        ("test_r9700_2_1_1_b_is_not_r9700_2_1_b", ["R9700-2.1.1.b", "R9700-2.1.b"]),
        ("test_r6749_a_17_printable", ["R6749-A.17"]),
        ("test_cp_5_and_inv_12", ["CP-5", "INV-12"]),
        ("test_a_10_minute_window_is_no_row", []),
        ("test_start_06_is_no_row", []),
    ],
)
def test_an_id_is_found_wherever_it_stands_in_a_name(name: str, carried: list[str], monkeypatch) -> None:
    monkeypatch.setattr(claims, "tests", lambda: (claims.Test("tests/x.py", name),))
    assert sorted(claims.claims()) == sorted(carried)
    assert claims.unknown() == []


@pytest.mark.parametrize("name", ["test_rt_99_x", "test_a_60_what", "test_r6749_99_x", "test_cp_77", "test_inv_17_y"])
def test_an_id_that_is_no_row_is_told(name: str, monkeypatch) -> None:
    monkeypatch.setattr(claims, "tests", lambda: (claims.Test("tests/x.py", name),))
    assert len(claims.unknown()) == 1
    assert claims.claims() == {}


@pytest.mark.parametrize("script", [_case(script) for script in GENERATORS])
def test_generated_pages_are_up_to_date(script: Path) -> None:
    generator = _loaded(script)
    page: Path = generator.PAGE
    assert page.is_file(), f"{page.name} was never made: make docs"
    assert page.read_text(encoding="utf-8") == generator.render(), f"{page.name} is out of date: make docs"


def _loaded(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"generate_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
