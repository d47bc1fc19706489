"""Uses that were counted are noted once, whoever flushes them and however many do."""

import asyncio

from tests.keeper.living import living


async def test_uses_are_noted_once_by_flushes_that_run_at_the_same_time(monkeypatch):
    async with living() as life:
        await life.connect()
        rooms = await life.keeper.rooms()
        noted = []

        async def touch(connection_id: str, record: str, at: int) -> None:
            await asyncio.sleep(0)
            noted.append(at)

        monkeypatch.setattr(rooms.ground.vault, "touch", touch)
        for minute in range(4):
            rooms.watch.used("con_user-42", "main", "", minute * 60, 1)
        await asyncio.gather(*(rooms.watch.flush() for _ in range(3)))
        assert sorted(noted) == [0, 60, 120, 180]
