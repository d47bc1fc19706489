"""A session: one browser signed in at the issuer, and the notices its account has not yet seen.

The cookie's secret is never here, only its digest. Ends are stored with a reason and never undone.
"""

from dataclasses import dataclass

from evergrant.domain.family import Ended


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser. *digest* is of the current cookie, *previous* of the one it replaced.

    The replaced one is good for a moment, and until the new one has *arrived*: an answer may be lost on its way.
    """

    id: str
    account_id: str
    digest: bytes
    previous: bytes | None
    turned_at: int
    started_at: int
    auth_time: int
    amr: str
    idle_end: int
    absolute_end: int
    seen_at: int
    network: str
    agent: str
    label: str
    ended: Ended | None = None
    arrived: bool = True

    def live(self, now: int) -> bool:
        """Whether it may still be used at *now*."""
        return self.ended is None and now < self.idle_end and now < self.absolute_end


@dataclass(frozen=True, slots=True)
class Party:
    """One of the two who held copies of a family's tokens: when and from where it was last seen."""

    at: int
    network: str
    agent: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A suspected theft that its account must be told of at the next sign-in. There is at most one per family."""

    family_id: str
    account_id: str
    client_id: str
    label: str
    at: int
    holder: Party
    presenter: Party
    acknowledged_at: int = 0


def device_label(agent: str) -> str:
    """A name a person recognises, from a User-Agent: `Firefox on Linux`. Unknown parts are left out."""
    systems = (
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
        ("CrOS", "ChromeOS"), ("Mac OS", "macOS"), ("Macintosh", "macOS"), ("Linux", "Linux"),
    )  # fmt: skip
    programs = (
        ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"), ("python", "Python"), ("node", "Node.js"),
    )  # fmt: skip
    system = next((name for mark, name in systems if mark in agent), "")
    program = next((name for mark, name in programs if mark in agent), "")
    return f"{program} on {system}" if program and system else program or system or "Unknown device"
