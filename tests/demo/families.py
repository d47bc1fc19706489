"""Families with a history, made by the real decision table: what a picture is drawn from."""

from dataclasses import dataclass, field

from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.policy import Policy
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Ask, Presented, Settlement, Successor, decide

BEGAN = 1_700_000_000
RAW = bytes(range(16))
NAME = ids.text(ids.Kind.FAMILY, RAW)
OWNER = ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "192.0.2.1")
THIEF = ("curl/8.11.1", "203.0.113.66")
POLICY = Policy(overlap=60, idle_lifetime=1_000)


def digest(generation: int) -> bytes:
    return generation.to_bytes(32, "big")


@dataclass
class History:
    """One family as its presentations make it."""

    now: int = BEGAN
    policy: Policy = POLICY
    trail: list[Event] = field(default_factory=list)
    family: Family = field(init=False)

    def __post_init__(self) -> None:
        agent, network = OWNER
        head = Head(0, digest(0), None, 0, 0, None, 0, self.now + 1_000, self.now, network, agent)
        self.family = Family(
            RAW, "cli_a", "usr_a", "gra_a", "ses_a", False, "openid", "", "", self.now, "", "pwd", "", "Firefox",
            self.now, self.now + 5_000, head,
        )  # fmt: skip
        self.tell(What.FAMILY_STARTED, 0)

    def tell(self, what: What, generation: int, reason: str = "", who: tuple[str, str] = OWNER) -> None:
        agent, network = who
        event = Event(self.now, what, "cli_a", "usr_a", NAME, "ses_a", reason, generation, network, agent)
        self.trail.append(event)

    def present(self, generation: int, who: tuple[str, str] = OWNER, after: int = 1) -> Settlement:
        """Present the token of a generation, some seconds later."""
        self.now += after
        agent, network = who
        drawn = Successor(digest(self.family.head.generation + 1), b"sealed")
        settlement = decide(
            self.family, Presented(RAW, generation, digest(generation)), Ask("cli_a", network=network, agent=agent),
            drawn, self.policy, self.now,
        )  # fmt: skip
        self.trail.extend(settlement.events)
        if settlement.head is not None:
            self.family = self.family._replace(head=settlement.head)
        if settlement.ended is not None:
            self.end(settlement.ended.reason)
        return settlement

    def refresh(self, count: int = 1, who: tuple[str, str] = OWNER) -> None:
        for _ in range(count):
            self.present(self.family.head.generation, who)

    def end(self, reason: Reason) -> None:
        self.family = self.family._replace(ended=Ended(self.now, reason), head=self.family.head._replace(sealed=None))
