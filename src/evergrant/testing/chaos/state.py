"""Everything one chaos provider knows: its facts, its client, its grants, and what is waiting for somebody."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

from evergrant.clock import Clock
from evergrant.entropy import Entropy
from evergrant.keeper.provider.model import Body, ClientAuth, Provider
from evergrant.keys.signing import Signer, make
from evergrant.testing.chaos.addresses import TOKEN, moved, speaks_open_id
from evergrant.testing.chaos.behaviour import Behaviour, behaviour_of
from evergrant.testing.chaos.client_auth import Registered, Shown, proves
from evergrant.testing.chaos.grants import Book, Grant, Pair
from evergrant.testing.chaos.ledger import Ledger
from evergrant.testing.chaos.replies import put, token_members
from evergrant.testing.chaos.spending import Lifetime
from evergrant.testing.chaos.wire import Request
from evergrant.testing.chaos.wishes import InForce

CODE_SECONDS: Final = 60
DEVICE_SECONDS: Final = 600
DEVICE_INTERVAL: Final = 5
# GitHub answers with a form unless the request asks for JSON; no fact of a provider says so yet.
_FORM_UNLESS_ASKED: Final = frozenset({"github_app", "github_oauth_app"})


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that waits for its user, or the code that came of it."""

    redirect_uri: str
    scope: str
    params: Mapping[str, str]
    user: str = ""
    at: int = 0


@dataclass(slots=True)
class Device:
    """A device that waits (RFC 8628). *user* is who let it in; *denied* that somebody refused."""

    user_code: str
    scope: str
    at: int
    polled_at: int = -DEVICE_INTERVAL
    user: str = ""
    denied: bool = False


@dataclass(eq=False)
class State:
    """One chaos provider. *facts* is the provider as it is described, `provider` the same on loopback."""

    facts: Provider
    clock: Clock
    entropy: Entropy
    modes: InForce
    client: Registered
    control_token: str
    user: str
    """Who consents where nobody is asked; empty: the page asks."""
    late: bool = False
    origin: str = ""
    ledger: Ledger = field(default_factory=Ledger)
    codes: dict[str, Asked] = field(default_factory=dict)
    redeemed: dict[str, Grant] = field(default_factory=dict)
    waiting: dict[str, Asked] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def book(self) -> Book:
        """All grants."""
        facts = self.facts
        lifetime = Lifetime(facts.refresh_idle, facts.refresh_hard, bool(facts.hard_restarts_on_rotation))
        return Book(self.clock, self.entropy, self.ledger, lifetime)

    @cached_property
    def base(self) -> Behaviour:
        """The provider's usual behaviour."""
        return behaviour_of(self.facts)

    @cached_property
    def provider(self) -> Provider:
        """The provider with its addresses here."""
        return moved(self.facts, self.origin, late=self.late)

    @cached_property
    def signer(self) -> Signer:
        """What signs ID tokens; made when the first one is needed."""
        return Signer(make("ES256"), "ES256")

    def release(self) -> None:
        """Let go of the answers that are held now."""
        self.released.set()
        self.released.clear()

    def params(self, request: Request) -> dict[str, str]:
        """What a token request says, in the one encoding this provider reads."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        match self.facts.body:
            case Body.QUERY:
                return dict(request.query)
            case Body.JSON if media == "application/json":
                return _members(request.body)
            case Body.FORM if media == "application/x-www-form-urlencoded":
                return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        return {}

    def unproven(self, request: Request, params: Mapping[str, str], ways: Collection[ClientAuth] = ()) -> str:
        """What is wrong with the client's proof of itself; empty when it is right. *ways*: others than usual."""
        audiences = (self.provider.issuer, self.origin + TOKEN) if self.provider.issuer else (self.origin + TOKEN,)
        shown = Shown(request.headers.get("authorization", ""), params, audiences, self.clock.now())
        return proves(self.client, ways or self.facts.client_auth, shown)

    def form(self, request: Request, behaviour: Behaviour) -> bool:
        """Whether the answer is a form."""
        asked = "json" in request.headers.get("accept", "")
        return behaviour.form_encoded or (self.facts.id in _FORM_UNLESS_ASKED and not asked)

    def reply(
        self, grant: Grant, pairs: Mapping[str, Pair], behaviour: Behaviour, *, refreshed: bool, nonce: str = ""
    ) -> dict[str, Any]:
        """The members of a token reply."""
        now = self.clock.now()
        members = token_members(
            pairs, grant, behaviour, refreshed=refreshed, now=now, origin=self.origin,
            separator=self.facts.scope_separator,
        )  # fmt: skip
        self._ends(members, grant, now)
        if behaviour.skew:
            ends = next(iter(pairs.values())).access.ends_at
            members |= {"created_at": now + behaviour.skew, "expires_at": ends + behaviour.skew}
        if speaks_open_id(self.facts) and "openid" in grant.scope.split():
            members["id_token"] = self._id_token(behaviour.subject or grant.user, now + behaviour.skew, nonce)
        return behaviour.members(members) if behaviour.members else members

    def _ends(self, members: dict[str, Any], grant: Grant, now: int) -> None:
        """Say how long the refresh token lives, where this provider says it."""
        facts = self.facts
        for record in facts.records:
            if record.reply.refresh_idle and facts.refresh_idle:
                put(members, record.reply.refresh_idle, facts.refresh_idle)
            if record.reply.refresh_hard and facts.refresh_hard:
                began = now if facts.hard_restarts_on_rotation else grant.at
                put(members, record.reply.refresh_hard, began + facts.refresh_hard - now)

    def _id_token(self, user: str, now: int, nonce: str) -> str:
        claims = {"iss": self.origin, "sub": user, "aud": self.client.client_id, "iat": now, "exp": now + 3_600}
        if nonce:
            claims["nonce"] = nonce
        return self.signer.sign("JWT", json.dumps(claims).encode())


def _members(body: bytes) -> dict[str, str]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return {name: str(value) for name, value in read.items()} if isinstance(read, dict) else {}
