"""Redeeming an authorization code: where a family begins (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

One transaction: find the code, judge it, spend it, and add the family. Refusals are values, not exceptions, because a
counted miss must be committed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from evergrant.domain import id as ids
from evergrant.domain.binding import to_key
from evergrant.domain.client import REFRESH_TOKEN, Client
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.grant import Code as AuthorizationCode
from evergrant.domain.policy import absolute_lifetime
from evergrant.domain.reason import Reason
from evergrant.domain.scope import OFFLINE, split, within
from evergrant.domain.secret import digest
from evergrant.domain.session import device_label
from evergrant.domain.token import CODE, SECRET_LENGTH, RefreshToken
from evergrant.entropy import Entropy
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.answering import tokens
from evergrant.issuer.service.minting import Minter
from evergrant.issuer.service.people import id_token_claims
from evergrant.issuer.service.refresh import HEAD_DIGEST
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.pkce import proves
from evergrant.protocol.resource import known_resources
from evergrant.store.applying import end_families
from evergrant.store.port import Store, Tx, Which, whole

CODE_DIGEST: Final = "authorization code"
# Two exchanges this close, both proving the same verifier, are one client's race and not a replay (attack C-03).
RACE_SECONDS: Final = 5
PUBLIC_MISSES: Final = 3


class CodeAsk(NamedTuple):
    """One code exchange as it arrived; None where a parameter was absent."""

    code: str
    redirect_uri: str | None
    verifier: str | None
    resources: tuple[str, ...]
    network: str
    agent: str
    binding: str = ""


class Redeemed(NamedTuple):
    """What became of a code: its family, or why not."""

    family: Family | None
    nonce: str = ""
    refusal: str = ""


_REFUSED: Final = "The authorization code is not valid. Start the authorization again."


class Redeemer:
    """Redeems codes against one store."""

    def __init__(self, store: Store, catalog: Catalog, minter: Minter, settings: Settings, entropy: Entropy) -> None:
        self._store, self._catalog, self._minter = store, catalog, minter
        self._settings, self._entropy = settings, entropy

    async def redeem(self, client: Client, ask: CodeAsk, now: int) -> dict[str, Any]:
        """The answer's members. Raises `Refused` (invalid_grant, invalid_target)."""
        ring = self._catalog.ring
        if not ask.code.startswith(CODE):
            raise Refused(Code.INVALID_GRANT, _REFUSED, "not a code")
        known = self._settings.resources
        resources = known_resources(ask.resources, known, client.resources) if ask.resources else ""
        version, secret, family_id = ring.mac_version(now), self._entropy.draw(SECRET_LENGTH), self._entropy.draw(16)
        first = Head(0, digest(HEAD_DIGEST, secret), None, 0, 0, None, 0, 0, now, ask.network, ask.agent)

        def aim(code: AuthorizationCode) -> None:
            if not within(resources, code.resources):
                raise Refused(Code.INVALID_TARGET, "The resource was not part of the grant.")
            self._minter.target(client, code.scope, resources or code.resources)

        def work(tx: Tx) -> Redeemed:
            return _redeem(tx, client, ask, aim, self._settings, first, family_id, now)

        redeemed = await self._store.write(work)
        family = redeemed.family
        if family is None:
            raise Refused(Code.INVALID_GRANT, _REFUSED, redeemed.refusal)
        target = self._minter.target(client, family.scope, resources or family.resources)
        extra = await id_token_claims(self._store, family) if family.claims else {}
        if redeemed.nonce:
            extra["nonce"] = redeemed.nonce
        refresh = None
        if client.may(REFRESH_TOKEN):
            refresh = ring.write(RefreshToken(version, family_id, 0, secret))
        return whole(
            tokens(
                self._minter, ring, client, family, target, now, refresh=refresh, extra=extra, binding=ask.binding
            )
        )  # fmt: skip


