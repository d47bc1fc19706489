"""Counting: in one process, in several, and when one of them dies."""

import runpy
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from evergrant.clock import FixedClock
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.observe.cells import clean
from evergrant.observe.metrics import TABLE, Metrics
from evergrant.protocol.error import Code

GENERATOR = Path(__file__).parents[2] / "docs" / "generate" / "metrics.py"

WORKER = """
import sys
from pathlib import Path
from evergrant.observe.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]), ("token",))
for _ in range(int(sys.argv[2])):
    metrics.refreshes.add("rotate")
    metrics.request_seconds.observe(0.003, "token")
metrics.backlog.set(float(sys.argv[2]))
print("counted", flush=True)
sys.stdin.read()
"""


def told(metrics: Metrics) -> dict[str, float]:
    """Read the page as Prometheus would, as `name{label="value"}` to number."""
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


@pytest.fixture
def worker(tmp_path):
    """Start a process that counts and then waits to be told to end, one way or another."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path / "metrics"), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_every_instrument_is_on_the_page_from_the_first_moment():
    page = text_string_to_metric_families(Metrics().render().decode())
    names = {family.name for family in page}

    assert names == {declared.name.removesuffix("_total") for declared in TABLE}


def test_every_value_of_every_vocabulary_is_a_series_at_zero():
    page = told(Metrics())

    for verdict in Verdict:
        assert page[f"evergrant_refreshes_total{{{verdict}}}"] == 0
    for reason in Reason:
        assert page[f"evergrant_families_ended_total{{{reason}}}"] == 0
    for refusal in [*Refusal, *Code]:
        assert page[f"evergrant_refusals_total{{{refusal}}}"] == 0


def test_what_is_counted_is_told():
    metrics = Metrics(endpoints=("token",))
    metrics.refreshes.add(Verdict.ROTATE)
    metrics.refreshes.add("rotate")
    metrics.ended.add(Reason.SIGNED_OUT_EVERYWHERE, 1000)
    metrics.issued.add("refresh_token")
    metrics.sign_ins.add("delayed")
    metrics.backlog.set(7)
    page = told(metrics)

    assert page["evergrant_refreshes_total{rotate}"] == 2
    assert page["evergrant_families_ended_total{signed_out_everywhere}"] == 1000
    assert page["evergrant_tokens_issued_total{refresh_token}"] == 1
    assert page["evergrant_sign_ins_total{delayed}"] == 1
    assert page["evergrant_events_backlog"] == 7
    assert page["evergrant_workers"] == 1


def test_no_text_of_a_client_becomes_a_label():
    metrics = Metrics(endpoints=("token",))
    before = len(told(metrics))
    for invented in ("x", "", 'a"} 1\nforged 1', "egr_secret"):
        metrics.refusals.add(invented)
        metrics.request_seconds.observe(0.1, invented)
    page = told(metrics)

    assert len(page) == before
    assert page["evergrant_refusals_total{other}"] == 4
    assert page["evergrant_request_seconds_count{other}"] == 4


def test_a_histogram_counts_each_size_in_its_bucket_and_all_above():
    metrics = Metrics()
    for size in (1, 2, 3, 4, 300):
        metrics.settle_batch.observe(size)
    page = told(metrics)

    bounds = ("1.0", "2.0", "4.0", "8.0", "256.0", "+Inf")
    spelled = {key: value for key, value in page.items() if key.startswith("evergrant_settle_batch_size_bucket")}
    found = {float(key.partition("{")[2].rstrip("}").replace("+Inf", "inf")): value for key, value in spelled.items()}
    assert [found[float(bound.replace("+Inf", "inf"))] for bound in bounds] == [1, 2, 4, 4, 4, 5]
    assert page["evergrant_settle_batch_size_sum"] == 310
    assert page["evergrant_settle_batch_size_count"] == 5


def test_no_addition_of_two_threads_is_lost():
    metrics = Metrics()

    def count(_: int) -> None:
        for _ in range(2000):
            metrics.refreshes.add(Verdict.REPEAT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))

    assert told(metrics)["evergrant_refreshes_total{repeat}"] == 16_000


def test_any_worker_tells_the_sum_of_all(worker, tmp_path):
    worker(3)
    worker(4)
    metrics = Metrics(tmp_path / "metrics", ("token",))
    metrics.refreshes.add(Verdict.ROTATE)
    page = told(metrics)

    assert page["evergrant_refreshes_total{rotate}"] == 8
    assert page["evergrant_request_seconds_count{token}"] == 7
    assert page["evergrant_workers"] == 3
    assert page["evergrant_events_backlog"] == 4


def test_a_worker_that_was_killed_keeps_its_counts_and_loses_its_gauges(worker, tmp_path):
    metrics = Metrics(tmp_path / "metrics", ("token",))
    victim = worker(5)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    page = told(metrics)

    assert page["evergrant_refreshes_total{rotate}"] == 5
    assert page["evergrant_workers"] == 1
    assert page["evergrant_events_backlog"] == 0


def test_the_successor_of_a_killed_worker_counts_on_in_the_same_slot(worker, tmp_path):
    metrics = Metrics(tmp_path / "metrics", ("token",))
    for _ in range(3):
        victim = worker(5)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    worker(5)
    page = told(metrics)

    assert page["evergrant_refreshes_total{rotate}"] == 20
    assert page["evergrant_workers"] == 2
    assert len(list((tmp_path / "metrics").iterdir())) == 2


def test_a_slot_that_was_left_is_free_for_the_next_one(tmp_path):
    first = Metrics(tmp_path, ("token",))
    first.refreshes.add(Verdict.ROTATE)
    first.close()
    second = Metrics(tmp_path, ("token",))

    assert told(second)["evergrant_refreshes_total{rotate}"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["slot-0"]


def test_cleaning_removes_the_slots_of_the_dead_and_no_other(worker, tmp_path):
    directory = tmp_path / "metrics"
    assert clean(directory) == 0
    alive, dead = worker(1), worker(2)
    dead.kill()
    dead.wait()

    assert clean(directory) == 1
    assert clean(directory) == 0
    assert told(Metrics(directory, ("token",)))["evergrant_refreshes_total{rotate}"] == 1
    assert alive.poll() is None


def test_a_slot_of_another_version_is_begun_anew(tmp_path):
    other = Metrics(tmp_path, ("token",))
    other.refreshes.add(Verdict.ROTATE)
    other.close()
    metrics = Metrics(tmp_path, ("token", "revoke"))

    assert told(metrics)["evergrant_refreshes_total{rotate}"] == 0


def test_a_running_worker_of_another_version_is_left_alone(tmp_path):
    other = Metrics(tmp_path, ("token",))
    other.refreshes.add(Verdict.ROTATE)
    metrics = Metrics(tmp_path, ("token", "revoke"))

    assert told(metrics)["evergrant_refreshes_total{rotate}"] == 0
    assert told(other)["evergrant_refreshes_total{rotate}"] == 1


def test_slots_are_readable_by_their_owner_alone(tmp_path):
    Metrics(tmp_path / "metrics")

    assert (tmp_path / "metrics").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "metrics" / "slot-0").stat().st_mode & 0o777 == 0o600


def test_o_08_a_directory_that_cannot_be_written_costs_the_sharing_and_nothing_else(tmp_path, caplog):
    (tmp_path / "file").write_text("not a directory")
    metrics = Metrics(tmp_path / "file")
    metrics.refreshes.add(Verdict.ROTATE)

    assert told(metrics)["evergrant_refreshes_total{rotate}"] == 1
    assert "not shared with the others" in caplog.text


FULL_DISK = """
import resource, sys
from pathlib import Path
from evergrant.observe.metrics import Metrics
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
metrics = Metrics(Path(sys.argv[1]))
metrics.refreshes.add("rotate")
print('evergrant_refreshes_total{outcome="rotate"} 1' in metrics.render().decode())
"""


@pytest.mark.parametrize("room", [0, 100])
def test_o_08_a_full_disk_is_noticed_before_the_first_count(tmp_path, room):
    program = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(room)]
    answer = subprocess.run(program, capture_output=True, text=True, check=True)

    assert answer.stdout == "True\n"
    assert "this worker's metrics are not shared with the others" in answer.stderr
    assert told(Metrics(tmp_path))["evergrant_refreshes_total{rotate}"] == 0


def test_o_09_steps_of_the_clock_are_on_the_page():
    metrics, clock = Metrics(), FixedClock(1_000_000)
    assert metrics.watch(clock) == 0
    clock.set(996_400)
    assert metrics.watch(clock) == 1
    assert metrics.watch(clock) == 0
    page = told(metrics)

    assert page["evergrant_clock_steps_total"] == 1
    assert page["evergrant_clock_step_seconds"] == -3600


def test_counting_needs_no_library():
    program = (
        "import sys, evergrant.observe.metrics as m; m.Metrics().render(); print('prometheus_client' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert answer.stdout == "False\n"


def test_the_reference_page_is_up_to_date():
    generator = runpy.run_path(str(GENERATOR))

    assert generator["PAGE"].read_text(encoding="utf-8") == generator["render"](), f"run: python {GENERATOR}"
