"""A release after this one, as `python -m tests.postgres.next_release serve …`: one more column, and who counts in it.

Its first migration expands: the column has a default, and who does not know it does not miss it. Its second contracts:
the default goes, and a release that does not know the column can begin no family any more. EVERGRANT_TEST_CONTRACT says
whether this is already the release that contracts. What must not live here: assertions.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from evergrant.store.postgres import families, hot, migrate
from evergrant.store.postgres.line import Statement

CONTRACTS = "EVERGRANT_TEST_CONTRACT"
EXPAND = """-- kind: expand
-- works with: {before:04}
ALTER TABLE evergrant.family ADD COLUMN turns bigint NOT NULL DEFAULT 0;
"""
CONTRACT = """-- kind: contract
-- works with: {before:04}
ALTER TABLE evergrant.family ALTER COLUMN turns DROP DEFAULT;
"""


def install() -> None:
    """Make this process one of the next release."""
    migrate.steps = _more(migrate.steps)  # type: ignore[assignment]
    counting = hot.UPDATE.text.replace(b" SET ", b" SET turns = f.turns + 1, ", 1)
    update = Statement(hot.UPDATE.name, counting, hot.UPDATE.values)
    hot.STATEMENTS = tuple(update if one is hot.UPDATE else one for one in hot.STATEMENTS)
    hot.UPDATE = update
    families._ADD = families._ADD.replace("(id,", "(turns, id,").replace("VALUES (", "VALUES (0, ")  # type: ignore[misc]


def _more(steps: Callable[..., list[migrate.Step]]) -> Callable[..., list[migrate.Step]]:
    def with_ours(room: Any = migrate.ISSUER) -> list[migrate.Step]:
        known = steps(room)
        if room is not migrate.ISSUER:
            return known
        newest = known[-1].number
        known.append(migrate.step(f"{newest + 1:04}_turns.sql", EXPAND.format(before=newest)))
        if os.environ.get(CONTRACTS):
            known.append(migrate.step(f"{newest + 2:04}_turns_needed.sql", CONTRACT.format(before=newest + 1)))
        return known

    return with_ours


if __name__ in {"__main__", "__mp_main__"}:
    install()

if __name__ == "__main__":
    from evergrant.cli import main

    sys.exit(main())