def _redeem(
    tx: Tx, client: Client, ask: CodeAsk, aim: Callable[[AuthorizationCode], None], settings: Settings, first: Head,
    family_id: bytes, now: int,
) -> Redeemed:  # fmt: skip
    """Judge and spend a code. *aim* raises `Refused` when no token can be made of it; then nothing is spent."""
    key = digest(CODE_DIGEST, ask.code)
    code = tx.codes.get(key)
    refusal = "unknown code" if code is None else _unfit(tx, code, client, ask, now)
    if code is None:
        return Redeemed(None, refusal=refusal)
    if not refusal and not proves(ask.verifier or "", code.challenge):
        tx.codes.put(replace(code, misses=code.misses + 1))
        refusal = "wrong verifier"
    if refusal:
        tx.events.add([_event(What.CODE_REFUSED, code, ask, now, refusal)])
        return Redeemed(None, refusal=refusal)
    if code.spent_at:
        return _replayed(tx, code, ask, now)
    aim(code)
    family = _born(tx, code, client, settings, first, family_id, now, ask.binding)
    if family is None:
        tx.events.add([_event(What.CODE_REFUSED, code, ask, now, "account, session or grant has ended")])
        return Redeemed(None, refusal="account, session or grant has ended")
    tx.codes.put(replace(code, spent_at=now, family_id=family.id))
    tx.families.add(family)
    event = _event(What.FAMILY_STARTED, code, ask, now, "")
    tx.events.add([event._replace(family_id=ids.text(ids.Kind.FAMILY, family.id), generation=0)])
    return Redeemed(family, code.nonce)


def _unfit(tx: Tx, code: AuthorizationCode, client: Client, ask: CodeAsk, now: int) -> str:
    """Why a code may not even be tried; nothing is spent or revoked for these (OAuth 2.1 section 7.5.2)."""
    if code.client_id != client.id or tx.clients.get(client.id) is None:
        return "another client's code"
    if ask.redirect_uri is not None and ask.redirect_uri != code.redirect_uri:
        return "another redirect URI"
    if code.dpop_jkt and ask.binding != to_key(code.dpop_jkt):
        return "another key than the request for authorization named"
    if code.misses >= (1 if client.confidential else PUBLIC_MISSES):
        return "too many wrong verifiers"
    if now >= code.expires_at and not code.spent_at:
        return "expired"
    return ""


def _replayed(tx: Tx, code: AuthorizationCode, ask: CodeAsk, now: int) -> Redeemed:
    """A second valid use: refused, and unless it raced the first one what came of the code ends (attack C-01)."""
    tx.events.add([_event(What.CODE_REPLAYED, code, ask, now, "")])
    if now - code.spent_at > RACE_SECONDS:
        ended = end_families(tx, Which(family_id=code.family_id), Ended(now, Reason.CODE_REPLAYED))
        if ended:
            event = _event(What.FAMILY_ENDED, code, ask, now, Reason.CODE_REPLAYED)
            tx.events.add([event._replace(family_id=ids.text(ids.Kind.FAMILY, code.family_id))])
    return Redeemed(None, refusal="replayed")


def _born(
    tx: Tx, code: AuthorizationCode, client: Client, settings: Settings, first: Head, family_id: bytes, now: int,
    proved: str,
) -> Family | None:  # fmt: skip
    """The family a code begins, unless its account, session or grant has ended meanwhile (attack RT-16)."""
    account, session, grant = (
        tx.accounts.get(code.account_id), tx.sessions.get(code.session_id), tx.grants.get(code.grant_id),
    )  # fmt: skip
    if account is None or account.disabled or session is None or session.ended or grant is None:
        return None
    if not grant.covers(code.scope, code.resources):  # taken back since, if only to agree to less
        return None
    if now >= session.absolute_end:
        return None
    online = OFFLINE not in split(code.scope)
    end = now + absolute_lifetime(client.absolute_lifetime, settings.limits)
    policy = client.policy(settings.limits)
    idle = policy.online_idle if online else policy.idle_lifetime
    if online:
        end = min(end, session.absolute_end)
    if not client.may(REFRESH_TOKEN):
        end = min(end, now + (client.access_lifetime or settings.limits.access_lifetime))
    # RFC 9449 section 5, RFC 8705 section 4: who authenticates may change its key, so only its access tokens are bound.
    binding = "" if client.confidential else proved
    return Family(
        family_id, client.id, account.id, grant.id, session.id, online, code.scope, code.resources, binding,
        code.auth_time, code.acr, code.amr, code.claims, device_label(first.agent or session.agent), now, end,
        first._replace(idle_end=min(now + idle, end), epoch=tx.epoch().number),
    )  # fmt: skip


def _event(what: What, code: AuthorizationCode, ask: CodeAsk, now: int, reason: str) -> Event:
    return Event(now, what, code.client_id, code.account_id, "", code.session_id, reason, -1, ask.network, ask.agent)
