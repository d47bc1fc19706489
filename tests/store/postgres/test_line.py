"""One line of the event loop's own: what it makes of a server that leaves."""

import asyncio
import time

import psycopg
import pytest
import uvloop

from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.line import Line, Statement
from tests.postgres.proxy import proxied

pytestmark = pytest.mark.needs("postgres")


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_server_that_leaves_with_last_words_and_a_reset_is_noticed_at_once(postgres, database, loop):
    parts = psycopg.conninfo.conninfo_to_dict(database)
    with proxied(lambda: int(parts["port"])) as wire, asyncio.Runner(loop_factory=loop) as runner:
        through = database.replace(f":{parts['port']}/", f":{wire.port}/")
        assert through != database

        async def left() -> bool:
            connection = connect(address(through))
            line = Line(asyncio.get_running_loop(), connection, prepared=False)
            try:
                await asyncio.sleep(0)
                postgres.execute(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
                end = time.monotonic() + 10
                while wire.passing and time.monotonic() < end:
                    time.sleep(0.01)  # noqa: ASYNC251 - the loop must find both at once: the words and the reset
                assert not wire.passing
                for _ in range(100):
                    if line.lost:
                        break
                    await asyncio.sleep(0.01)
                return line.lost
            finally:
                line.close()

        assert runner.run(left())


@pytest.mark.long
@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_what_the_socket_cannot_take_at_once_is_sent_when_it_can(database, loop):
    parts = psycopg.conninfo.conninfo_to_dict(database)
    echo, size = Statement(b"", b"SELECT length($1::bytea), $1::bytea", 1), 6_000_000
    with proxied(lambda: int(parts["port"])) as wire, asyncio.Runner(loop_factory=loop) as runner:
        through = address(database.replace(f":{parts['port']}/", f":{wire.port}/"))

        async def sent():
            line = Line(asyncio.get_running_loop(), connect(through), prepared=False)
            answered = asyncio.get_running_loop().create_future()
            await asyncio.to_thread(wire.stall)
            line.ask([(echo, (sign * size,)) for sign in (b"x", b"y")], lambda *told: answered.set_result(told))
            await asyncio.sleep(0.1)
            assert not answered.done()
            await asyncio.to_thread(wire.mend)
            results, trouble = await asyncio.wait_for(answered, 10)
            assert trouble is None
            assert line.rows(results) == [(size, b"x" * size), (size, b"y" * size)]
            line.close()

        runner.run(sent())
