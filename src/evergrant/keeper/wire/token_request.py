"""A token request as one provider wants it: client authentication, body format, further parameters (RFC 6749)."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from evergrant.keeper.errors import BadRequest
from evergrant.keeper.exchange import Asked
from evergrant.keeper.provider.model import Body, ClientAuth, Provider
from evergrant.keeper.settings import Client
from evergrant.protocol.basic import write_basic

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AGENT: Final = "evergrant-keeper"
Spoken = tuple[dict[str, str], dict[str, str]]
"""Parameters and headers with which a client proves itself."""


def token_request(
    provider: Provider,
    client: Client,
    grant_type: str,
    params: Mapping[str, str],
    *,
    refresh: bool = False,
    assertion: str = "",
) -> Asked:
    """The request for *grant_type*. *assertion*: a signed JWT for private_key_jwt (RFC 7523 section 2.2).

    Raises `BadRequest` when the provider has no such address, or the client nothing to prove itself with.
    """
    url = (provider.refresh_url or provider.token_url) if refresh else provider.token_url
    if not url:
        msg = f"{provider.id} has no token endpoint"
        raise BadRequest(msg)
    extra = provider.refresh_params if refresh else provider.token_params
    said = {"grant_type": grant_type, **_filled(extra, client), **params}
    return posted(
        provider, client, url, said, with_id=provider.client_id_on_refresh or not refresh, assertion=assertion
    )


def posted(
    provider: Provider, client: Client, url: str, said: Mapping[str, str], *, with_id: bool = True, assertion: str = ""
) -> Asked:
    """A POST of *said* to *url* with the client's authentication: token, introspection and revocation alike."""
    proof, headers = _PROOFS[auth_of(provider, client)](client, assertion)
    if not with_id:
        proof.pop("client_id", None)
    return _written(provider, url, {**said, **proof}, {"User-Agent": AGENT, **provider.headers, **headers})


def auth_of(provider: Provider, client: Client) -> ClientAuth:
    """The first way of the provider's that this client can go. It is never found out by trying.

    Two tries with one live refresh token would spend it twice.
    """
    for way in provider.client_auth:
        if way is ClientAuth.PRIVATE_KEY_JWT:
            if client.private_key is not None:
                return way
        elif way is ClientAuth.NONE or client.secret is not None:
            return way
    return ClientAuth.NONE


def _none(client: Client, assertion: str) -> Spoken:  # noqa: ARG001 - a row of the table
    return {"client_id": client.client_id}, {}


def _post(client: Client, assertion: str) -> Spoken:  # noqa: ARG001 - a row of the table
    return {"client_id": client.client_id, "client_secret": _secret(client)}, {}


def _basic(client: Client, assertion: str) -> Spoken:  # noqa: ARG001 - a row of the table
    return {}, {"Authorization": write_basic(client.client_id, _secret(client))}


def _secret_key(client: Client, assertion: str) -> Spoken:  # noqa: ARG001 - a row of the table
    return {}, {"Authorization": "Basic " + b64encode(f"{_secret(client)}:".encode()).decode("ascii")}


def _signed(client: Client, assertion: str) -> Spoken:
    if not assertion:
        msg = f"{client.name} proves itself with a signed assertion, and none was made"
        raise BadRequest(msg)
    proof = {"client_id": client.client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return proof, {}


_PROOFS: Final[Mapping[ClientAuth, Callable[[Client, str], Spoken]]] = {
    ClientAuth.NONE: _none,
    ClientAuth.POST: _post,
    ClientAuth.BASIC: _basic,
    ClientAuth.SECRET_KEY_BASIC: _secret_key,
    ClientAuth.PRIVATE_KEY_JWT: _signed,
}


def _secret(client: Client) -> str:
    return client.secret.reveal() if client.secret is not None else ""


def _filled(params: Mapping[str, str], client: Client) -> dict[str, str]:
    known = {"{redirect_uri}": client.redirect_uri, "{client_id}": client.client_id}
    return {name: known.get(value, value) for name, value in params.items()}


def _written(provider: Provider, url: str, said: Mapping[str, str], headers: Mapping[str, str]) -> Asked:
    kept = {"Accept": provider.accept, "Accept-Encoding": "identity", **headers}
    if provider.body is Body.JSON:
        return Asked("POST", url, {**kept, "Content-Type": "application/json"}, json.dumps(dict(said)).encode())
    form = urlencode(said)
    if provider.body is Body.QUERY:
        return Asked("POST", f"{url}{'&' if '?' in url else '?'}{form}", kept)
    return Asked("POST", url, {**kept, "Content-Type": "application/x-www-form-urlencoded"}, form.encode())
