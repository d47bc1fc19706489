"""The authorization request, from parameters to one frozen value (OAuth 2.1 section 4.1, OpenID Connect Core 3.1.2).

Two phases, because they answer differently: until client and redirect URI are known to be good nothing is sent to the
client (RFC 6749 section 4.1.2.1); after that every error goes back by redirect. The checks of the second phase are one
table, read from top to bottom.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from evergrant.domain.client import AUTHORIZATION_CODE, REFRESH_TOKEN, Client, ClientType
from evergrant.domain.scope import OFFLINE, ScopeSyntaxError, as_asked, join, parse_scope, split
from evergrant.protocol.claims import ClaimsSyntaxError, normal_claims
from evergrant.protocol.dpop import is_thumbprint
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.protocol.pkce import METHODS, is_challenge
from evergrant.protocol.redirect import matches, takes_post
from evergrant.protocol.resource import known_resources

QUERY: Final = "query"
FORM_POST: Final = "form_post"
RESPONSE_MODES: Final = (QUERY, FORM_POST)
PROMPTS: Final = ("none", "login", "consent", "select_account")
MAX_STATE: Final = 2_048
MAX_NONCE: Final = 512
MAX_HINT: Final = 254


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated request. *scope*, *resources*: normal forms; *max_age* in seconds, None when not asked.

    *order* is the scope again, in the order in which a person is shown it.
    """

    client_id: str
    redirect_uri: str
    redirect_given: bool
    response_mode: str
    state: str
    nonce: str
    scope: str
    resources: str
    challenge: str
    prompt: tuple[str, ...]
    max_age: int | None
    login_hint: str
    id_token_hint: str
    ui_locales: str
    claims: str
    order: tuple[str, ...] = ()
    dpop_jkt: str = ""

    @property
    def offline(self) -> bool:
        return OFFLINE in split(self.scope)


class Unredirectable(Refused):
    """Client or redirect URI cannot be trusted: the person sees a page, the client hears nothing (attack U-01)."""

    def __init__(self, description: str) -> None:
        super().__init__(Code.INVALID_REQUEST, description)


def redirect_uri_of(form: Form, client: Client) -> str:
    """Where the answer may go. Raises `Unredirectable`."""
    given = form.get("redirect_uri")
    if given is None:
        if len(client.redirect_uris) == 1:
            return client.redirect_uris[0]
        msg = "The request does not say where to return to."
        raise Unredirectable(msg)
    if not redirects_to(client, given):
        msg = "The address to return to is not one that this application registered."
        raise Unredirectable(msg)
    return given


def redirects_to(client: Client, uri: str) -> bool:
    """Whether *uri* is one of the client's own redirect URIs."""
    return matches(uri, client.redirect_uris, native=client.type is ClientType.NATIVE)


def response_mode_of(form: Form, redirect_uri: str) -> str:
    """How the answer travels; the default when the asked one is no good, so that errors still arrive."""
    mode = form.get("response_mode")
    return mode if mode in RESPONSE_MODES and (mode == QUERY or takes_post(redirect_uri)) else QUERY


def parse_request(
    form: Form, client: Client, redirect_uri: str, resources: Mapping[str, object]
) -> AuthorizationRequest:
    """The whole request as a value. Raises `Refused`, to be sent to *redirect_uri*."""
    for check in CHECKS:
        check(form, client)
    if form.get("response_mode") == FORM_POST and not takes_post(redirect_uri):
        raise Refused(Code.INVALID_REQUEST, "A form cannot be sent to this redirect URI; use the response mode query.")
    scope = _scope(form, client)
    return AuthorizationRequest(
        client_id=client.id,
        redirect_uri=redirect_uri,
        redirect_given=form.get("redirect_uri") is not None,
        response_mode=response_mode_of(form, redirect_uri),
        state=form.get("state") or "",
        nonce=form.get("nonce") or "",
        scope=scope,
        resources=known_resources(form.resources, resources, client.resources),
        challenge=form.get("code_challenge") or "",
        prompt=tuple((form.get("prompt") or "").split()),
        max_age=_max_age(form),
        login_hint=(form.get("login_hint") or "")[:MAX_HINT],
        id_token_hint=form.get("id_token_hint") or "",
        ui_locales=(form.get("ui_locales") or "")[:MAX_HINT],
        claims=_claims(form),
        order=as_asked(form.get("scope") or "", scope),
        dpop_jkt=form.get("dpop_jkt") or "",
    )


