"""What a deployment and a client may choose about rotation, as data.

A `Policy` is resolved before a decision: one client's rule, capped by the server's limits. Decisions read it and
nothing else. Presets answer section 1 of the requirements (X1, X2): one global switch would be wrong for somebody.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Radius(StrEnum):
    """What a detected reuse ends: the family, or everything of the session, of client and user, or of the user."""

    FAMILY = "family"
    SESSION = "session"
    CLIENT = "client"
    USER = "user"


class Preset(StrEnum):
    """Named rotation rules; the name says whom they are for."""

    PUBLIC = "public"
    CONFIDENTIAL = "confidential"
    FAPI2 = "fapi2"
    MCP = "mcp"


class Rule(NamedTuple):
    """How one client's refresh tokens rotate. *overlap* in seconds, None for the server's default.

    *until_used*: the predecessor lives until its successor is used; *bound_until_used*: so it does in bound families.
    """

    rotate: bool
    until_used: bool
    overlap: int | None
    why: str
    bound_until_used: bool = True


PRESETS: Final[dict[Preset, Rule]] = {
    Preset.PUBLIC: Rule(True, False, None, "RFC 9700 4.14.2: an unbound public client must rotate"),
    Preset.CONFIDENTIAL: Rule(True, True, None, "client authentication stops a thief, so a lost reply may wait a day"),
    Preset.FAPI2: Rule(False, True, None, "FAPI 2.0 5.3.2.1: tokens bound to their sender, and no rotation"),
    Preset.MCP: Rule(True, False, 300, "several processes of one agent share a token and retry minutes apart"),
}


class Policy(NamedTuple):
    """One resolved policy. Durations in seconds. *online_idle* is for families that end with their session.

    *bound_overlap* is the overlap of families that are bound to a key: a thief's copy is worth nothing there.
    """

    rotate: bool = True
    overlap: int = 60
    idle_lifetime: int = 30 * 86_400
    online_idle: int = 14 * 86_400
    repeats_alarm: int = 10
    radius: Radius = Radius.FAMILY
    observe_only: bool = False
    bound_overlap: int = 86_400


class Limits(NamedTuple):
    """What the server allows at most, and what a client that says nothing gets. Durations in seconds."""

    overlap: int = 60
    until_used_max: int = 86_400
    idle_lifetime: int = 30 * 86_400
    absolute_lifetime: int = 365 * 86_400
    max_idle_lifetime: int = 90 * 86_400
    max_absolute_lifetime: int = 730 * 86_400
    access_lifetime: int = 600
    session_idle: int = 14 * 86_400
    radius: Radius = Radius.FAMILY
    observe_only: bool = False


def idle_lifetime(asked: int | None, limits: Limits) -> int:
    """A client's idle lifetime, capped by the server's."""
    return min(limits.idle_lifetime if asked is None else asked, limits.max_idle_lifetime)


def absolute_lifetime(asked: int | None, limits: Limits) -> int:
    """A client's absolute lifetime, capped by the server's."""
    return min(limits.absolute_lifetime if asked is None else asked, limits.max_absolute_lifetime)


def resolve(rule: Rule, idle: int | None, limits: Limits) -> Policy:
    """The policy of a client with *rule* and its own idle lifetime under the server's *limits*."""
    longest = limits.until_used_max
    overlap = min(limits.overlap if rule.overlap is None else rule.overlap, longest)
    return Policy(
        rotate=rule.rotate,
        overlap=longest if rule.until_used else overlap,
        bound_overlap=longest if rule.until_used or rule.bound_until_used else overlap,
        idle_lifetime=idle_lifetime(idle, limits),
        online_idle=min(idle_lifetime(idle, limits), limits.session_idle),
        radius=limits.radius,
        observe_only=limits.observe_only,
    )
