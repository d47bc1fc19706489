"""The contexts of the pages: one frozen value per page that says all it shows, and turning one into HTML."""

from dataclasses import dataclass
from typing import Final

from evergrant.web.look import wording
from evergrant.web.look.assets import static_path
from evergrant.web.look.csp import HERE, Headers, page_headers
from evergrant.web.look.notice import Notice
from evergrant.web.look.template import Template, templates


@dataclass(frozen=True, slots=True)
class Choice:
    """One client that can be connected, by the provider's name. *connected*: the visitor has done so.

    *detail* tells two clients of one provider apart.
    """

    client: str
    name: str
    connected: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """One thing that is asked for. *is_new* when it was not allowed before."""

    name: str
    description: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that only the visitor knows about their account: a shop, a domain."""

    name: str
    label: str
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage:
    """Asks which provider. *link* is there until the visit has begun."""

    csrf: str
    user_label: str
    choices: tuple[Choice, ...]
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPage:
    """Says what will be shared and for how long, and sends away. *token*: of a reconnect link."""

    csrf: str
    user_label: str
    client: str
    name: str
    host: str
    scopes: tuple[ScopeLine, ...]
    lifetime: str
    link: str = ""
    token: str = ""
    again: bool = False
    again_id: str = ""
    """The connection that is allowed again, where the visitor has named one."""
    gaps: tuple[Gap, ...] = ()
    targets: tuple[str, ...] = ()
    """Where the form leads after our own answer; not shown."""
    several: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DonePage:
    """Says that it stands, what was allowed, and what falls short."""

    name: str
    label: str
    scopes: tuple[ScopeLine, ...]
    missing: tuple[ScopeLine, ...] = ()
    refreshable: bool = True
    return_to: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One connection of the visitor. *state*: `good`, `waiting`, `broken`, `stopped`, `ending`."""

    id: str
    client: str
    name: str
    label: str
    state: str
    words: str
    scopes: tuple[str, ...]
    since: int
    used_at: int
    ends_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsPage:
    """Everything that the visitor has connected, and the buttons that end it."""

    csrf: str
    user_label: str
    now: int
    lines: tuple[Line, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DisconnectPage:
    """Says what would end, before it does. *own*: the visitor's other accounts; *others*: how many of other people."""

    csrf: str
    user_label: str
    id: str
    name: str
    label: str
    told_provider: bool
    blast_radius: str
    own: tuple[str, ...] = ()
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TroublePage:
    """Says what happened, then what to do. *onward*: where the button leads, none when it is empty."""

    title: str
    what_happened: str
    what_to_do: str
    code: str = ""
    error_id: str = ""
    onward: str = ""
    onward_words: str = "Try again"


Page = ChoosePage | ConnectPage | DonePage | ConnectionsPage | DisconnectPage | TroublePage

TEMPLATES: Final[dict[type[Page], str]] = {
    ChoosePage: "choose.html",
    ConnectPage: "connect.html",
    DonePage: "done.html",
    ConnectionsPage: "connections.html",
    DisconnectPage: "disconnect.html",
    TroublePage: "trouble.html",
}


def headers_for(page: Page) -> Headers:
    """The headers of *page*, without its content type: forms lead here, and on to the provider from one page alone."""
    if isinstance(page, DonePage | TroublePage):
        return page_headers(())
    return page_headers((HERE, *(page.targets if isinstance(page, ConnectPage) else ())))


class Pages:
    """Every page, compiled once. *base*: the path component of the service's address."""

    __slots__ = ("_templates",)

    def __init__(self, brand: str, support_url: str = "", base: str = "") -> None:
        environment = templates(
            "evergrant.keeper.serving.pages",
            brand=wording.plain(brand, wording.NAME_LIMIT),
            support=wording.support_link(support_url or None),
            base=base,
            stylesheet=base + static_path("evergrant.css"),
            mark=base + static_path("mark.svg"),
        )
        self._templates: dict[type[Page], Template] = {
            page: environment.get_template(name) for page, name in TEMPLATES.items()
        }

    def render(self, page: Page) -> str:
        """The HTML of *page*."""
        return self._templates[type(page)].render(page=page)
