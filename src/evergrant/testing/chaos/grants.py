"""The book: who granted what, which tokens came of it, and what spending one of them does to the rest."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from evergrant.clock import Clock
from evergrant.entropy import Entropy
from evergrant.keeper.provider.model import ReuseEffect
from evergrant.testing.chaos.behaviour import Behaviour
from evergrant.testing.chaos.ledger import Ledger
from evergrant.testing.chaos.spending import AccessToken, Lifetime, Outcome, RefreshToken, decide


@dataclass(eq=False, slots=True)
class Family:
    """The tokens of one record of one grant."""

    grant: "Grant"
    record: str
    began_at: int
    head: RefreshToken | None = None
    access: list[AccessToken] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Grant:
    """What a user allowed the client to do."""

    id: str
    user: str
    scope: str
    redirect_uri: str
    at: int
    families: dict[str, Family] = field(default_factory=dict)
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What one record of a token reply is given. *refresh* is empty where there is none."""

    access: AccessToken
    refresh: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What a refresh came to."""

    outcome: Outcome
    family: Family | None = None
    pair: Pair | None = None
    second: bool = False
    killed: tuple[str, ...] = ()


class Book:
    """All grants of one server. Nothing here awaits, so no two requests meet in the middle."""

    def __init__(self, clock: Clock, entropy: Entropy, ledger: Ledger, lifetime: Lifetime) -> None:
        self._clock, self._entropy, self._ledger, self._lifetime = clock, entropy, ledger, lifetime
        self.grants: dict[str, Grant] = {}
        self._refresh: dict[str, tuple[Family, RefreshToken]] = {}
        self._access: dict[str, tuple[Family, AccessToken]] = {}

    def text(self, prefix: str) -> str:
        """A new value nobody can guess."""
        return prefix + urlsafe_b64encode(self._entropy.draw(24)).decode("ascii")

    def grant(
        self, user: str, scope: str, redirect_uri: str, behaviour: Behaviour, *, refreshable: bool
    ) -> tuple[Grant, dict[str, Pair]]:
        """Write a new grant down, and evict the oldest of that user where there are too many."""
        now = self._clock.now()
        grant = Grant(f"grant-{len(self.grants) + 1}", user, scope, redirect_uri, now)
        self.grants[grant.id] = grant
        self._ledger.granted.append(grant.id)
        pairs = {}
        for record in behaviour.records:
            family = grant.families[record.name] = Family(grant, record.name, now)
            access = self._mint(family, behaviour)
            if refreshable:
                family.head = self._successor(family, None, access)
            pairs[record.name] = Pair(access, family.head.value if family.head else "")
        if behaviour.most_grants is not None:
            live = [one for one in self.grants.values() if one.user == user and not one.ended]
            self.end(live[: max(0, len(live) - behaviour.most_grants)], "evicted")
        return grant, pairs

    def refresh(self, value: str, behaviour: Behaviour) -> Spent:
        """Present a refresh token."""
        found = self._refresh.get(value)
        if found is None:
            return Spent(Outcome.DEAD)
        family, token = found
        second = token.spent_at is not None
        if behaviour.kills_first:
            self.end([family.grant], "withdrawn")
        if family.grant.ended:
            return Spent(Outcome.DEAD, family, second=second)
        now = self._clock.now()
        outcome = decide(token, family.began_at, self._lifetime, behaviour, now)
        if outcome is Outcome.REUSED:
            return Spent(outcome, family, None, second, self._punish(family.grant, behaviour))
        if outcome in {Outcome.DEAD, Outcome.EARLY, Outcome.BUSY}:
            return Spent(outcome, family, second=second)
        return Spent(outcome, family, self._serve(outcome, family, token, behaviour, now), second)

    def _serve(self, outcome: Outcome, family: Family, token: RefreshToken, behaviour: Behaviour, now: int) -> Pair:
        token.used.append(now)
        if outcome is Outcome.REPLAYED and token.successors:
            successor = token.successors[-1]
            if successor.access is None or successor.access.dead or _ended(successor.access, now):
                successor.access = self._mint(family, behaviour)
            return Pair(successor.access, successor.value)
        if behaviour.kills_old_access_token:
            for old in family.access:
                old.dead = True
        access = self._mint(family, behaviour)
        if outcome is Outcome.KEPT:
            token.access = access
            return Pair(access, token.value)
        successor = self._successor(family, token, access)
        token.spent_at = now if token.spent_at is None else token.spent_at
        token.successors.append(successor)
        family.head = successor
        return Pair(access, successor.value)

    def _punish(self, grant: Grant, behaviour: Behaviour) -> tuple[str, ...]:
        if behaviour.reuse is ReuseEffect.FAMILY_REVOKED:
            return self.end([grant], "reuse")
        if behaviour.reuse is ReuseEffect.CLIENT_USER_REVOKED:
            return self.end([one for one in self.grants.values() if one.user == grant.user], "reuse")
        return ()

    def _mint(self, family: Family, behaviour: Behaviour) -> AccessToken:
        lifetime = behaviour.access_lifetime
        access = AccessToken(self.text("cha_"), self._clock.now() + lifetime if lifetime else 0)
        family.access.append(access)
        self._access[access.value] = (family, access)
        return access

    def _successor(self, family: Family, parent: RefreshToken | None, access: AccessToken) -> RefreshToken:
        token = RefreshToken(self.text("chr_"), self._clock.now(), parent, access)
        self._refresh[token.value] = (family, token)
        return token

    def end(self, grants: Iterable[Grant], why: str) -> tuple[str, ...]:
        """End grants with all their tokens; the ids of those that lived until now."""
        ended = []
        for grant in list(grants):
            if not grant.ended:
                grant.ended = self._ledger.ended[grant.id] = why
                ended.append(grant.id)
        return tuple(ended)

    def end_access(self, value: str) -> None:
        """End one access token and nothing else."""
        if value in self._access:
            self._access[value][1].dead = True

    def end_all_access(self, user: str) -> int:
        """End the access tokens of a user, or of everybody for an empty text, and nothing else; how many lived."""
        living = [
            access
            for family, access in self._access.values()
            if not access.dead and not family.grant.ended and user in {"", family.grant.user}
        ]
        for access in living:
            access.dead = True
        return len(living)

    def of_refresh(self, value: str) -> Grant | None:
        """The grant behind a refresh token, living or not."""
        found = self._refresh.get(value)
        return found[0].grant if found else None

    def of_access(self, value: str) -> Grant | None:
        """The grant behind an access token, living or not."""
        found = self._access.get(value)
        return found[0].grant if found else None

    def passes(self, value: str) -> tuple[Grant, AccessToken] | None:
        """The grant of an access token that is good now."""
        found = self._access.get(value)
        if found is None or found[0].grant.ended or found[1].dead or _ended(found[1], self._clock.now()):
            return None
        return found[0].grant, found[1]

    def of_user(self, user: str) -> Iterator[Grant]:
        """The living grants of a user, oldest first."""
        return (grant for grant in self.grants.values() if grant.user == user and not grant.ended)


def _ended(access: AccessToken, now: int) -> bool:
    return bool(access.ends_at) and now >= access.ends_at
