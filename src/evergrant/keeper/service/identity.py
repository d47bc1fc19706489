"""Whose account a reply speaks of: the ID token, verified; the reply's own members; the userinfo endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import MAIN
from evergrant.keeper.decision.body import Members, Unreadable, members, text_at
from evergrant.keeper.decision.verdict import Granted
from evergrant.keeper.errors import CallbackRefused
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service import proving
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.requested import Requested
from evergrant.keeper.settings import Client
from evergrant.protocol.id_token import id_token_problem

if TYPE_CHECKING:
    from evergrant.keys.foreign import Signed

KEYS_KEPT: Final = 3_600
KEYS_AGAIN: Final = 60
"""An unknown key is looked for at most this often, in seconds."""
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Named:
    """The account at the provider: its id, and what people call it. Empty when nobody says."""

    subject: str = ""
    label: str = ""


class Identity:
    """Reads identities; keeps what issuers publish as their keys for an hour."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._keys: dict[str, tuple[float, object]] = {}

    async def of(
        self, provider: Provider, client: Client, answer: Answer, granted: Granted, given: Requested
    ) -> Named:  # fmt: skip
        """Who it is. Raises `CallbackRefused` (exchange_failed) when an ID token is there and cannot be believed."""
        token = text_at(_members(answer), "id_token")
        if token and await self._is_ours(provider, client, token, given.nonce):
            return Named(granted.subject, granted.label)
        if granted.subject:
            return Named(granted.subject, granted.label)
        return await self._asked(provider, granted, given.proof_key)

    async def _is_ours(self, provider: Provider, client: Client, token: str, nonce: str) -> bool:
        from evergrant.keys.foreign import Signed, claims_of  # noqa: PLC0415 - only who connects brings an ID token

        claims = claims_of(token)
        if claims is None:
            raise _unbelievable("unreadable")
        now = self._ground.clock.now()
        issuer = _issuer(provider.issuer, claims)
        problem = id_token_problem(claims, issuer=issuer, client_id=client.client_id, nonce=nonce, now=now)
        if problem:
            raise _unbelievable(problem)
        if provider.jwks_url and await self._signature(provider.jwks_url, token) is not Signed.GOOD:
            raise _unbelievable("signature")
        return True

    async def _signature(self, url: str, token: str) -> Signed:
        """By the keys known; once more by fresh ones. Without any keys TLS stands for it (OpenID Connect Core 3.1.3.7).

        The token came straight from the token endpoint over TLS, so that keys which cannot be fetched now are no
        reason to throw away a grant that the user has just given.
        """
        from evergrant.keys.foreign import Signed, check  # noqa: PLC0415 - as in `_is_ours`

        known = await self._published(url, KEYS_KEPT)
        if known is None:
            return Signed.GOOD
        verdict = check(token, known)
        if verdict is Signed.NO_KEY:
            fresh = await self._published(url, KEYS_AGAIN)
            verdict = check(token, fresh) if fresh is not None else verdict
        return verdict

    async def _published(self, url: str, most: float) -> object | None:
        at, known = self._keys.get(url, (0.0, None))
        lived = self._ground.clock.monotonic()
        if known is not None and lived - at < most:
            return known
        fetched = await self._get(url, {})
        if fetched is not None and isinstance(fetched.get("keys"), list):
            self._keys[url] = (lived, fetched)
            return fetched
        return known

    async def _asked(self, provider: Provider, granted: Granted, key: Secret | None) -> Named:
        if not provider.userinfo_url or not granted.tokens:
            return Named(granted.subject, granted.label)
        tokens = granted.tokens.get(MAIN) or next(iter(granted.tokens.values()))
        headers = {**provider.headers, **proving.bearer(provider, tokens.access, key)}
        found = await self._get(provider.userinfo_url, headers, tokens.access, key) or {}
        paths = [path for record in provider.records for path in record.reply.subject]
        labels = [path for record in provider.records for path in record.reply.label]
        subject = next((said for said in (text_at(found, path) for path in ["sub", *paths, "id"]) if said), "")
        label = next((said for said in (text_at(found, path) for path in [*labels, "email", "name"]) if said), "")
        return Named(subject, granted.label or label)

    async def _get(
        self, url: str, headers: Mapping[str, str], token: Secret | None = None, key: Secret | None = None
    ) -> Members | None:  # fmt: skip
        asked = Asked("GET", url, {"Accept": "application/json", "Accept-Encoding": "identity", **headers})
        try:
            seconds = self._ground.settings.request_seconds
            if token is None:
                answer = await self._ground.transport.send(asked, seconds)
            else:
                answer = await proving.call(self._ground, asked, token, key, seconds)
        except (NotSent, Lost):
            return None
        if answer.status != _OK:
            return None
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def _members(answer: Answer) -> Members:
    try:
        return members(answer.body, answer.headers.get("content-type", ""))
    except Unreadable:
        return {}


def _issuer(issuer: str, claims: Mapping[str, object]) -> str:
    """An issuer that differs per tenant names the claim that fills it, as Entra's `{tenantid}` does."""
    tenant = claims.get("tid")
    return issuer.replace("{tenantid}", tenant) if isinstance(tenant, str) and tenant.isascii() else issuer


def _unbelievable(problem: str) -> CallbackRefused:
    msg = f"the provider's ID token cannot be believed ({problem}); nothing of its answer was kept"
    return CallbackRefused(msg, "exchange_failed")
