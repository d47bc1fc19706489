"""The pages of the sample application: their contexts, and turning one into HTML with the issuer's own look."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from evergrant.demo.assets import static_path as own_path
from evergrant.demo.drawing import GLYPHS, LOCK
from evergrant.demo.outcome import Outcome
from evergrant.demo.shown import FamilyShown, Held
from evergrant.demo.steps import STEPS, Step
from evergrant.demo.theft import Choice
from evergrant.web.look.assets import static_path
from evergrant.web.look.template import templates

BRAND: Final = "Sample application"


State = Literal["here", "done", "open", "closed"]


class Stop(NamedTuple):
    """One step in the row of steps."""

    step: Step
    state: State


class Check(NamedTuple):
    """What the issuer says of the access token at this moment; *silent* when it did not answer."""

    userinfo: int = 0
    active: bool = False
    silent: bool = False


class ClockShown(NamedTuple):
    """The demo's clock, and how far it has been moved."""

    clock: str
    ahead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPage:
    """One step of the tour. Nobody is signed in when *held* is None."""

    csrf: str
    step: Step
    row: tuple[Stop, ...]
    onward: Step | None
    issuer: str
    username: str
    clock: ClockShown
    held: Held | None = None
    family: FamilyShown | None = None
    check: Check | None = None
    outcome: Outcome | None = None
    choices: tuple[Choice, ...] = ()
    thief: str = ""
    toured: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TroublePage:
    """Says what happened and what to do. *again*: where the button leads."""

    title: str
    what_happened: str
    what_to_do: str
    again: str
    again_words: str
    code: str = ""


class SamplePages:
    """Every page, compiled once."""

    def __init__(self) -> None:
        """Compile the templates; the shared ones are there too."""
        environment = templates(
            "evergrant.demo",
            brand=BRAND,
            base="",
            stylesheet=static_path("evergrant.css"),
            own_stylesheet=own_path("demo.css"),
            mark=own_path("mark.svg"),
            tour=STEPS,
            glyphs=GLYPHS,
            lock=LOCK,
        )
        self._steps: Final = {step.key: environment.get_template(f"{step.key}.html") for step in STEPS}
        self._trouble: Final = environment.get_template("trouble.html")

    def render(self, page: StepPage | TroublePage) -> str:
        """The HTML of *page*."""
        template = self._trouble if isinstance(page, TroublePage) else self._steps[page.step.key]
        return template.render(page=page)
