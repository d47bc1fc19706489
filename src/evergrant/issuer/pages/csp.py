"""The headers of every page, as data.

What lives here: which page may send forms where, and which page may run which script. What all pages share is
`evergrant.web.look.csp`. What must not: a decision about who may see a page; text (`view`, `wording`).
"""

from collections.abc import Callable
from typing import Final

from evergrant.issuer.pages.view import (
    AUTO_SUBMIT,
    AccountPage,
    ConsentPage,
    ErrorPage,
    FormPostPage,
    IndexPage,
    Page,
    PasswordPage,
    SelectAccountPage,
    SignedOutPage,
    SignInPage,
    SignOutPage,
    TheftNoticePage,
)
from evergrant.web.look.csp import HERE, Headers, page_headers


def _nowhere(_targets: tuple[str, ...]) -> tuple[str, ...]:
    return ()


def _here(_targets: tuple[str, ...]) -> tuple[str, ...]:
    return (HERE,)


def _here_then_client(targets: tuple[str, ...]) -> tuple[str, ...]:
    return (HERE, *targets)


def _client(targets: tuple[str, ...]) -> tuple[str, ...]:
    return targets


FORMS: Final[dict[type[Page], Callable[[tuple[str, ...]], tuple[str, ...]]]] = {
    SignInPage: _here_then_client,
    ConsentPage: _here_then_client,
    SelectAccountPage: _here_then_client,
    TheftNoticePage: _here_then_client,
    SignOutPage: _here_then_client,
    FormPostPage: _client,
    AccountPage: _here,
    PasswordPage: _here,
    ErrorPage: _nowhere,
    SignedOutPage: _nowhere,
    IndexPage: _nowhere,
}

SCRIPTS: Final[dict[type[Page], str]] = {FormPostPage: AUTO_SUBMIT}

# A client may open the pages of a sign-in in a pop-up window and wait for it; Cross-Origin-Opener-Policy would cut the
# two apart, and the client would believe the window closed. Pages that no client opens have it.
ALONE: Final[frozenset[type[Page]]] = frozenset({AccountPage, PasswordPage, IndexPage})


def headers_for(page: Page, form_targets: tuple[str, ...] = ()) -> Headers:
    """The headers of *page*, without its content type. *form_targets* come from `form_targets_of`.

    Raises `ValueError` for a target that could be read as anything but one source.
    """
    kind = type(page)
    return page_headers(FORMS[kind](form_targets), script=SCRIPTS.get(kind, ""), alone=kind in ALONE)
