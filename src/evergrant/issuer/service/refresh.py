"""Refreshing: the main verb. Checks, one settle, two signatures.

Order (RFC 9449 requirement 2.b by analogy): token's own MAC, client, scope and resource syntax, then the decision in
the store. Randomness is drawn before the transaction: entropy is no decision. What fails after the commit is repaired
by repeating the request.
"""

from asyncio import Future, ensure_future
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.domain.reason import Refusal
from evergrant.domain.rotation import Ask as Presentation
from evergrant.domain.rotation import Presented, Settlement, Successor, Verdict, decide
from evergrant.domain.scope import ScopeSyntaxError, join, parse_scope
from evergrant.domain.secret import digest
from evergrant.domain.token import SECRET_LENGTH, RefreshToken
from evergrant.entropy import Entropy
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.answering import tokens
from evergrant.issuer.service.minting import JTI_LENGTH, Minter, Target
from evergrant.issuer.service.people import id_token_claims
from evergrant.issuer.settings import Settings
from evergrant.issuer.tally import Tally
from evergrant.keys.ring import Ring
from evergrant.keys.successor import DRAW_LENGTH, draw, unseal
from evergrant.protocol.error import Code, Refused, refused
from evergrant.protocol.resource import known_resources
from evergrant.store.port import Store, whole

HEAD_DIGEST: Final = "refresh token"


class RefreshAsk(NamedTuple):
    """One refresh as it arrived. *scope* as sent, None when it was not; *gone* says whether the client has hung up.

    *binding*: what the request proves (`domain.binding`).
    """

    token: str
    scope: str | None
    resources: tuple[str, ...]
    network: str
    agent: str
    gone: Callable[[], bool]
    binding: str = ""


class _Owed(NamedTuple):
    """A settled refresh whose answer has still to be made."""

    family: Family
    target: Target
    refresh: str
    unique: bytes
    binding: str


