"""Any OpenID Connect or OAuth server by its issuer's address alone (OpenID Connect Discovery 1.0, RFC 8414).

The document must call itself exactly what was asked for, so that nobody answers in another's name. Its endpoints may be
elsewhere, as those of large providers are; then it is told, because a client's secret goes there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from evergrant.fetch.address import is_plain
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.address import check_address
from evergrant.keeper.provider.fetched import Fetch, Fetched, Unfetched
from evergrant.keeper.provider.kinds import shown
from evergrant.keeper.provider.model import ClientAuth, Dpop, Pkce, Provider, Revoke, RevokeVerb

OPENID: Final = "/.well-known/openid-configuration"
OAUTH: Final = "/.well-known/oauth-authorization-server"
ENDPOINTS: Final[Mapping[str, str]] = {
    "authorization_endpoint": "authorize_url",
    "token_endpoint": "token_url",
    "device_authorization_endpoint": "device_url",
    "introspection_endpoint": "introspect_url",
    "userinfo_endpoint": "userinfo_url",
    "jwks_uri": "jwks_url",
    "revocation_endpoint": "revoke",
}
"""Member of the document to fact."""
_OAUTHS_OWN: Final = ("revocation_endpoint", "introspection_endpoint", "device_authorization_endpoint")
_AUTH: Final[Mapping[str, ClientAuth]] = {
    "private_key_jwt": ClientAuth.PRIVATE_KEY_JWT,
    "client_secret_basic": ClientAuth.BASIC,
    "client_secret_post": ClientAuth.POST,
    "none": ClientAuth.NONE,
}
"""In the order in which they are preferred."""
_SCOPES: Final[Mapping[str, str]] = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "offline_access": "Stay connected when you are away",
}
_CONSENT: Final = {"prompt": "consent"}
"""Without it an OpenID server has to ignore offline_access (OpenID Connect Core section 11)."""
_FOUND: Final = 200
_PORTS: Final = {"https": 443, "http": 80}
_DEFAULT_AUTH: Final = ["client_secret_basic"]


class Undiscovered(BadRequest):
    """There is no provider to be had from that address. *code* is for programs.

    Codes: address, forbidden, unreachable, not_found, unreadable, issuer_mismatch, endpoint, unsupported.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Discovered:
    """*elsewhere*: a sentence for each endpoint that is at another origin than the issuer."""

    provider: Provider
    document_url: str
    elsewhere: tuple[str, ...] = ()


async def discover(issuer_url: str, fetch: Fetch, *, provider_id: str = "", today: str = "") -> Provider:
    """The provider at *issuer_url*; what is noteworthy of it is in its quirks. Raises `Undiscovered`."""
    return (await discovered(issuer_url, fetch, provider_id=provider_id, today=today)).provider


async def discovered(issuer_url: str, fetch: Fetch, *, provider_id: str = "", today: str = "") -> Discovered:
    """The same with what is noteworthy on its own. *today*: the day that `checked_on` is to say."""
    _check_issuer(issuer_url)
    url, document = await _document(issuer_url, fetch)
    if document.get("issuer") != issuer_url:
        says = f"it calls itself {shown(document.get('issuer'))}"
        hint = "; ask for exactly that, if it is what you mean" if isinstance(document.get("issuer"), str) else ""
        raise Undiscovered(f"{issuer_url} has a document of another issuer: {says}{hint}", "issuer_mismatch")
    document |= await _beside(document, url, issuer_url, fetch)
    endpoints = _endpoints(document, issuer_url)
    for member, address in {_origin(each): (name, each) for name, each in endpoints.items()}.values():
        try:
            await fetch.judge(address)
        except Unfetched as error:
            if error.forbidden:
                raise Undiscovered(f"{issuer_url}: its {member} may not be asked: {error}", "endpoint") from error
    elsewhere = tuple(_elsewhere(endpoints, issuer_url))
    provider = _provider(document, endpoints, provider_id or _id(issuer_url), (*elsewhere, *_oddities(document)))
    return Discovered(_dated(provider, url, today), url, elsewhere)


