"""The picture of a family: every kind of event has its sign, long runs are short, and a cut trail says so."""

from typing import Any

import pytest

from evergrant.cli.event import record
from evergrant.cli.picture import LEGEND, picture
from evergrant.domain.event import Event, What

NOW = 1_800_000_000
OF_ONE_FAMILY = [what for what in What if what.value.startswith("family.")]


def told(what: What, at: int, generation: int, **more: Any) -> dict[str, Any]:
    return record(1, Event(NOW + at, what, "cli_x", "usr_x", "fam_x", generation=generation, **more))


def drawn(*events: dict[str, Any], cut: bool = False) -> list[str]:
    lines = picture(events, cut=cut).splitlines()
    assert lines[:2] == [LEGEND, ""]
    return [" ".join(line.split()) for line in lines[2:]]


@pytest.mark.parametrize("what", OF_ONE_FAMILY)
def test_every_event_of_a_family_is_drawn(what):
    assert len(drawn(told(What.FAMILY_STARTED, 0, 0), told(what, 60, 1))) == 2


def test_what_is_told_of_other_things_is_left_out():
    assert len(drawn(told(What.FAMILY_STARTED, 0, 0), told(What.CONSENT_GIVEN, 1, -1))) == 1


def test_a_year_of_refreshing_every_minute_is_three_lines():
    rotations = [told(What.FAMILY_ROTATED, 60 * n, n) for n in range(1, 9_001)]
    lines = drawn(told(What.FAMILY_STARTED, 0, 0), *rotations)
    assert len(lines) == 4
    assert lines[2] == ": 8998 times rotated in 6d 5h, up to generation 8999"


def test_a_run_is_broken_by_what_matters():
    rotations = [told(What.FAMILY_ROTATED, 60 * n, n) for n in range(1, 21)]
    theft = [told(What.FAMILY_REUSED, 2_000, 10), told(What.FAMILY_ENDED, 2_000, 20, reason="reuse")]
    lines = drawn(told(What.FAMILY_STARTED, 0, 0), *rotations, *theft)
    assert [line.split()[1] for line in lines[-2:]] == ["X", "#"]
    assert lines[-1].endswith("ended: reuse")


def test_where_it_came_from_is_said_when_it_changes():
    home = {"network": "192.0.2.1", "agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"}
    lines = drawn(
        told(What.FAMILY_STARTED, 0, 0, **home),
        told(What.FAMILY_ROTATED, 60, 1, **home),
        told(What.FAMILY_REUSED, 90, 0, network="198.51.100.66", agent="curl/8"),
    )
    assert lines[0].endswith("[192.0.2.1 Firefox on Linux]")
    assert lines[1].endswith("+1m rotated")
    assert lines[2].endswith("[198.51.100.66 curl]")


def test_a_trail_whose_beginning_is_gone_says_so():
    lines = drawn(told(What.FAMILY_ROTATED, 0, 7))
    assert lines[0].startswith(": what came before is no longer in the trail")
    assert drawn(told(What.FAMILY_STARTED, 0, 0), cut=True)[0] == lines[0]
    assert picture([]) == "the audit trail says nothing of this family any more"
