"""Every test that docs/keeper/defects.md names exists."""

import re

from tests.meta.claims import ROOT

PAGE = ROOT / "docs" / "keeper" / "defects.md"


def test_every_defect_of_the_keepers_page_names_a_test_that_exists():
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "|---" not in line
    ]
    named = {row: re.findall(r"`(test_\w+)`", row) for row in rows[1:] if not row.startswith("| defect | seen")}
    there = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8")))
    assert len(named) > 25
    assert [row for row, tests in named.items() if not tests] == []
    assert {name for tests in named.values() for name in tests} - there == set()