class Refresher:
    """Refreshes tokens against one store."""

    def __init__(
        self, store: Store, catalog: Catalog, minter: Minter, settings: Settings, clock: Clock, entropy: Entropy,
        tally: Tally,
    ) -> None:  # fmt: skip
        self._store, self._catalog, self._minter = store, catalog, minter
        self._settings, self._clock, self._entropy, self._tally = settings, clock, entropy, tally

    async def refresh(self, client: Client, ask: RefreshAsk, now: int) -> dict[str, Any]:
        """The answer's members. Raises `Refused`; `StoreUnavailable` when a retry is safe."""
        return await self._whole(client, await self._settled(client, ask, now), now)

    def begin(
        self, client: Client, ask: RefreshAsk, now: int, done: Callable[[dict[str, Any] | BaseException], None]
    ) -> None:
        """As `refresh`, without a task: *done* gets the members, or what went wrong after the settle was asked for."""
        settling = ensure_future(self._settled(client, ask, now))
        settling.add_done_callback(partial(self._told, client, now, done))

    def _told(
        self, client: Client, now: int, done: Callable[[dict[str, Any] | BaseException], None], future: "Future[Any]"
    ) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            done(error)
        elif isinstance(settled := future.result(), _Owed):
            owing = ensure_future(self._whole(client, settled, now))
            owing.add_done_callback(partial(self._told, client, now, done))
        else:
            done(settled)

    async def _whole(self, client: Client, settled: "dict[str, Any] | _Owed", now: int) -> dict[str, Any]:
        if not isinstance(settled, _Owed):
            return settled
        extra = await id_token_claims(self._store, settled.family)
        return whole(self._members(client, settled, now, extra))

    def _settled(self, client: Client, ask: RefreshAsk, now: int) -> "Awaitable[dict[str, Any] | _Owed]":
        """Everything that needs no store, then one settle, and the answer or what it still lacks."""
        ring = self._catalog.ring
        token = ring.read(ask.token)
        if token is None:
            self._tally.refreshed(Verdict.REFUSE, Refusal.MALFORMED)
            raise refused(Refusal.MALFORMED)
        known = self._settings.resources
        resources = known_resources(ask.resources, known, client.resources) if ask.resources else ""
        presentation = Presentation(
            client.id, ask.binding, _asked_scope(ask.scope), resources, ask.network, ask.agent, self._clock.suspect,
            self._clock.lead, client.confidential, self._catalog.epoch,
        )  # fmt: skip
        # Drawn here, once for all: entropy is not a decision, but what follows from it in the decision is pure.
        randomness, version = self._entropy.draw(DRAW_LENGTH + JTI_LENGTH), ring.mac_version(now)
        presented = Presented(token.family_id, token.generation, digest(HEAD_DIGEST, token.secret))
        policy = self._catalog.policy(client)

        def decision(family: Family | None) -> Settlement:
            # Held up for long, a request may come after its own repetition was answered and that answer used: two
            # generations late, and taken for theft. Whoever hung up gets nothing anyway, and comes again.
            if ask.gone():
                raise Refused(Code.TEMPORARILY_UNAVAILABLE, "Try again; nothing was changed.", "the client hung up")
            following, sealed = draw(token, version, randomness)
            successor = Successor(digest(HEAD_DIGEST, following.secret), sealed)
            settlement = decide(family, presented, presentation, successor, policy, now)
            if family is not None and settlement.refusal is None:
                self._target(client, family, presentation)  # what it raises leaves everything unspent
            return settlement

        def finish(settlement: Settlement) -> Generator[None, None, dict[str, Any] | _Owed]:
            self._tell(settlement)
            following = RefreshToken(version, token.family_id, token.generation + 1, randomness[:SECRET_LENGTH])
            refresh = _handed_out(ring, token, following, ask.token, settlement)
            members = self._finished(client, settlement, presentation, refresh, now, randomness[DRAW_LENGTH:])
            return (yield from members)

        return self._store.settle_then(token.family_id, decision, finish)

    def _tell(self, settlement: Settlement) -> None:
        self._tally.refreshed(settlement.verdict, settlement.refusal)
        if settlement.ended is not None:
            self._tally.ended(settlement.ended.reason)

    def _finished(
        self, client: Client, settlement: Settlement, ask: Presentation, refresh: str, now: int, unique: bytes
    ) -> Generator[None, None, dict[str, Any] | _Owed]:
        """The answer, unless the ID token wants claims that must first be read."""
        family = settlement.family
        if family is None or settlement.head is None:
            raise refused(Refusal.UNKNOWN)
        family = Family(*family[:-2], settlement.head, settlement.ended)
        owed = _Owed(family, self._target(client, family, ask), refresh, unique, ask.binding)
        return owed if family.claims else (yield from self._members(client, owed, now, {}))

    def _target(self, client: Client, family: Family, ask: Presentation) -> Target:
        return self._minter.target(client, ask.scope or family.scope, ask.resources or family.resources)

    def _members(
        self, client: Client, owed: _Owed, now: int, extra: dict[str, Any]
    ) -> Generator[None, None, dict[str, Any]]:
        family, target, refresh, unique, binding = owed
        return tokens(
            self._minter, self._catalog.ring, client, family, target, now, refresh=refresh, extra=extra, unique=unique,
            binding=binding,
        )  # fmt: skip


def _handed_out(ring: Ring, token: RefreshToken, successor: RefreshToken, given: str, settlement: Settlement) -> str:
    """The refresh token that a verdict hands out. Raises `Refused` for the verdicts that hand out none."""
    match settlement.verdict:
        case Verdict.ROTATE:
            return ring.write(successor)
        case Verdict.REFRESH:
            return given
        case Verdict.REPEAT:
            sealed = settlement.head.sealed if settlement.head else None
            same = unseal(token, sealed) if sealed else None
            if same is None:
                raise refused(Refusal.FORGED)
            return ring.write(same)
        case Verdict.REFUSE | Verdict.REUSE:
            raise refused(settlement.refusal or Refusal.UNKNOWN)
        case _:
            assert_never(settlement.verdict)


def _asked_scope(given: str | None) -> str:
    if not given:
        return ""
    try:
        return join(parse_scope(given))
    except ScopeSyntaxError as error:
        raise Refused(Code.INVALID_SCOPE, "The scope holds a character that is not allowed.") from error
