"""What went wrong, in words for people: every code of a refused callback has its own, and says what to do."""

from typing import Final, NamedTuple

from evergrant.keeper.connection import Health
from evergrant.keeper.errors import BadRequest, CallbackRefused, KeeperError, NotUsable, TryLater, UnknownConnection
from evergrant.keeper.errors import UnknownProvider as NoSuchClient
from evergrant.keeper.serving.pages.view import TroublePage
from evergrant.protocol.error import Refused

LINK_OVER: Final = "link_over"
NOT_VISITING: Final = "not_visiting"
OTHER_BROWSER: Final = "other_browser"
OTHER_USER: Final = "other_user"


class Words(NamedTuple):
    """Title, what happened, what to do, and the status of the page. *again*: whether a second try may help."""

    title: str
    happened: str
    todo: str
    status: int = 400
    again: bool = True


_BACK: Final = "Go back to the application and start from there."
_SAFE: Final = "Nothing was changed: what was connected before still is."
WORDS: Final[dict[str, Words]] = {
    "unknown_state": Words(
        "This page is over",
        "It took too long, was opened a second time, or belongs to an earlier attempt.",
        "Start again. " + _SAFE,
    ),
    OTHER_USER: Words(
        "Somebody else started this",
        "What you opened was made for another user than the one who is signed in here.",
        "If you did not start this yourself, close the page: somebody may have sent you their link. " + _SAFE,
        403,
        again=False,
    ),
    "issuer_mismatch": Words(
        "This answer came from somewhere else",
        "It does not come from the provider that you were sent to, so it was not used.",
        "Start again. If it happens twice, tell whoever runs the application. " + _SAFE,
    ),
    "provider_error": Words(
        "The provider could not do it",
        "It sent you back with an error instead of a permission.",
        "Try again in a few minutes. " + _SAFE,
    ),
    "denied": Words(
        "You did not allow it", "The provider was told no, so nothing is shared.",
        "If that was not meant, try again and allow it. " + _SAFE,
    ),
    "account_changed": Words(
        "That was another account",
        "You signed in at the provider with another account than the one that is connected here.",
        "Sign out at the provider, then try again with the account that you used before. " + _SAFE,
        409,
    ),
    "no_code": Words(
        "The answer was incomplete", "The provider sent you back without what is needed to go on.",
        "Start again. " + _SAFE,
    ),
    "no_refresh_token": Words(
        "The permission does not last",
        "The provider gave access for a moment only, and would not let it be renewed.",
        "Try again, and allow access while you are away if you are asked for it. " + _SAFE,
        409,
    ),
    "exchange_failed": Words(
        "The last step did not work",
        "The provider did not hand over what you allowed.",
        "Try again in a few minutes. " + _SAFE,
        502,
    ),
    LINK_OVER: Words(
        "This link is over",
        "It was used before, has run out, or is not complete.",
        _BACK,
        410,
        again=False,
    ),
    NOT_VISITING: Words(
        "Come in through the application",
        "This page opens with a link from the application in which you are signed in.",
        "Open the application, sign in, and go to its connections from there.",
        403,
        again=False,
    ),
    OTHER_BROWSER: Words(
        "This did not start in this browser",
        "You came back from a provider to which this browser was not sent.",
        "If you did not start this yourself, close the page. Otherwise start again, and stay in one browser.",
        403,
        again=False,
    ),
}  # fmt: skip
_HEALTH: Final = {
    Health.QUARANTINED: "This account was stopped for safety; whoever runs the application has to look first.",
    Health.REVOKING: "This account is being disconnected at this moment. Try again in a minute.",
    Health.SUSPENDED_CLIENT: "The provider refuses the application itself; whoever runs it has to act first.",
}
_BY_STATUS: Final = {
    403: Words("This was not sent from here", "", "Open the page again and repeat what you did."),
    404: Words("There is nothing here", "", "Check the address."),
    405: Words("This is not a page", "", "Go back to where you came from."),
    500: Words("Something went wrong here", "", "Try again in a moment."),
    503: Words("Not available right now", "", "Try again in a moment."),
}
_OTHER: Final = Words("This did not work", "", _BACK)


def page_of(code: str, onward: str = "") -> tuple[TroublePage, int]:
    """The page for *code*, with a way to try again at *onward* where that may help; and its status."""
    words = WORDS.get(code, _OTHER)
    page = TroublePage(
        title=words.title,
        what_happened=words.happened,
        what_to_do=words.todo,
        code=code,
        onward=onward if words.again else "",
    )
    return page, words.status


def page_about(error: KeeperError, onward: str = "") -> tuple[TroublePage, int]:
    """The page for whatever the keeper raised, and its status."""
    if isinstance(error, CallbackRefused):
        return page_of(error.code, onward)
    if isinstance(error, TryLater):
        return TroublePage(
            title="Not available right now",
            what_happened="For the moment this cannot be done.",
            what_to_do=f"Try again in {max(error.after, 1)} seconds. {_SAFE}",
            onward=onward,
        ), 503
    if isinstance(error, UnknownConnection | NoSuchClient):
        return TroublePage(
            title="There is nothing here", what_happened="This account is not connected.", what_to_do=_BACK
        ), 404
    if isinstance(error, NotUsable):
        words = _HEALTH.get(error.health, "This account cannot be connected at the moment.")
        return TroublePage(title="Not at the moment", what_happened=words, what_to_do=_SAFE), 409
    if isinstance(error, BadRequest):
        said = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return TroublePage(title="This cannot be done", what_happened=said, what_to_do=_BACK, onward=onward), 400
    return TroublePage(title=_OTHER.title, what_happened="It was refused.", what_to_do=_BACK), 409


def page_for(error: Refused, error_id: str) -> TroublePage:
    """The page for what the HTTP room refused."""
    words = _BY_STATUS.get(error.status, _OTHER)
    return TroublePage(
        title=words.title, what_happened=error.description, what_to_do=words.todo, code=error.code.value,
        error_id=error_id,
    )  # fmt: skip
