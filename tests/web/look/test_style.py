"""The style sheet: enough contrast in light and dark, nothing loaded, every name that is used has a value."""

import re

import pytest

from evergrant.web.look.assets import static_file, static_path

SHEET = static_file(static_path("evergrant.css").removeprefix("/static/")).body.decode()  # type: ignore[union-attr]

# Text on ground: WCAG 1.4.3 asks 4.5. Borders of fields, icons and the ring of the focus: WCAG 1.4.11 asks 3.
TEXT = [
    ("ink", "ground"), ("ink", "surface"), ("ink", "sunken"),
    ("ink-soft", "ground"), ("ink-soft", "surface"), ("ink-soft", "sunken"),
    ("ink-faint", "ground"), ("ink-faint", "surface"), ("ink-faint", "sunken"),
    ("accent", "ground"), ("accent", "surface"), ("accent-strong", "surface"), ("accent", "sunken"),
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-danger", "danger"), ("on-danger", "danger-strong"),
    ("good-ink", "good-ground"), ("warning-ink", "warning-ground"), ("bad-ink", "bad-ground"),
]  # fmt: skip
EDGES = [("line-field", "surface"), ("line-field", "ground"), ("focus", "surface"), ("focus", "ground"),
         ("focus", "sunken"), ("danger", "surface")]  # fmt: skip


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)
    named = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return named if scheme == "light" else named | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_rightly() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_can_be_read(scheme: str, front: str, back: str) -> None:
    named = colours(scheme)
    assert contrast(named[front], named[back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), EDGES)
def test_fields_and_focus_can_be_seen(scheme: str, front: str, back: str) -> None:
    named = colours(scheme)
    assert contrast(named[front], named[back]) >= 3


def test_light_and_dark_name_the_same_colours() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)
    assert set(re.findall(r"--([a-z-]+): #", light)) == set(re.findall(r"--([a-z-]+): #", dark))


def test_every_name_used_has_a_value_and_is_needed() -> None:
    made = set(re.findall(r"--([a-z0-9-]+):", SHEET))
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", SHEET))
    assert made == used


def test_r9700_4_2_a_the_style_sheet_loads_nothing() -> None:
    assert "url(" not in SHEET
    assert "@import" not in SHEET
    assert "@font-face" not in SHEET


def test_motion_only_for_those_who_did_not_ask_for_less() -> None:
    outside = re.sub(r"@media \(prefers-reduced-motion: no-preference\) \{.*?\n\}", "", SHEET, flags=re.DOTALL)
    assert "transition" not in outside
    assert "animation" not in outside
