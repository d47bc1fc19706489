"""Refusals as pages: a person never sees JSON, a stack trace or an empty answer.

What lives here: the words for what went wrong, by status, and the refusals that only pages raise. What must not: how a
page is drawn (`view`) or what a handler decides. The reference on the page is the id of the operator's log line.
"""

from typing import Final, NamedTuple

from evergrant.issuer.pages.desk import Desk
from evergrant.issuer.pages.view import ErrorPage
from evergrant.protocol.authorization import Unredirectable
from evergrant.protocol.error import Code, Refused
from evergrant.web.answer import Answer

RETRY: Final = (b"retry-after", b"2")
_UNAVAILABLE: Final = 503


class FlowOver(Refused):
    """A flow that is unknown, over, or another browser's."""

    def __init__(self) -> None:
        super().__init__(
            Code.INVALID_REQUEST, "It took too long, was finished in another tab, or began in another browser.",
            "the flow is over",
        )  # fmt: skip


class _Words(NamedTuple):
    title: str
    todo: str


_AGAIN: Final = "Go back to the application and start again."
_BY_STATUS: Final = {
    403: _Words("This was not sent from here", "Open the page again and repeat what you did."),
    404: _Words("There is nothing here", "Check the address."),
    405: _Words("This is not a page", "Go back to where you came from."),
    408: _Words("That took too long", "Try again with a better connection."),
    413: _Words("That was too much", "Go back and send less."),
    431: _Words("That was too much", "Delete this site's cookies and try again."),
    500: _Words("Something went wrong here", "Try again in a moment."),
    503: _Words("Not available right now", "Try again in a moment."),
}


def _words(error: Refused) -> _Words:
    if isinstance(error, FlowOver):
        return _Words("This sign-in is over", _AGAIN)
    if isinstance(error, Unredirectable):
        return _Words("This request cannot be answered", "Tell the application's makers.")
    return _BY_STATUS.get(error.status, _Words("This did not work", _AGAIN))


class Guard:
    """Draws refusals for people; called by the application with the id under which it logged one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, error: Refused, error_id: str) -> Answer:
        words = _words(error)
        page = ErrorPage(
            title=words.title,
            what_happened=error.description,
            what_to_do=words.todo,
            error_id=error_id,
            error_code=error.code.value,
        )
        answer = self._desk.show(page, None, (), error.status)
        return answer._replace(headers=(*answer.headers, RETRY)) if error.status == _UNAVAILABLE else answer