def well_known(issuer_url: str) -> tuple[str, ...]:
    """Where the document may be: appended to the issuer, or put between host and path (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer_url)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return tuple(dict.fromkeys((f"{origin}{path}{OPENID}", f"{origin}{OAUTH}{path}", f"{origin}{OPENID}{path}")))


def _check_issuer(issuer_url: str) -> None:
    try:
        if "?" in issuer_url or "{" in issuer_url:
            raise Undiscovered("an issuer's address has no query and no braces", "address")
        check_address(issuer_url)
    except ValueError as error:
        raise Undiscovered(f"the issuer's address {error}", "address") from error


async def _document(issuer_url: str, fetch: Fetch) -> tuple[str, dict[str, Any]]:
    """The first document that there is. An address without one is passed over; one that may not be asked ends it."""
    told, code = f"{issuer_url} says nothing of itself", "not_found"
    for url in well_known(issuer_url):
        try:
            answer = await fetch.get(url)
        except Unfetched as error:
            if error.forbidden:
                raise Undiscovered(f"{issuer_url} may not be asked: {error}", "forbidden") from error
            told, code = f"{issuer_url} was not reached: {error}", "unreachable"
            continue
        if answer.status == _FOUND:
            return url, _members(answer, url)
        if code == "not_found":
            told = f"{issuer_url} has no document about itself; {url} answered {answer.status}"
    raise Undiscovered(told, code)


async def _beside(document: Mapping[str, Any], url: str, issuer_url: str, fetch: Fetch) -> dict[str, Any]:
    """What the issuer says in its OAuth document alone: OpenID Connect Discovery knows no revocation endpoint."""
    other = next(each for each in well_known(issuer_url) if OAUTH in each)
    if url == other or "revocation_endpoint" in document:
        return {}
    try:
        answer = await fetch.get(other)
        found = _members(answer, other) if answer.status == _FOUND else {}
    except (Unfetched, Undiscovered):
        return {}  # what was found first is enough to be connected
    if found.get("issuer") != issuer_url:
        return {}
    return {member: found[member] for member in _OAUTHS_OWN if member in found and member not in document}


def _members(answer: Fetched, url: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.body, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Undiscovered(f"{url} is not a JSON object that can be read", "unreadable") from error
    if not isinstance(found, dict):
        raise Undiscovered(f"{url} is JSON, but not an object", "unreadable")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")  # whoever reads the other one would see another document
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _endpoints(document: Mapping[str, Any], issuer_url: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for member in ENDPOINTS:
        address = document.get(member)
        if address is None or address == "":
            continue
        if not isinstance(address, str) or "{" in address:
            raise Undiscovered(f"{issuer_url}: its {member} is {shown(address)}, which is no address", "endpoint")
        try:
            check_address(address)
        except ValueError as error:
            raise Undiscovered(f"{issuer_url}: its {member} {error}", "endpoint") from error
        if is_plain(address) and not is_plain(issuer_url):
            raise Undiscovered(f"{issuer_url}: its {member} is not https", "endpoint")
        found[member] = address
    if "token_endpoint" not in found:
        raise Undiscovered(f"{issuer_url} has no token_endpoint: nothing could be refreshed there", "unsupported")
    if not {"authorization_endpoint", "device_authorization_endpoint"} & found.keys():
        raise Undiscovered(f"{issuer_url} has neither an authorization nor a device endpoint", "unsupported")
    return found


def _elsewhere(endpoints: Mapping[str, str], issuer_url: str) -> Iterator[str]:
    home = _origin(issuer_url)
    for member, address in endpoints.items():
        if _origin(address) != home:
            yield f"Its {member} is at another origin than the issuer: {_origin(address)}."


def _oddities(document: Mapping[str, Any]) -> Iterator[str]:
    grants, responses = _texts(document, "grant_types_supported"), _texts(document, "response_types_supported")
    if grants and "refresh_token" not in grants:
        yield "Its document lists grant types, and refreshing is not among them."
    if responses and "code" not in responses:
        yield "Its document lists response types, and code is not among them."


def _provider(
    document: Mapping[str, Any], endpoints: Mapping[str, str], provider_id: str, quirks: tuple[str, ...]
) -> Provider:
    scopes = _texts(document, "scopes_supported")
    addresses = {ENDPOINTS[member]: address for member, address in endpoints.items() if ENDPOINTS[member] != "revoke"}
    issuer = str(document["issuer"])
    return Provider(
        id=provider_id,
        name=urlsplit(issuer).hostname or issuer,
        issuer=issuer,
        iss_in_callback=document.get("authorization_response_iss_parameter_supported") is True,
        client_auth=_client_auth(document, issuer),
        pkce=_pkce(document),
        dpop=Dpop.SUPPORTED if "ES256" in _texts(document, "dpop_signing_alg_values_supported") else None,
        refresh_scope="offline_access" if "offline_access" in scopes else "",
        reconsent_params=_CONSENT if "offline_access" in scopes else {},
        scopes={scope: meaning for scope, meaning in _SCOPES.items() if scope in scopes},
        revoke=_revoke(endpoints.get("revocation_endpoint", "")),
        quirks=quirks,
        **addresses,  # type: ignore[arg-type]  # every one of ENDPOINTS is an address of the model
    )


def _dated(provider: Provider, url: str, today: str) -> Provider:
    return replace(provider, discovery_url=url, sources=(url,), checked_on=today)


def _client_auth(document: Mapping[str, Any], issuer: str) -> tuple[ClientAuth, ...]:
    said = document.get("token_endpoint_auth_methods_supported", _DEFAULT_AUTH)
    methods = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    known = tuple(ours for name, ours in _AUTH.items() if name in methods)
    if not known:
        raise Undiscovered(f"{issuer} takes no way for clients to prove themselves that is known here", "unsupported")
    return known


def _pkce(document: Mapping[str, Any]) -> Pkce:
    if "code_challenge_methods_supported" not in document:
        return Pkce.UNKNOWN
    return Pkce.SUPPORTED if "S256" in _texts(document, "code_challenge_methods_supported") else Pkce.UNSUPPORTED


def _revoke(url: str) -> Revoke:
    if not url:
        return Revoke(blast_radius="Nothing at the provider: its document names no revocation endpoint.")
    return Revoke(RevokeVerb.RFC7009, url=url, blast_radius="Not known: RFC 7009 leaves it to the server.")


def _texts(document: Mapping[str, Any], member: str) -> tuple[str, ...]:
    said = document.get(member)
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" if port == _PORTS[parts.scheme] else f"{parts.scheme}://{host}:{port}"


def _id(issuer_url: str) -> str:
    parts = urlsplit(issuer_url)
    words = re.sub(r"[^a-z0-9]+", "_", f"{parts.hostname}{parts.path}".lower()).strip("_")
    return (words if words[:1].isalpha() else f"as_{words}")[:40].rstrip("_")
