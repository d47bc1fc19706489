"""Nothing live is ended but where ends are told: `evergrant.store.applying` alone closes families and access tokens."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src/evergrant"
CLOSING = {
    ("families", "end"),
    ("families", "end_these"),
    ("families", "settle"),
    ("barred", "put"),
    ("endings", "add"),
}
TELLER = "store/applying.py"


def _calls(path: Path) -> Iterator[tuple[str, str]]:
    """Table and verb of every call of the form `tx.table.verb(…)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(verb := node.func, ast.Attribute):
            table = verb.value
            if isinstance(table, ast.Attribute) and not table.attr.startswith("_"):
                yield table.attr, verb.attr


def _files() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        if not name.startswith(("testing/", "keeper/")):
            yield name, path


def test_what_is_live_is_closed_only_where_ends_are_told():
    closing = {name for name, path in _files() if CLOSING & set(_calls(path))}
    assert closing == {TELLER}


def test_a_client_is_deleted_only_where_its_tokens_are_ended():
    deleting = {name for name, path in _files() if ("clients", "delete") in set(_calls(path)) and "cli/" not in name}
    assert deleting == {"issuer/service/clients.py"}
    assert "end_client(tx, client.id, now)" in (SOURCE / "issuer/service/clients.py").read_text()
