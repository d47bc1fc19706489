"""A process that refreshes connections of a vault until it is killed, and says after each verb what was acknowledged.

`python -m tests.faults.keeper.vault_worker VAULT OWNER SEED`, the vault a file or a database's address. One line of
JSON per acknowledged verb. What must not live here: a judgement about what was kept; that is the parent's.
"""

import asyncio
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

from evergrant.keeper.connection import MAIN, Step
from evergrant.keeper.vault.port import Fenced, Vault
from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.testing.vault_contract.fixtures import ACME, NOW, closed, connection, event, intent, record, step

CONNECTIONS = 6
ROUNDS = 10_000


def told(**what) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def turn(vault, n: int, owner: str, serial: int) -> None:
    """One refresh of one connection, taking over whatever was left half done."""
    one = connection(n)
    claim = await vault.claim(one.id, MAIN, owner, 2)
    if claim is None:
        return
    told(verb="claim", n=n, fence=claim.fence)
    there = await vault.load(ACME, one.id)
    version = there.records[MAIN].version
    note = there.intents.get(MAIN)
    if note is None:
        note = intent(claim, version, version, id=f"int_{owner}_{claim.fence}_{serial}")
        await vault.intend(claim, note, version)
        told(verb="intend", n=n, version=version, id=note.id)
    if note.step is not Step.ANSWERED:
        await vault.journal(note.id, b"reply to %d" % version, NOW)
        note = replace(note, answered_at=NOW)
        told(verb="journal", n=n, version=version, id=note.id)
    change = step(
        there.connection, records=[record(one, version + 1)], claim=claim, intent=closed(note), release=True,
        events=[event(version + 1, one.id)],
    )  # fmt: skip
    await vault.change(change)
    told(verb="change", n=n, version=version + 1)


def opened(place: str) -> Vault:
    """The vault in a file or a database."""
    return PostgresVault.open(place) if place.startswith("postgresql://") else SqliteVault.open(Path(place))


async def main(place: str, owner: str, seed: int) -> None:
    vault = opened(place)
    chance = random.Random(seed)
    told(verb="open")

    async def line(mine: int) -> None:
        for serial in range(ROUNDS):
            try:
                await turn(vault, chance.randrange(CONNECTIONS), f"{owner}.{mine}", serial)
            except Fenced as error:
                told(verb="fenced", why=str(error))
            await asyncio.sleep(0)

    await asyncio.gather(*(line(mine) for mine in range(3)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
