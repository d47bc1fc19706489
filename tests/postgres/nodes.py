"""Several `evergrant serve` over one PostgreSQL database: real processes that share an issuer, a key and nothing else.

What lives here: starting, addressing and ending them. What must not: databases (`postmaster`, `pair`), what clients do
(`tests.faults.client`, `tests.faults.storm`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.place import PLAIN, Place, placed


@contextlib.contextmanager
def noded(folder: Path, url: str, count: int = 2, module: str = PLAIN, **environment: str) -> Iterator[list[Place]]:
    """Places of *count* nodes, none started; all ended afterwards. The first one's address is the issuer's."""
    with contextlib.ExitStack() as stack:
        places = [
            stack.enter_context(placed(folder / f"node{at}", module=module, store=url, shared=folder / "shared"))
            for at in range(count)
        ]
        hosts = ",".join(f"127.0.0.1:{place.port}" for place in places)
        for place in places:
            place.options = ("--issuer", f"http://127.0.0.1:{places[0].port}")
            place.environment = {"EVERGRANT_SERVER_EXTRA_HOSTS": hosts, **environment}
        yield places


def started(places: list[Place]) -> None:
    """Start every node and wait until it answers."""
    for place in places:
        place.start()


def told(place: Place, *words: str, **more: Any) -> str:
    """What a command on a node's database printed. Fails when the command does."""
    said = place.command(*words, **more)
    assert said.returncode == 0, f"{words}: {said.stderr}"
    return said.stdout
