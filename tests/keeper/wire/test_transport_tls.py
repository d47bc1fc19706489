"""Certificates of providers are checked: by the system's authorities, or by those a deployment names."""

from pathlib import Path

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.exchange import Asked, NotSent
from evergrant.keeper.wire.transport import HttpTransport
from tests.keeper.provider.issuing import certificate, site


async def test_an_authority_of_ones_own_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, "localhost")
    async with site(context) as named:
        named.put("/token", {"ok": True})
        transport = HttpTransport(FixedClock(1_000), verify=authority)
        answer = await transport.send(Asked("POST", f"https://localhost:{named.port}/token"), 5.0)
        await transport.close()
    assert (answer.status, answer.body) == (200, b'{"ok": true}')


async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "localhost")
    async with site(context) as named:
        transport = HttpTransport(FixedClock(1_000))
        with pytest.raises(NotSent):
            await transport.send(Asked("POST", f"https://localhost:{named.port}/token"), 5.0)
        await transport.close()
    assert named.asked == []
