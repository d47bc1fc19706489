"""The contexts of the pages, and the one script that a page carries.

What lives here: one frozen dataclass per page that says all a page shows, and `Pages`, which turns one into HTML.
What must not: a request, a response, a store, a clock. A page that speaks of time is given its `now`.
Headers are next door in `csp`; how templates are drawn is `evergrant.web.look.template`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from evergrant.web.look import wording
from evergrant.web.look.assets import static_path
from evergrant.web.look.notice import Notice
from evergrant.web.look.template import Template, templates, trusted

# OAuth 2.0 Form Post Response Mode section 2: the browser posts by itself. `submit` is taken from the
# prototype because a field may be named `submit`, which would hide the form's own method.
AUTO_SUBMIT: Final = "HTMLFormElement.prototype.submit.call(document.forms[0])"
_BASE: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage:
    """Asks for name and password. *error*: one generic sentence (attack S-09); *wait_seconds*: set while locked out."""

    csrf: str
    flow: str | None = None
    client_name: str | None = None
    client_host: str | None = None
    login_hint: str | None = None
    error: str | None = None
    wait_seconds: int | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """One thing a client asks for. *is_new* when it was not part of what the user allowed before."""

    name: str
    description: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPage:
    """Asks whether a client may. *client_host*: of the redirect URI; *lifetime*: from `wording.lifetime_sentence`."""

    csrf: str
    flow: str
    client_name: str
    client_host: str
    account_label: str
    scopes: tuple[ScopeLine, ...]
    lifetime: str
    offline: bool
    revoke_at: str
    resources: tuple[str, ...] = ()
    client_uri: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectAccountPage:
    """Asks whether to go on as who is signed in, or as somebody else."""

    csrf: str
    flow: str
    account_label: str
    client_name: str | None = None


HOLDER: Final = "The one holding the newest token"
PRESENTER: Final = "The one who presented a spent token"


@dataclass(frozen=True, slots=True)
class Party:
    """One of the two who held copies of a family's tokens: when and from where it was last seen."""

    role: str
    at: int
    network: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TheftNoticePage:
    """Tells of a suspected theft. *radius* is what ended: family, session, client, user, or nothing (observe-only)."""

    csrf: str
    flow: str | None
    client_name: str
    device_label: str
    ended_at: int
    parties: tuple[Party, ...]
    now: int
    radius: str = "family"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """Says what happened, then what to do. *error_id* finds the operator's log line."""

    title: str
    what_happened: str
    what_to_do: str
    error_id: str
    error_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutPage:
    """Says that one is signed out. *post_logout* is a registered address of the client, already checked."""

    client_name: str | None = None
    post_logout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOutPage:
    """Asks whether to sign out, when a client sent the browser here (attack S-18)."""

    csrf: str
    request: str
    client_name: str | None = None
    account_label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPostPage:
    """Hands an authorization response to the client by POST (OAuth 2.0 Form Post Response Mode)."""

    action: str
    fields: tuple[tuple[str, str], ...]
    client_name: str | None = None

    def __post_init__(self) -> None:
        # Escaping cannot make a `javascript:` address harmless; only its scheme can.
        if wording.web_link(self.action) is None:
            raise ValueError("a form_post response goes to an http or https address")


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One signed-in browser."""

    id: str
    label: str
    network: str
    agent: str
    signed_in_at: int
    last_seen_at: int
    current: bool = False


@dataclass(frozen=True, slots=True)
class FamilyLine:
    """One application that stays signed in on one device. *ends_at* is its absolute end."""

    id: str
    client_name: str
    label: str
    network: str
    last_used_at: int
    created_at: int
    offline: bool
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One application that the user allowed something."""

    id: str
    client_name: str
    client_host: str
    scopes: tuple[str, ...]
    since: int
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """Everything that is signed in, and the buttons that end it."""

    csrf: str
    account_label: str
    now: int
    sessions: tuple[SessionLine, ...]
    families: tuple[FamilyLine, ...]
    connected: tuple[GrantLine, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPage:
    """Changes the password. *field* names the input that *error* is about, where it is about one."""

    csrf: str
    account_label: str
    min_length: int
    error: str | None = None
    field: Literal["current_password", "new_password"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """What one sees at the issuer's root."""

    account_label: str | None = None


Page = (
    SignInPage
    | ConsentPage
    | SelectAccountPage
    | TheftNoticePage
    | ErrorPage
    | SignedOutPage
    | SignOutPage
    | FormPostPage
    | AccountPage
    | PasswordPage
    | IndexPage
)

TEMPLATES: Final[dict[type[Page], str]] = {
    SignInPage: "sign_in.html",
    ConsentPage: "consent.html",
    SelectAccountPage: "select_account.html",
    TheftNoticePage: "theft_notice.html",
    ErrorPage: "error.html",
    SignedOutPage: "signed_out.html",
    SignOutPage: "sign_out.html",
    FormPostPage: "form_post.html",
    AccountPage: "account.html",
    PasswordPage: "password.html",
    IndexPage: "index.html",
}


class Pages:
    """Every page, compiled once. *base* is the path component of the issuer's address, empty or like `/auth`."""

    __slots__ = ("_templates",)

    def __init__(self, branding_name: str, support_url: str | None = None, base: str = "") -> None:
        """Compile the templates; a base path that could not be written into an address is refused."""
        if not _BASE.match(base):
            raise ValueError(f"the issuer's base path is empty or like /auth, not {base!r}")
        self._templates = _compiled(branding_name, support_url, base)

    def render(self, page: Page) -> str:
        """The HTML of *page*."""
        return self._templates[type(page)].render(page=page)


@cache
def _compiled(branding_name: str, support_url: str | None, base: str) -> Mapping[type[Page], Template]:
    environment = templates(
        "evergrant.issuer.pages",
        brand=wording.plain(branding_name, wording.NAME_LIMIT),
        support=wording.support_link(support_url),
        base=base,
        stylesheet=base + static_path("evergrant.css"),
        mark=base + static_path("mark.svg"),
        auto_submit=trusted(AUTO_SUBMIT),  # the policy admits this one script by its hash
    )
    return {page: environment.get_template(name) for page, name in TEMPLATES.items()}
