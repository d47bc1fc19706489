"""Learning how long access tokens live where replies do not say: the provider is asked about one (RFC 7662).

What is learned stays with the record and holds for the tokens after it, so a connection asks once. Nothing depends on
it: without an answer the lifetime stays an assumption, and is corrected by the first 401.
"""

from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Origin, Record
from evergrant.keeper.decision.body import Members, Unreadable, members, number
from evergrant.keeper.decision.lifetime import LONGEST
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.exchange import Lost, NotSent
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable as Sealed
from evergrant.keeper.service import sealed
from evergrant.keeper.service.assertion import assertion
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.settings import Client
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing, VaultUnavailable
from evergrant.keeper.wire.token_request import posted

SECONDS: Final = 5.0
OK: Final = 200


class Learner:
    """Asks about a token that was just committed."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def learn(self, ours: Client, provider: Provider, found: Found, name: str) -> Found:
        """The connection, with the end of its token if that could be learned."""
        record = found.records[name]
        if record.origin is not Origin.UNKNOWN or not provider.introspect_url:
            return found
        try:
            end = await self._end(ours, provider, found, record)
            return await self._kept(found, record, end) if end else found
        except (NotSent, Lost, Unreadable, Sealed, BadRequest, Fenced, Missing, VaultUnavailable):
            return found  # an assumption was enough before, too

    async def _end(self, ours: Client, provider: Provider, found: Found, record: Record) -> int:
        token = sealed.access_of(self._ground.sealer, found.connection.tenant, record)
        if token is None:
            return 0
        proof = assertion(ours, provider, self._ground.clock, self._ground.entropy)
        said = {"token": token.reveal(), "token_type_hint": "access_token"}
        asked = posted(provider, ours, provider.introspect_url, said, assertion=proof)
        answer = await self._ground.transport.send(asked, SECONDS)
        if answer.status != OK:
            return 0
        skew = answer.date - answer.sent_at if answer.date else 0
        return end_in(members(answer.body, answer.headers.get("content-type", "")), answer.sent_at, skew)

    async def _kept(self, found: Found, record: Record, end: int) -> Found:
        after = replace(found.connection, version=found.connection.version + 1)
        known = replace(record, expires_at=end, origin=Origin.INTROSPECTION)
        await self._ground.vault.change(Change(after, expected=found.connection.version, records=[known]))
        return replace(found, connection=after, records={**found.records, record.name: known})


def end_in(said: Members, now: int, skew: int) -> int:
    """When the token ends by an introspection answer, by our clock; 0 when the answer does not say.

    *skew*: how far the provider's clock is ahead of ours, in seconds.
    """
    end = number(said.get("exp"))
    if said.get("active") is not True or end is None:
        return 0
    left = int(end) - skew - now
    return now + left if 0 < left <= LONGEST else 0
