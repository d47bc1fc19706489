"""The wheel holds what the tree holds: code, templates, static files, SQL, types; and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from tests.meta.claims import ROOT

SRC: Final = ROOT / "src"


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {
        file.relative_to(SRC).as_posix()
        for file in SRC.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert "evergrant/py.typed" in packed
    assert any(name.endswith(".sql") for name in packed)
    assert any("/pages/templates/" in name for name in packed)
    assert any("/look/static/" in name for name in packed)
