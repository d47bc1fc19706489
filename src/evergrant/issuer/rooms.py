"""The issuer put together: services, endpoints and pages, and the one list of routes.

Takes ports and settings, opens nothing. What is behind the ports is chosen in `evergrant.assembly`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NamedTuple

from evergrant.clock import Clock
from evergrant.domain.client import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN, TOKEN_EXCHANGE
from evergrant.entropy import Entropy
from evergrant.issuer.binding import Binder
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.endpoints.discovery import Discovery
from evergrant.issuer.endpoints.events import EventsEndpoint
from evergrant.issuer.endpoints.introspect import IntrospectEndpoint
from evergrant.issuer.endpoints.operate import Operate
from evergrant.issuer.endpoints.revocations import RevocationsEndpoint
from evergrant.issuer.endpoints.revoke import RevokeEndpoint
from evergrant.issuer.endpoints.token import Grant, TokenEndpoint
from evergrant.issuer.endpoints.userinfo import UserinfoEndpoint
from evergrant.issuer.grants.authorization_code import AuthorizationCodeGrant
from evergrant.issuer.grants.client_credentials import ClientCredentialsGrant
from evergrant.issuer.grants.refresh_token import RefreshTokenGrant
from evergrant.issuer.grants.token_exchange import TokenExchangeGrant
from evergrant.issuer.pages.account import AccountHandler
from evergrant.issuer.pages.authorize import Authorize
from evergrant.issuer.pages.consent import ConsentHandler
from evergrant.issuer.pages.desk import Desk
from evergrant.issuer.pages.dispatch import Dispatcher
from evergrant.issuer.pages.end_session import EndSession
from evergrant.issuer.pages.guard import Guard
from evergrant.issuer.pages.index import IndexHandler
from evergrant.issuer.pages.notice import NoticeHandler
from evergrant.issuer.pages.password import PasswordHandler
from evergrant.issuer.pages.select_account import SelectAccountHandler
from evergrant.issuer.pages.sign_in import SignInHandler
from evergrant.issuer.pages.view import Pages
from evergrant.issuer.passwords import Passwords
from evergrant.issuer.service.accounts import Accounts
from evergrant.issuer.service.exchange import Exchanger
from evergrant.issuer.service.feed import Feed
from evergrant.issuer.service.flows import Flows
from evergrant.issuer.service.inspect import Inspector
from evergrant.issuer.service.lending import Lender, Nobody
from evergrant.issuer.service.minting import Minter
from evergrant.issuer.service.redeem import Redeemer
from evergrant.issuer.service.refresh import Refresher
from evergrant.issuer.service.revoke import Revoker
from evergrant.issuer.service.sign_in import SignIn
from evergrant.issuer.settings import Settings
from evergrant.issuer.tally import Tally
from evergrant.protocol import ending
from evergrant.store.port import Store
from evergrant.web.answer import Answer
from evergrant.web.app import Route
from evergrant.web.ask import Ask

Handler = Callable[[Ask], Awaitable[Answer]]


class Ground(NamedTuple):
    """What the issuer stands on."""

    store: Store
    catalog: Catalog
    settings: Settings
    passwords: Passwords
    clock: Clock
    entropy: Entropy
    tally: Tally
    lender: Lender = Nobody()


def token_endpoint(ground: Ground, binder: Binder) -> tuple[TokenEndpoint, Collection[str]]:
    """The token endpoint, and the grant types that are switched on."""
    minter = Minter(ground.settings, ground.entropy)
    parts = (ground.store, ground.catalog, minter, ground.settings)
    refreshing = RefreshTokenGrant(Refresher(*parts, ground.clock, ground.entropy, ground.tally))
    grants: dict[str, Grant] = {
        AUTHORIZATION_CODE: AuthorizationCodeGrant(Redeemer(*parts, ground.entropy)),
        REFRESH_TOKEN: refreshing,
        CLIENT_CREDENTIALS: ClientCredentialsGrant(*parts),
        TOKEN_EXCHANGE: TokenExchangeGrant(Exchanger(*parts, ground.clock, ground.lender)),
    }
    return TokenEndpoint(ground.catalog, grants, refreshing, binder, ground.clock, ground.tally), grants.keys()


def event_routes(base: str, endpoint: EventsEndpoint) -> dict[str, Route]:
    """What receivers of security events ask (SSF section 7.2 inserts the well-known segment before a path)."""
    stream = {"GET": endpoint.read, "POST": endpoint.create, "PATCH": endpoint.update, "PUT": endpoint.replace,
              "DELETE": endpoint.delete}  # fmt: skip
    return {
        f"/.well-known/ssf-configuration{base}": Route("metadata", {"GET": endpoint.metadata}, cors=True),
        f"{base}/events/stream": Route("events", stream),
        f"{base}/events/status": Route("events", {"GET": endpoint.status, "POST": endpoint.set_status}),
        f"{base}/events/subjects/add": Route("events", {"POST": endpoint.add_subject}),
        f"{base}/events/subjects/remove": Route("events", {"POST": endpoint.remove_subject}),
        f"{base}/events/verify": Route("events", {"POST": endpoint.verify}),
        f"{base}/events/poll": Route("events", {"POST": endpoint.poll}),
    }


def machine_routes(ground: Ground, operate: Operate, feed: Feed) -> dict[str, Route]:
    """What machines ask."""
    inspector = Inspector(ground.store, ground.catalog, ground.settings, ground.clock)
    binder = Binder(ground.catalog, ground.settings)
    token, offered = token_endpoint(ground, binder)
    discovery = Discovery(ground.catalog, ground.settings, offered, ground.clock)
    revoker = Revoker(ground.store, ground.catalog, ground.clock)
    userinfo = UserinfoEndpoint(inspector, ground.settings, binder, ground.clock)
    base = ground.settings.base
    document = Route("metadata", {"GET": discovery.document}, cors=True)
    return {
        f"{base}/token": Route("token", {"POST": token}, cors=True, brief=token.brief),
        f"{base}/revoke": Route("revoke", {"POST": RevokeEndpoint(ground.catalog, revoker, ground.clock)}, cors=True),
        f"{base}/introspect": Route(
            "introspect", {"POST": IntrospectEndpoint(ground.catalog, inspector, ground.clock)}
        ),
        f"{base}{ending.PATH}": Route("revocations", {"GET": RevocationsEndpoint(ground.catalog, feed, ground.clock)}),
        f"{base}/userinfo": Route("userinfo", {"GET": userinfo, "POST": userinfo}, cors=True, tell=userinfo.tell),
        f"{base}/jwks": Route("jwks", {"GET": discovery.keys}, cors=True),
        # RFC 8414 section 3.1 inserts the well-known segment before a path; OpenID Connect appends it. Both are served.
        f"{base}/.well-known/openid-configuration": document,
        f"/.well-known/oauth-authorization-server{base}": document,
        f"/.well-known/openid-configuration{base}": document,
        "/healthz": Route("healthz", {"GET": operate.alive}),
        "/readyz": Route("readyz", {"GET": operate.ready}),
        "/metrics": Route("metrics", {"GET": operate.metrics}),
    }


class People(NamedTuple):
    """What people ask: routes, and what answers every other path."""

    routes: Mapping[str, Route]
    other: Route


def page_routes(ground: Ground) -> People:
    """What people ask."""
    settings = ground.settings
    pages = Pages(settings.brand, settings.support_url or None, settings.base)
    desk = Desk(ground.store, ground.catalog, settings, pages, ground.clock, ground.entropy)
    flows = Flows(ground.store, settings, ground.clock, ground.entropy)
    onward = Dispatcher(desk, flows)
    sign_in = SignInHandler(
        desk, flows, onward, SignIn(ground.store, ground.passwords, settings, ground.clock, ground.entropy),
        ground.tally,
    )  # fmt: skip
    consent, select = ConsentHandler(desk, flows, onward), SelectAccountHandler(desk, flows, onward)
    notice, account = NoticeHandler(desk, flows, onward), AccountHandler(desk, flows, onward)
    accounts = Accounts(ground.store, ground.passwords, ground.clock, ground.entropy)
    password, index = PasswordHandler(desk, accounts, ground.passwords, ground.entropy), IndexHandler(desk)
    authorize, end = Authorize(desk, flows, onward), EndSession(desk, flows)
    table: Final[dict[str, tuple[str, Handler | None, Handler | None]]] = {
        "/": ("index", index.get, None),
        "/authorize": ("authorize", authorize.get, authorize.post),
        "/sign-in": ("sign_in", sign_in.get, sign_in.post),
        "/select-account": ("select_account", select.get, select.post),
        "/consent": ("consent", consent.get, consent.post),
        "/notice": ("notice", notice.get, notice.post),
        "/end_session": ("end_session", end.get, end.post),
        "/signed-out": ("signed_out", end.signed_out, None),
        "/account": ("account", account.get, None),
        "/account/session/end": ("account", None, account.end_session),
        "/account/session/end-all": ("account", None, account.end_all),
        "/account/family/end": ("account", None, account.end_family),
        "/account/grant/withdraw": ("account", None, account.withdraw),
        "/account/password": ("password", password.get, password.post),
    }
    guard = Guard(desk)
    routes = {desk.path(path): _route(guard, *row) for path, row in table.items()}
    return People(routes, Route("unknown", {"GET": index.other, "POST": index.other}, tell=guard))


def _route(guard: Guard, name: str, get: Handler | None, post: Handler | None) -> Route:
    methods = {method: handler for method, handler in (("GET", get), ("POST", post)) if handler}
    return Route(name, methods, tell=guard)
