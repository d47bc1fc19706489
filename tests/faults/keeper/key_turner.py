"""A process that turns the key of a vault again and again until it is killed, and says after each turn which key it is.

`python -m tests.faults.keeper.key_turner VAULT KEY`. What must not live here: a judgement; that is the parent's.
"""

import asyncio
import sys
from pathlib import Path

from evergrant.clock import SystemClock
from evergrant.entropy import SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.rewrapping import rewrap_all
from evergrant.keeper.sealing import unlock
from evergrant.keeper.vault.sqlite import SqliteVault
from tests.faults.keeper.vault_worker import told

TURNS = 1_000


async def main(path: Path, key: Path) -> None:
    entropy = SystemEntropy()
    vault = SqliteVault.open(path)
    for _ in range(TURNS):
        sealer = await unlock(vault, keyring.add_current(key, entropy), entropy)
        told(verb="added", key=sealer.key_id)
        done = await rewrap_all(
            vault, sealer, SystemClock(), lambda progress: told(verb="step", done=progress.done), step=3
        )
        told(verb="turned", key=sealer.key_id, unreadable=done.unreadable)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
