"""Spending a refresh token: one request, and its answer journalled before anybody reads it.

The caller holds the claim and has written the intent. After the request has left, nothing here gives up on an answer:
while the vault does not write, it is kept in memory, the claim is prolonged, and writing is tried again.
"""

from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Connection, Intent, Record
from evergrant.keeper.decision.answer import read
from evergrant.keeper.decision.doubt import Probed
from evergrant.keeper.decision.outcome import Ending, Missing, Unreachable
from evergrant.keeper.decision.verdict import Granted, Unknown, Verdict
from evergrant.keeper.decision.window import pause
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service import answered, points, proving, sealed
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.hold import Hold
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Missing as Gone
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.keeper.wire.token_request import token_request

REFRESH: Final = "refresh_token"
LEAST_SECONDS: Final = 1.0
"""With less time than this before a claim ends nothing is sent."""
PROBE_SECONDS: Final = 10.0
LONGEST_PAUSE: Final = 5
UNAUTHORIZED: Final = 401
_OK: Final = range(200, 300)


def _sent() -> None:
    points.reached(points.Point.SENT)


class Spender:
    """Asks the provider, once per call."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def request(
        self, ours: Client, provider: Provider, tenant: str, record: Record, *, with_scope: bool = True
    ) -> Asked:
        """The refresh request of *record* (RFC 6749 section 6). Raises `Unreadable`, `BadRequest`."""
        token = sealed.refresh_of(self._ground.sealer, tenant, record)
        params = {REFRESH: token.reveal() if token is not None else ""}
        if provider.scope_on_refresh and with_scope and record.scope:
            params["scope"] = provider.scope_separator.join(record.scope)
        proving.prover(
            self._ground, sealed.key_of(self._ground.sealer, tenant, record)
        )  # what cannot prove is not sent
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        return token_request(provider, ours, REFRESH, params, refresh=True, assertion=proof)

    async def spend(self, hold: Hold, asked: Asked, provider: Provider, record: Record, intent: Intent) -> Ending:
        """Send *asked* and read its answer, which is journalled first."""
        try:
            key = sealed.key_of(self._ground.sealer, hold.tenant, record)
            answer = await proving.send(self._ground, replace(asked, on_sent=_sent), key, hold.for_request)
        except NotSent as error:
            return Unreachable(str(error))
        except Lost as error:
            return Missing(str(error))
        points.reached(points.Point.ANSWERED)
        await self._journal(hold, intent, answer)
        points.reached(points.Point.JOURNALLED)
        return read(provider, answer, records=[record.name], asked=record.scope)

    async def _journal(self, hold: Hold, intent: Intent, answer: Answer) -> None:
        """Journal, for as long as it takes: a lost reply may be a lost grant."""
        reply = answered.seal(self._ground.sealer, hold.tenant, intent, answer)
        async with hold.beating():
            tries = 0
            while True:
                try:
                    await self._ground.vault.journal(intent.id, reply, self._ground.clock.now())
                except VaultUnavailable:
                    tries += 1
                    await self._ground.pause(pause(tries, 1, LONGEST_PAUSE, 0.5))
                except Gone:
                    return
                else:
                    return

    def reading(self, tenant: str, provider: Provider, record: Record, intent: Intent) -> Verdict | None:
        """What the journalled answers of *intent* mean, None when they say nothing definite.

        Tokens win over anything that was answered to a repetition: they are what must not be lost.
        """
        answers = answered.unsealed(self._ground.sealer, tenant, intent)
        verdicts = [read(provider, answer, records=[intent.name], asked=record.scope) for answer in answers]
        definite = [one for one in verdicts if not (isinstance(one, Unknown) and one.spent)]
        granted = [one for one in definite if isinstance(one, Granted)]
        return next(iter(granted or definite), None)

    async def probe(self, provider: Provider, connection: Connection, record: Record) -> Probed:
        """Whether the old access token still works, by one cheap call with it."""
        token = sealed.access_of(self._ground.sealer, connection.tenant, record)
        if token is None or not provider.probe_url:
            return Probed.SILENT
        key = sealed.key_of(self._ground.sealer, connection.tenant, record)
        shown = proving.bearer(provider, token, key)
        headers = {**shown, "Accept": "application/json", "User-Agent": "evergrant-keeper", **provider.headers}
        try:
            asked = Asked("GET", provider.probe_url, headers)
            answer = await proving.call(self._ground, asked, token, key, PROBE_SECONDS)
        except (NotSent, Lost):
            return Probed.SILENT
        if answer.status in _OK:
            return Probed.ALIVE
        return Probed.DEAD if answer.status == UNAUTHORIZED else Probed.SILENT
