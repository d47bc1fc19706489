"""The contracts about imports leave nothing out: every room has its layer, every library its door."""

import ast
import sys
import tomllib
from typing import Final

from tests.meta.claims import ROOT

SRC: Final = ROOT / "src" / "evergrant"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS: Final = PROJECT["tool"]["importlinter"]["contracts"]


def imported() -> set[str]:
    """Every distribution's top-level module that the package imports."""
    found: set[str] = set()
    for file in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"evergrant", "__future__"}


def test_every_library_has_one_door() -> None:
    doors = {
        module for contract in CONTRACTS if contract["type"] == "protected" for module in contract["protected_modules"]
    }
    assert imported() - doors == set()


def test_every_room_has_its_layer() -> None:
    (layers,) = [
        contract["layers"] for contract in CONTRACTS if contract["type"] == "layers" and "containers" not in contract
    ]
    named = {module.strip("( )").split(".")[1] for layer in layers for module in layer.replace("|", ":").split(":")}
    rooms = {
        path.stem for path in SRC.iterdir() if path.name != "__pycache__" and (path.is_dir() or path.suffix == ".py")
    }
    assert rooms - named - {"__init__", "testing"} == set()


def test_every_contract_is_a_sentence() -> None:
    for contract in CONTRACTS:
        assert len(contract["name"].split()) >= 5, contract["name"]
