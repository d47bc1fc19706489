"""Words for what the issuer wrote down: reasons, refusals and events as a person would say them."""

from datetime import UTC, datetime
from typing import Final

from evergrant.domain.event import MEANING, Event
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.session import device_label

WHY: Final[dict[str, str]] = {
    Reason.REUSE: "a spent token came back",
    Reason.IDLE: "it was not used for too long",
    Reason.ABSOLUTE: "its longest lifetime was over",
    Reason.REVOKED: "the application gave it back",
    Reason.CODE_REPLAYED: "its sign-in code was used twice",
    Reason.SIGNED_OUT: "the browser was signed out",
    Reason.SIGNED_OUT_EVERYWHERE: "everything was signed out",
    Reason.ENDED_BY_USER: "its user ended it",
    Reason.PASSWORD_CHANGED: "the password was changed",
    Reason.ACCOUNT_DISABLED: "the account was disabled",
    Reason.ACCOUNT_DELETED: "the account was deleted",
    Reason.CLIENT_DELETED: "the application was deleted",
    Reason.CONSENT_WITHDRAWN: "its user took the consent back",
    Reason.SESSION_EXPIRED: "the browser's session ran out",
    Reason.REPLACED: "a new sign-in took its place",
    Reason.OPERATOR: "the operator ended it",
    Reason.RESTORED: "the database was restored",
    Refusal.WRONG_CLIENT: "another application presented it",
    Refusal.WRONG_KEY: "another key was used",
    Refusal.ENDED: "the family had ended",
    Refusal.CLOCK_SUSPECT: "the clock had just jumped",
    Refusal.FORGED: "forged, or a restored database",
    Refusal.AHEAD: "ahead of its row",
    Refusal.SCOPE: "it asked for more than was granted",
    Refusal.TARGET: "it asked for another resource",
    "observed_only": "recorded only: nothing was ended",
}
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400


def why(reason: str) -> str:
    """A reason in plain words; one that nobody worded is shown as it is stored."""
    return WHY.get(reason, reason.replace("_", " "))


def meaning(event: Event) -> str:
    """What an event tells, as a sentence."""
    said = MEANING[event.what]
    return said[0].upper() + said[1:]


def who(event: Event) -> str:
    """Which program, from which network; empty for what the issuer did by itself."""
    return party(event.agent, event.network)


def party(agent: str, network: str) -> str:
    """A program and a network, as far as they are known."""
    return " from ".join(part for part in (device_label(agent) if agent else "", network) if part)


def hms(at: int) -> str:
    """An instant of today: 12:00:04."""
    return f"{datetime.fromtimestamp(at, tz=UTC):%H:%M:%S}"


def left(seconds: int) -> str:
    """A remaining time in its two largest units: 9 min 58 s."""
    if seconds <= 0:
        return "none"
    for size, unit, smaller, rest in (
        (DAY, "day", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if seconds >= size:
            count, more = seconds // size, seconds % size // smaller
            name = f" {unit}s" if unit == "day" and count != 1 else f" {unit}"
            return f"{count}{name}" + (f" {more} {rest}" if more else "")
    return f"{seconds} s"
