"""Taking connections elsewhere: one line per pair of tokens, sealed under a key given for the purpose.

The lines are those that `importing` reads. A line that could not be opened says so in place of its tokens, so that a
backup never looks more complete than it is.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator
from typing import Any, Final

from evergrant.keeper.connection import Connection, Record
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.sealing import Place, Sealer, Unreadable
from evergrant.keeper.service.finding import check_names
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.sealed import access_of, refresh_of
from evergrant.keeper.vault.port import Wanted

PAGE: Final = 200
SEALED: Final = "sealed"
OWN: Final = "~"
"""What begins with it is the keeper's own note and no routing member."""
_PLACE: Final = Place("", "", "exported line")


class Exporting:
    """Reads only; no provider is asked anything, and nothing is spent."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def sealed(self, key: Keyring, *, tenant: str = "") -> AsyncIterator[str]:
        """Every connection of the tenant, a line per record, each sealed under *key*: good for backups and moves."""
        sealer = Sealer(key, self._ground.entropy)
        async for line in self._lines(tenant):
            if "problem" in line:
                yield json.dumps(line)
                continue
            envelope = sealer.seal(json.dumps(line).encode(), _PLACE)
            yield json.dumps({"key": sealer.key_id, SEALED: b64encode(envelope).decode("ascii")})

    async def in_clear_for_whoever_reads_it(self, *, tenant: str = "") -> AsyncIterator[str]:
        """The same with every token readable. Whoever sees a line can use the account it speaks of."""
        async for line in self._lines(tenant):
            yield json.dumps(line)

    async def _lines(self, tenant: str) -> AsyncIterator[dict[str, Any]]:
        check_names(tenant=tenant)
        after = ""
        while True:
            page = await self._ground.vault.search(Wanted(tenant), after=after, limit=PAGE)
            for connection in page:
                found = await self._ground.vault.load(tenant, connection.id)
                for record in found.records.values() if found is not None else ():
                    if record.access_token or record.refresh_token:
                        yield self._line(connection, record)
            if len(page) < PAGE:
                return
            after = page[-1].id

    def _line(self, connection: Connection, record: Record) -> dict[str, Any]:
        named = {"client": connection.client, "account": connection.account, "record": record.name}
        try:
            access = access_of(self._ground.sealer, connection.tenant, record)
            refresh = refresh_of(self._ground.sealer, connection.tenant, record)
        except Unreadable as error:
            return {**named, "problem": str(error)}
        line = {
            **named,
            "user": connection.user,
            "access_token": access.reveal() if access is not None else None,
            "refresh_token": refresh.reveal() if refresh is not None else None,
            "expires_at": record.expires_at,
            "scope": list(record.scope),
            "subject": connection.subject,
            "label": connection.label,
            "tags": dict(connection.tags),
            "fields": {name: value for name, value in connection.fields.items() if name[:1] != OWN},
        }
        return {name: value for name, value in line.items() if value not in (None, "", {}, [], 0)}


def opened(members: dict[str, Any], key: Keyring | None, ground: Ground) -> dict[str, Any]:
    """The members of a line, taken out of their envelope if they are in one. Raises `BadRequest`."""
    if SEALED not in members:
        return members
    if key is None:
        msg = f"the line is sealed under key {str(members.get('key', ''))[:40]}; give the key it was exported with"
        raise BadRequest(msg)
    try:
        clear = Sealer(key, ground.entropy).unseal(b64decode(str(members[SEALED]), validate=True), _PLACE)
        found = json.loads(clear)
    except (Unreadable, NotBase64, ValueError):
        msg = "the sealed line does not open with this key, or was changed"
        raise BadRequest(msg) from None
    return dict(found)
