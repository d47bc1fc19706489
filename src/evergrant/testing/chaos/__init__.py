"""The chaos provider: a real authorization server on loopback that behaves like any provider and misbehaves on request.

What lives here: the server, its rules of spending, the one table of modes (`modes`), and the ledger of truth that says
afterwards which refresh token was spent twice and which grant died of it. What must not: a fact about a provider (those
are lines in `keeper/providers/*.toml`), anything that a side of the house needs to run, pytest.
Neighbours: the model of a provider is `evergrant.keeper.provider`, the verb that starts this is `evergrant.cli.chaos`.
FOR TESTS: its tokens are kept in clear in memory, and everybody who reaches it may consent.
"""

from evergrant.testing.chaos.ledger import Ledger, Seen
from evergrant.testing.chaos.mode import Mode, NoSuchMode
from evergrant.testing.chaos.modes import MODES
from evergrant.testing.chaos.plain import PLAIN
from evergrant.testing.chaos.running import Chaos, Given, beside
from evergrant.testing.chaos.spending import Outcome
from evergrant.testing.chaos.wishes import Wish, wish

__all__ = [
    "MODES",
    "PLAIN",
    "Chaos",
    "Given",
    "Ledger",
    "Mode",
    "NoSuchMode",
    "Outcome",
    "Seen",
    "Wish",
    "beside",
    "wish",
]