def _only_supported(form: Form, client: Client) -> None:  # noqa: ARG001 - a row of the table
    for name, code in (
        ("request", Code.REQUEST_NOT_SUPPORTED),
        ("request_uri", Code.REQUEST_URI_NOT_SUPPORTED),
        ("registration", Code.REGISTRATION_NOT_SUPPORTED),
    ):
        if form.get(name) is not None:
            raise Refused(code, f"The parameter {name} is not supported.")


def _response_type_is_code(form: Form, client: Client) -> None:
    asked = form.get("response_type")
    if asked is None:
        raise Refused(Code.INVALID_REQUEST, "The parameter response_type is missing.")
    if asked != "code":
        raise Refused(Code.UNSUPPORTED_RESPONSE_TYPE, "Only the response type code is offered.")
    if not client.may(AUTHORIZATION_CODE):
        raise Refused(Code.UNAUTHORIZED_CLIENT, "This client may not use the authorization code grant.")


def _response_mode_is_known(form: Form, client: Client) -> None:  # noqa: ARG001 - a row of the table
    if form.get("response_mode") not in {None, *RESPONSE_MODES}:
        raise Refused(Code.INVALID_REQUEST, "The response mode is not supported; use query or form_post.")


def _challenge_is_s256(form: Form, client: Client) -> None:  # noqa: ARG001 - a row of the table
    challenge, method = form.get("code_challenge"), form.get("code_challenge_method")
    if challenge is None:
        raise Refused(Code.INVALID_REQUEST, "The parameter code_challenge is missing; PKCE is required.")
    if method not in METHODS:
        raise Refused(Code.INVALID_REQUEST, "The code challenge method must be S256.")
    if not is_challenge(challenge):
        raise Refused(Code.INVALID_REQUEST, "The code challenge is not an S256 challenge.")


def _lengths_are_bounded(form: Form, client: Client) -> None:  # noqa: ARG001 - a row of the table
    for name, most in (("state", MAX_STATE), ("nonce", MAX_NONCE)):
        if len(form.get(name) or "") > most:
            raise Refused(Code.INVALID_REQUEST, f"The parameter {name} is longer than {most} characters.")


def _dpop_key_is_one(form: Form, client: Client) -> None:
    named = form.get("dpop_jkt")
    if named is not None and not is_thumbprint(named):
        raise Refused(Code.INVALID_REQUEST, "The parameter dpop_jkt is not the SHA-256 thumbprint of a key.")
    if named is not None and client.certificate_bound:
        raise Refused(Code.INVALID_REQUEST, "The tokens of this client are bound to its certificate, not to a key.")


def _prompt_is_known(form: Form, client: Client) -> None:  # noqa: ARG001 - a row of the table
    prompts = (form.get("prompt") or "").split()
    if any(prompt not in PROMPTS for prompt in prompts):
        raise Refused(Code.INVALID_REQUEST, "The parameter prompt holds an unknown value.")
    if "none" in prompts and len(prompts) > 1:
        raise Refused(Code.INVALID_REQUEST, "The prompt none stands alone.")


Check = Callable[[Form, Client], None]

CHECKS: Final[tuple[Check, ...]] = (
    _only_supported,
    _lengths_are_bounded,
    _response_type_is_code,
    _response_mode_is_known,
    _challenge_is_s256,
    _prompt_is_known,
    _dpop_key_is_one,
)


def _scope(form: Form, client: Client) -> str:
    """The asked scopes that the client may have; all but offline access when it asks for none."""
    text = form.get("scope")
    try:
        asked = parse_scope(text) if text else frozenset(client.scopes) - {OFFLINE}
    except ScopeSyntaxError as error:
        raise Refused(Code.INVALID_SCOPE, "The scope holds a character that is not allowed.") from error
    allowed = asked & set(client.scopes)
    if not client.may(REFRESH_TOKEN):
        allowed -= {OFFLINE}
    if not allowed:
        raise Refused(Code.INVALID_SCOPE, "None of the scopes asked for is open to this client.")
    return join(allowed)


def _max_age(form: Form) -> int | None:
    text = form.get("max_age")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - thirty years in seconds
        raise Refused(Code.INVALID_REQUEST, "The parameter max_age is not a number of seconds.")
    return int(text)


def _claims(form: Form) -> str:
    text = form.get("claims")
    if text is None:
        return ""
    try:
        return normal_claims(text)
    except ClaimsSyntaxError as error:
        raise Refused(Code.INVALID_REQUEST, "The parameter claims is not a claims request.") from error
