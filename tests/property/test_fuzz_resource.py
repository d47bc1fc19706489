"""The fuzzer at the resource side's parsers, for some seconds, from seeds that are kept here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools import ROOT

SEEDS = Path(__file__).parent / "corpus" / "resource"
SECONDS = int(os.environ.get("EVERGRANT_TEST_FUZZ_SECONDS", "6"))


def test_no_bytes_bring_a_parser_of_the_resource_side_down(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(SEEDS, corpus)
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.property.fuzz_resource", str(corpus), f"-max_total_time={SECONDS}", "-seed=1",
            "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={tmp_path}/",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=120 + SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "Done" in done.stderr
