"""Who is asking: client authentication at the machine endpoints (RFC 6749 section 2.3).

Exactly one method, the registered one (OpenID Connect Core section 12.1). An unknown client costs the same work as a
known one with a wrong secret (attack S-10). The phases of an endpoint live with the endpoint, so that no grant can
forget them.

A failure is 401 with a challenge where the Authorization header was used, and 400 where it was not (RFC 6749
section 5.2): a challenge that nobody asked for makes a browser ask its user for a password.
"""

from hmac import compare_digest
from typing import Final, NamedTuple

from evergrant.domain.client import AuthMethod, Client
from evergrant.domain.secret import digest
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.clients import SECRET_DIGEST
from evergrant.protocol.basic import read_basic
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.ask import Ask

CHALLENGED: Final = 401
UNCHALLENGED: Final = 400
FAILED: Final = "Client authentication failed."
_DUMMY: Final = bytes(32)


class Credentials(NamedTuple):
    """What a request brought. *secret* is None for a client that only names itself."""

    client_id: str
    secret: str | None
    method: AuthMethod


def credentials_of(ask: Ask, form: Form) -> Credentials:
    """The one way in which a request authenticates. Raises `Refused`."""
    header, posted_id, posted_secret = ask.header(b"authorization"), form.get("client_id"), form.get("client_secret")
    if form.get("client_assertion") is not None:
        raise failed(ask, "Client assertions are not supported here.")
    if header:
        pair = read_basic(header)
        if pair is None:
            raise failed(ask, "The Authorization header cannot be read.")
        if posted_secret is not None:
            raise Refused(Code.INVALID_REQUEST, "Authenticate in one way, not in two (RFC 6749 section 2.3).")
        if posted_id is not None and posted_id != pair[0]:
            raise Refused(Code.INVALID_REQUEST, "Two different clients are named.")
        return Credentials(pair[0], pair[1], AuthMethod.BASIC)
    if posted_id is None:
        raise failed(ask, "The request does not say which client it comes from.")
    method = AuthMethod.NONE if posted_secret is None else AuthMethod.POST
    return Credentials(posted_id, posted_secret, method)


async def authenticated(catalog: Catalog, ask: Ask, form: Form, now: int) -> Client:
    """The client a request comes from. Raises `Refused` (invalid_client)."""
    given = credentials_of(ask, form)
    if catalog.stale:
        await catalog.fresh()
    try:
        return await _judged_anew(catalog, given, now)
    except Refused as error:
        named = given.client_id if catalog.client(given.client_id) is not None else ""
        catalog.refusals.add(named, ask.network, error.detail, now)
        raise


async def _judged_anew(catalog: Catalog, given: Credentials, now: int) -> Client:
    try:
        return _judged(catalog.client(given.client_id), given, now)
    except Refused:
        # Registered, or given a new secret, a moment ago. Every failure looks, so that its time tells nothing (S-10).
        if not await catalog.changed():
            raise
    return _judged(catalog.client(given.client_id), given, now)


def known(catalog: Catalog, ask: Ask, form: Form, now: int) -> Client | None:
    """The client a request comes from as far as the catalog knows at this moment, else None: `authenticated` says why.

    Raises `Refused` for a request that could not be right for any client.
    """
    given = credentials_of(ask, form)
    try:
        return _judged(catalog.client(given.client_id), given, now)
    except Refused:
        return None


def _judged(client: Client | None, given: Credentials, now: int) -> Client:
    if client is not None and not client.confidential:
        # A secret sent by a public client proves nothing and is not looked at (RFC 10017 section 6.3.3.1).
        if given.method is AuthMethod.BASIC and given.secret:
            raise _refused(given, "a public client sent Basic credentials")
        return client
    right = _knows(client, given.secret or "", now)
    if client is None:
        raise _refused(given, "unknown client")
    if given.method is not client.auth_method:
        raise _refused(given, f"{given.method} used, {client.auth_method} registered")
    if not right:
        raise _refused(given, "wrong secret")
    return client


def _knows(client: Client | None, secret: str, now: int) -> bool:
    presented = digest(SECRET_DIGEST, secret)
    held = client.secrets if client is not None else ()
    right = False
    for item in held:
        right |= compare_digest(item.digest, presented) and (not item.ends_at or now < item.ends_at)
    if not held:
        compare_digest(_DUMMY, presented)
    return right


def failed(ask: Ask, description: str, detail: str = "") -> Refused:
    """The refusal of a request that authenticates no client."""
    status = CHALLENGED if ask.header(b"authorization") else UNCHALLENGED
    return Refused(Code.INVALID_CLIENT, description, detail, status)


def _refused(given: Credentials, detail: str) -> Refused:
    status = CHALLENGED if given.method is AuthMethod.BASIC else UNCHALLENGED
    return Refused(Code.INVALID_CLIENT, FAILED, detail, status)
