"""Asking one connection, inside a transaction: statements in, rows or a count out."""

from collections.abc import Mapping
from typing import Any, Final

from evergrant.store.postgres.connection import Connection

# PostgreSQL's text holds every character but NUL; a noncharacter stands for it. Documents are bytes and hold all.
NUL: Final = "\uffff"

Values = tuple[Any, ...] | Mapping[str, Any]


def writable(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same values with what text cannot hold replaced."""
    return tuple(value.replace("\0", NUL) if type(value) is str and "\0" in value else value for value in values)


class Asking:
    """One connection with a transaction open on it."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Run a statement that answers with rows; all of them."""
        return self.connection.execute(statement, values).fetchall()

    def send(self, statement: str, values: Values = ()) -> None:
        """Run a statement whose answer nobody needs; inside a pipeline, without waiting for it."""
        self.connection.execute(statement, values)

    def count(self, statement: str, values: Values = ()) -> int:
        """Run a statement that changes rows; how many it changed."""
        return self.connection.execute(statement, values).rowcount
