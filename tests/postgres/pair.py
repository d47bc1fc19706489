"""A primary and the standby that follows it, on loopback: killed, promoted and seeded anew as an operator would.

What lives here: who is primary, and the order of a failover. What must not: one postmaster's life (`postmaster`), load
and judgement (the tests).
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from psycopg.conninfo import make_conninfo

from tests.postgres.postmaster import DATABASE, PATIENCE, SUPERUSER, USER, Postmaster, run, scratch, wait_for
from tests.postgres.proxy import Proxy, proxied

NAMES: Final = ("east", "west")


@dataclass
class Pair:
    """Two postmasters; the first of them is the primary at the beginning."""

    primary: Postmaster
    standby: Postmaster
    link: Proxy
    """What the standby receives passes through here."""
    synchronous: bool = True
    failovers: int = 0

    @property
    def url(self) -> str:
        """Both, in an order that never changes; whoever connects is led to the one that may be written."""
        ports = sorted((self.primary.port, self.standby.port))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{USER}@{hosts}/{DATABASE}?target_session_attrs=read-write&connect_timeout=5"

    def seed(self) -> None:
        """A new standby from the primary, followed until it is as far, and then required where it shall be."""
        shutil.rmtree(self.standby.data, ignore_errors=True)
        self.link.mend()
        link = make_conninfo(
            host="127.0.0.1", port=self.link.port, user=SUPERUSER, application_name=self.standby.folder.name
        )
        run(
            "pg_basebackup", "--pgdata", self.standby.data, "--dbname", link, "--write-recovery-conf", "--no-sync",
            "--checkpoint=fast", "--wal-method=stream",
        )  # fmt: skip
        self.standby.settings["synchronous_standby_names"] = ""
        self.standby.start()
        assert wait_for(self.follows), f"the standby does not follow:\n{self.standby.log.read_text()[-2_000:]}"
        if self.synchronous:
            self.primary.set(synchronous_standby_names=self.standby.folder.name)
            assert wait_for(self.required), "the standby is not synchronous"

    def follows(self) -> bool:
        return self._states("state") == ["streaming"]

    def required(self) -> bool:
        """Whether the primary waits for the standby before it acknowledges a commit."""
        return self._states("sync_state") == ["sync"] and self.primary.ask("SHOW synchronous_standby_names") != [("",)]

    def _states(self, column: str) -> list[str]:
        return [row[0] for row in self.primary.ask(f"SELECT {column} FROM pg_stat_replication")]

    def hold_back(self) -> None:
        """The standby receives nothing any more, as behind a network that has stopped to pass packets."""
        self.link.stall()

    def fail_over(self) -> float:
        """kill -9 of the primary, and promotion of the standby. Seconds from the kill until it takes writes."""
        began = time.monotonic()
        self.lose_primary()
        self.promote()
        return time.monotonic() - began

    def lose_primary(self) -> None:
        """kill -9 of the primary; what is on its way to the standby is lost with it."""
        self.primary.kill()
        self.link.cut()

    def promote(self) -> None:
        """The standby takes the place of a primary that is gone, and waits for no other until there is one (`seed`)."""
        self.failovers += 1
        self.standby.ask(f"SELECT pg_promote(true, {int(PATIENCE)})")
        self.primary, self.standby = self.standby, self.primary
        assert wait_for(lambda: self.primary.ask("SELECT pg_is_in_recovery()") == [(False,)])

    def close(self) -> None:
        self.primary.close()
        self.standby.close()


@contextlib.contextmanager
def paired(*, synchronous: bool = True, **settings: str) -> Iterator[Pair]:
    """A primary with an empty database and a standby that follows it, both killed afterwards."""
    with scratch() as folder, proxied(lambda: pair.primary.port) as link:
        east, west = (Postmaster(folder / name, dict(settings)) for name in NAMES)
        pair = Pair(east, west, link, synchronous)
        try:
            east.make()
            east.start()
            east.create()
            pair.seed()
            yield pair
        finally:
            pair.close()
