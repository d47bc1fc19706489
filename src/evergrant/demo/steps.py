"""The steps of the tour, in order: their names, addresses and titles. What each says is its template."""

from typing import Final, NamedTuple


class Step(NamedTuple):
    """One step. *short* is its name in the row of steps."""

    key: str
    number: int
    path: str
    short: str
    title: str
    gist: str


SIGN_IN: Final = Step(
    "sign_in", 1, "/", "Sign in", "Sign in once", "At the issuer, with a password that this application never sees."
)
LOOK: Final = Step(
    "look", 2, "/look", "Look", "Look at what you were given", "Three tokens, and the family that one of them begins."
)
REFRESH: Final = Step("refresh", 3, "/refresh", "Refresh", "Refresh", "A spent token is replaced by its successor.")
REPEAT: Final = Step(
    "repeat",
    4,
    "/repeat",
    "Lose a reply",
    "Lose a reply, and try again",
    "The retry gets the same successor, and nobody is signed out.",
)
RACE: Final = Step("race", 5, "/race", "Race", "Refresh ten times at once", "Ten answers, one successor.")
THEFT: Final = Step("theft", 6, "/theft", "Steal", "Steal a token", "A copy is presented from another network.")
AFTERMATH: Final = Step(
    "aftermath",
    7,
    "/aftermath",
    "Aftermath",
    "What the issuer did, and why",
    "The sign-in is dead for the thief, and you are told.",
)

STEPS: Final = (SIGN_IN, LOOK, REFRESH, REPEAT, RACE, THEFT, AFTERMATH)
BY_PATH: Final = {step.path: step for step in STEPS}


def after(step: Step) -> Step | None:
    """The step that comes next, or None after the last."""
    return STEPS[step.number] if step.number < len(STEPS) else None
