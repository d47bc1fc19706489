"""Page errors as pages: a person never sees JSON, a stack trace or an empty answer."""

from collections.abc import Awaitable, Callable
from typing import Final

from evergrant.issuer.http.answer import Answer
from evergrant.issuer.http.ask import Ask
from evergrant.issuer.pages.desk import Desk
from evergrant.protocol.authorization import Unredirectable
from evergrant.protocol.error import Code, Refused
from evergrant.store.port import StoreUnavailable

Handler = Callable[[Ask], Awaitable[Answer]]
_AGAIN: Final = "Go back to the application and start again."


def guarded(desk: Desk, handler: Handler) -> Handler:
    """*handler*, with its refusals shown as pages."""

    async def page(ask: Ask) -> Answer:
        try:
            return await handler(ask)
        except Unredirectable as error:
            return desk.trouble(400, "This request cannot be answered", str(error), "Tell the application's makers.",
                                Code.INVALID_REQUEST)  # fmt: skip
        except StoreUnavailable:
            return desk.trouble(503, "Not available right now", "Nothing was changed.", "Try again in a moment.",
                                Code.TEMPORARILY_UNAVAILABLE)  # fmt: skip
        except Refused as error:
            busy = error.code is Code.TEMPORARILY_UNAVAILABLE
            todo = "Try again in a moment." if busy else _AGAIN
            title = "Not available right now" if busy else "This did not work"
            return desk.trouble(error.status, title, error.description, todo, error.code)

    return page


def flow_over(desk: Desk) -> Answer:
    """What is shown for a flow that is unknown, over, or another browser's."""
    return desk.trouble(
        400, "This sign-in is over", "It took too long, was finished in another tab, or began in another browser.",
        _AGAIN,
    )  # fmt: skip
