"""An account is connected: begin, the browser at the provider, finish, a connection that is kept."""

from evergrant.clock import FixedClock
from evergrant.keeper.event import What
from evergrant.testing.chaos import Chaos
from tests.keeper.connect.scene import AT, Health, scene


async def test_an_account_is_connected_with_a_browser_and_its_tokens_are_kept_sealed():
    clock = FixedClock(AT)
    async with Chaos(clock=clock) as chaos:
        here = scene(chaos, clock=clock)
        done = await here.connect(return_to="https://app.example/settings", tags={"team": "blue"})
        connection = (await here.found(done.connection)).connection
        assert connection == done.connection
        assert connection.health is Health.ACTIVE
        assert (connection.subject, connection.tags, connection.version) == ("ada", {"team": "blue"}, 1)
        assert done.return_to == "https://app.example/settings"
        access, refresh = await here.tokens(connection)
        assert access.startswith("cha_")
        assert refresh.startswith("chr_")
        assert access not in repr(await here.found(connection))
        assert await here.told() == [What.BEGUN, What.CONNECTED]
