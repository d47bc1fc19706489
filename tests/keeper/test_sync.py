"""The keeper without await: from many threads, and in a forked process."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evergrant.domain.secret import Secret
from evergrant.keeper import NeedsReauth, SyncKeeper
from evergrant.keeper.errors import VaultTrouble
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.settings import Client, Settings
from evergrant.testing.chaos import Chaos, beside
from tests.keeper.living import kept


@pytest.fixture
def chaos() -> Iterator[Chaos]:
    with beside("plain", ["strict_one_shot"]) as provider:
        yield provider


@pytest.fixture
def keeper(chaos: Chaos, tmp_path: Path) -> Iterator[SyncKeeper]:
    with opened(chaos, tmp_path) as one:
        connect(one, chaos, "user-42")
        yield one


def opened(chaos: Chaos, place: Path, **settings: float) -> SyncKeeper:
    catalog = Catalog()
    catalog.add(replace(chaos.provider, id="here"))
    clients = {"here": Client("here", chaos.client_id, Secret(chaos.client_secret))}
    return SyncKeeper.open(
        str(place / "keeper.db"),
        catalog=catalog,
        clients=clients,
        settings=Settings(**settings),  # type: ignore[arg-type]
    )


def connect(keeper: SyncKeeper, chaos: Chaos, account: str, *, expires_in: int = 1) -> None:
    from evergrant.clock import SystemClock

    keeper.do(kept(keeper.core, chaos.grant(account), account, SystemClock().now(), expires_in=expires_in))


def test_a_token_is_refreshed_and_then_served_from_memory(chaos: Chaos, tmp_path: Path) -> None:
    with opened(chaos, tmp_path, recheck_seconds=60.0) as keeper:
        connect(keeper, chaos, "user-42")
        lease = keeper.lease("here", "user-42")
        assert lease.version == 2
        assert keeper.lease("here", "user-42") is lease
        assert keeper.report_unauthorized(lease).version == 3
    assert chaos.ledger.rotations == 2


def test_k_15_forty_threads_cost_one_refresh(keeper: SyncKeeper, chaos: Chaos) -> None:
    tokens: list[str] = []
    ready = threading.Barrier(40)

    def ask() -> None:
        ready.wait()
        tokens.append(keeper.lease("here", "user-42").token.reveal())

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 40
    assert len(set(tokens)) == 1
    assert len(chaos.ledger.refreshes) == 1


def test_two_keepers_on_one_file_are_two_processes_and_cost_one_refresh(
    keeper: SyncKeeper, chaos: Chaos, tmp_path: Path
) -> None:
    with opened(chaos, tmp_path) as other:
        tokens: list[str] = []
        threads = [
            threading.Thread(target=lambda one=one: tokens.append(one.lease("here", "user-42").token.reveal()))
            for one in (keeper, other) * 5
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(tokens)) == 1
        assert len(chaos.ledger.refreshes) == 1


def test_an_error_reaches_the_caller_with_its_reason(keeper: SyncKeeper, chaos: Chaos) -> None:
    chaos.withdraw("user-42")
    with pytest.raises(NeedsReauth):
        keeper.lease("here", "user-42")
    assert keeper.show("here", "user-42").connection.health == "needs_reauth"
    assert [one.account for one in keeper.list()] == ["user-42"]


def test_a_closed_keeper_says_so_and_closes_twice(keeper: SyncKeeper) -> None:
    keeper.lease("here", "user-42")
    keeper.close()
    keeper.close()
    with pytest.raises(VaultTrouble):
        keeper.lease("here", "user-42")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of forks with threads
def test_a_forked_child_opens_its_own_and_takes_no_claim_of_its_parent(keeper: SyncKeeper, chaos: Chaos) -> None:
    lease = keeper.lease("here", "user-42")
    connect(keeper, chaos, "user-43")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover - another process
        status = 1
        try:
            same = keeper.lease("here", "user-42").token.reveal() == lease.token.reveal()
            fresh = keeper.lease("here", "user-43").version == 2
            os.write(writing, b"ok" if same and fresh else b"no")
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 10)
    os.close(reading)
    assert (status, said) == (0, b"ok")
    assert keeper.lease("here", "user-43").version == 2
    assert keeper.lease("here", "user-42").version == 2
    assert chaos.ledger.rotations == 2


def test_the_background_refreshes_before_anybody_asks(chaos: Chaos, tmp_path: Path) -> None:
    with opened(chaos, tmp_path) as one:
        connect(one, chaos, "user-42", expires_in=30)
        one.start()
        moment = threading.Event()
        for _ in range(200):
            if one.show("here", "user-42").records["main"].version == 2:
                break
            moment.wait(0.05)
        assert one.show("here", "user-42").records["main"].version == 2
        assert chaos.ledger.rotations == 1
