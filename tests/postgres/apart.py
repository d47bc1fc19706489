"""A PostgreSQL in a network namespace of its own, behind a cable that can be pulled, or that loses all packets one way.

Unlike a proxy (`proxy`) nobody resets anything: whoever sends hears nothing, the kernels send again. Only root may do
this (`needs("namespaces")`). What lives here: the namespace, the cable and what happens to it. What must not: what must
hold meanwhile (the tests).
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.postgres.postmaster import DATABASE, OWNER, USER, Postmaster, binaries

# Nobody has this address (RFC 7042 section 2.1: locally administered): what is sent there is thrown away on arrival.
NOBODY: Final = "02:00:00:00:00:99"
WAYS: Final = ("cable pulled", "what is sent there is lost", "what is sent back is lost")


@dataclass
class Cable:
    """Two ends: `ours` in this namespace, `theirs` in the one called *space*. Addresses of the benchmarking range."""

    space: str
    ours: str
    theirs: str
    here: str
    there: str

    def lay(self) -> None:
        """Make the namespace and the cable. Undone by `remove`."""
        ip("netns", "add", self.space)
        ip("link", "add", self.ours, "type", "veth", "peer", "name", self.theirs, "netns", self.space)
        ip("address", "add", f"{self.here}/30", "dev", self.ours)
        self.within("address", "add", f"{self.there}/30", "dev", self.theirs)
        ip("link", "set", self.ours, "up")
        for end in (self.theirs, "lo"):
            self.within("link", "set", end, "up")

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "delete", self.space)

    def within(self, *words: str) -> None:
        ip("-netns", self.space, *words)

    def cut(self, way: str) -> None:
        """One of `WAYS`."""
        if way == WAYS[0]:
            self.within("link", "set", self.theirs, "down")
        elif way == WAYS[1]:
            ip("neighbour", "replace", self.there, "lladdr", NOBODY, "dev", self.ours, "nud", "permanent")
        else:
            self.within("neighbour", "replace", self.here, "lladdr", NOBODY, "dev", self.theirs, "nud", "permanent")

    def mend(self) -> None:
        """Everything passes again."""
        self.within("link", "set", self.theirs, "up")
        for change in (
            lambda: ip("neighbour", "delete", self.there, "dev", self.ours),
            lambda: self.within("neighbour", "delete", self.here, "dev", self.theirs),
        ):
            with contextlib.suppress(subprocess.CalledProcessError):  # it was not lost that way
                change()


@dataclass
class Apart(Postmaster):
    """A postmaster behind a cable. Nodes find it at the cable's other end, the tests through a socket in its folder."""

    cable: Cable | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.cable is not None
        # Its folder is in the way of everybody but its owner and root, who are who asks.
        self.settings |= {"listen_addresses": self.cable.there, "unix_socket_directories": str(self.folder)}
        self.host = str(self.folder)

    def make(self) -> None:
        super().make()
        assert self.cable is not None
        with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write(f"host all all {self.cable.here}/32 trust\n")

    def started_as(self) -> tuple[list[str], dict[str, Any]]:
        assert self.cable is not None
        within = ["ip", "netns", "exec", self.cable.space, "setpriv", f"--reuid={OWNER}", f"--regid={OWNER}"]
        return [*within, "--clear-groups", str(binaries() / "postgres"), "-D", str(self.data)], {}

    def beside(self, database: str = DATABASE) -> str:
        """Where it can be looked at while the cable is cut."""
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def across(self, database: str = DATABASE) -> str:
        """Where it is, as a node is told."""
        assert self.cable is not None
        return f"postgresql://{USER}@{self.cable.there}:{self.port}/{database}"


def ip(*words: str) -> None:
    """Change the network of this machine, and nothing that is not ours."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def apart(folder: Path) -> Iterator[Apart]:
    """A new server with an empty database in a namespace; both gone afterwards."""
    place = os.getpid() % (1 << 14)
    net = f"198.18.{place >> 6}.{{}}".format
    first = (place & 63) << 2
    cable = Cable(f"evergrant-{os.getpid()}", f"egr{place}a", f"egr{place}b", net(first + 1), net(first + 2))
    cable.lay()
    try:
        server = Apart(folder, cable=cable)
        try:
            server.make()
            server.start()
            server.create()
            yield server
        finally:
            server.close()
    finally:
        cable.remove()
