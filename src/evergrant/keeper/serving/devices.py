"""Devices being connected (RFC 8628): the provider is asked in the background, callers look how it stands.

What waits here is in this process alone; the connection itself is seen by everybody as soon as it stands.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from evergrant.keeper.connection import Reason
from evergrant.keeper.errors import CallbackRefused, KeeperError, TryLater, UnknownConnection
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.device import Device as Service
from evergrant.keeper.service.device import Prompt
from evergrant.keeper.serving.api import answers, bodies

MOST: Final = 1_000
PENDING, CONNECTED, REFUSED = "pending", "connected", "refused"


@dataclass
class Waiting:
    """One attempt."""

    tenant: str
    shown: answers.Device
    task: asyncio.Task[None] | None = None


class Devices:
    """Begins, waits, tells."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._waiting: dict[str, Waiting] = {}

    async def begin(self, tenant: str, asked: bodies.Device) -> answers.Device:
        """What to show to the user. Raises `BadRequest`, `TryLater`, `UnknownProvider`."""
        rooms = await self._keeper.rooms()
        self._clear(rooms.ground.clock.now())
        service = rooms.connecting.device
        prompt = await service.begin(
            asked.client,
            asked.account,
            user=asked.user,
            scopes=asked.scopes,
            tags=asked.tags,
            tenant=tenant,
            values=asked.values,
            offline=asked.offline,
        )
        name = "dev_" + rooms.ground.draw(16)
        shown = answers.Device(
            device=name,
            state=PENDING,
            user_code=prompt.user_code,
            verification_uri=prompt.verification_uri,
            complete_uri=prompt.complete_uri,
            expires_at=prompt.expires_at,
        )
        waiting = self._waiting[name] = Waiting(tenant, shown)
        waiting.task = asyncio.create_task(self._wait(waiting, service, prompt))
        return shown

    def shown(self, tenant: str, name: str) -> answers.Device:
        """How it stands. Raises `UnknownConnection`."""
        found = self._waiting.get(name)
        if found is None or found.tenant != tenant:
            msg = f"there is no device {name[:64]} being connected"
            raise UnknownConnection(msg)
        return found.shown

    async def close(self) -> None:
        """Stop waiting; what was begun can be begun again."""
        tasks = [waiting.task for waiting in self._waiting.values() if waiting.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, waiting: Waiting, service: Service, prompt: Prompt) -> None:
        try:
            stood = await service.wait(prompt)
        except KeeperError as error:
            code = error.code if isinstance(error, CallbackRefused) else "exchange_failed"
            waiting.shown = _said(waiting.shown, state=REFUSED, code=code, sentence=str(error))
        else:
            waiting.shown = _said(waiting.shown, state=CONNECTED, connection_id=stood.connection.id)

    def _clear(self, now: int) -> None:
        over = [name for name, waiting in self._waiting.items() if waiting.shown.expires_at < now]
        for name in over:
            task = self._waiting.pop(name).task
            if task is not None:
                task.cancel()
        if len(self._waiting) >= MOST:
            msg = "too many devices are being connected at the moment"
            raise TryLater(msg, 60, Reason.NONE)


def _said(shown: answers.Device, **changes: str) -> answers.Device:
    return answers.Device(**{**{name: getattr(shown, name) for name in shown.__struct_fields__}, **changes})
