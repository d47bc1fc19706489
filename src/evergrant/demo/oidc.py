"""An OpenID Connect client as an application would write one: it knows the issuer's address and its own registration.

Everything else it learns over HTTP: discovery, keys, tokens. Of the issuer's code it uses the verification of
signatures, which would otherwise be a JOSE library.
Specifications: OpenID Connect Core 3.1.2.7, 3.1.3.7 and 12.2, RFC 7636 (PKCE), RFC 9207 (`iss` in the answer).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import httpx2

from evergrant.clock import Clock
from evergrant.demo.wire import Exchange, exchange
from evergrant.domain.secret import Secret
from evergrant.entropy import Entropy
from evergrant.keys.verifying import public_key, verify
from evergrant.protocol.pkce import challenge_of

SKEW: Final = 60
TIMEOUT: Final = 5.0
ALGORITHM: Final = "ES256"


class IssuerSilent(Exception):
    """The issuer did not answer, or not in a way that can be read."""


class SignInFailed(Exception):
    """A sign-in that came to nothing. *code*: the OAuth error, or empty when the application itself refused."""

    def __init__(self, what: str, code: str = "") -> None:
        super().__init__(what)
        self.code: Final = code


class Begun(NamedTuple):
    """A sign-in on its way, kept on the server, bound to one browser. *verifier* leaves it with the code alone."""

    url: str
    state: str
    nonce: str
    verifier: Secret


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one answer of the token endpoint gave. *claims*: of the ID token, verified. Ends are instants.

    *inside* is what the access token says of itself. An application has no business reading it; it is here to be shown.
    """

    access: Secret
    refresh: Secret
    claims: Mapping[str, Any]
    inside: Mapping[str, Any]
    access_end: int
    idle_end: int
    absolute_end: int
    scope: str


class Reply(NamedTuple):
    """An answer of the token endpoint: tokens, or an error."""

    status: int
    tokens: Tokens | None
    error: str
    description: str
    exchange: Exchange


class Registration(NamedTuple):
    """What the client was told when it was registered."""

    issuer: str
    client_id: str
    redirect_uri: str
    scope: str


class OidcClient:
    """One client at one issuer. *source*: the address to connect from, or empty for whichever comes."""

    def __init__(self, registration: Registration, clock: Clock, entropy: Entropy, source: str = "") -> None:
        self.registration: Final = registration
        self._clock, self._entropy, self._source = clock, entropy, source
        self._http = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(local_address=source or None), timeout=TIMEOUT, trust_env=False
        )
        self._found: Mapping[str, str] = {}
        self._keys: Mapping[str, tuple[str, Any]] = {}

    async def close(self) -> None:
        await self._http.aclose()

    # ------------------------------------------------------------------------------------------------- signing in

    async def begin(self, hint: str = "") -> Begun:
        """Where to send the browser, and what to remember of it."""
        state, nonce, verifier = self._random(), self._random(), self._random()
        asked = {
            "response_type": "code",
            "client_id": self.registration.client_id,
            "redirect_uri": self.registration.redirect_uri,
            "scope": self.registration.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            **({"login_hint": hint} if hint else {}),
        }
        endpoint = await self._endpoint("authorization_endpoint")
        return Begun(f"{endpoint}?{urlencode(asked)}", state, nonce, Secret(verifier))

    async def finish(self, answer: Mapping[str, str], begun: Begun | None, agent: str) -> Reply:
        """Exchange the code that *answer* brings for tokens. Raises `SignInFailed`, `IssuerSilent`."""
        if begun is None or not compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise SignInFailed("This answer does not belong to a sign-in that this browser began here.")
        if answer.get("iss") != self.registration.issuer:
            raise SignInFailed("This answer comes from another issuer than the one that was asked.")
        if "error" in answer:
            raise SignInFailed(answer.get("error_description", "The issuer said no."), answer["error"])
        form = {
            "grant_type": "authorization_code",
            "code": answer.get("code", ""),
            "redirect_uri": self.registration.redirect_uri,
            "client_id": self.registration.client_id,
            "code_verifier": begun.verifier.reveal(),
        }
        return await self._token(form, agent, begun.nonce, None)

    # ------------------------------------------------------------------------------------------------- refreshing

    async def refresh(self, token: Secret, agent: str, before: Tokens | None = None) -> Reply:
        """Present a refresh token. *before*: the tokens it came with, which the new ID token must agree with."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token.reveal(),
            "client_id": self.registration.client_id,
        }
        return await self._token(form, agent, None, before)

    async def revoke(self, token: Secret, agent: str) -> int:
        """Give a token back (RFC 7009); the status of the answer."""
        form = {"token": token.reveal(), "client_id": self.registration.client_id}
        status, _ = await self._post(await self._endpoint("revocation_endpoint"), form, agent)
        return status

    async def userinfo(self, access: Secret) -> tuple[int, Mapping[str, Any]]:
        """What the issuer says about the person, and with which status."""
        url = await self._endpoint("userinfo_endpoint")
        return await self._send("GET", url, headers={"authorization": f"Bearer {access.reveal()}"})

    async def person(self, tokens: Tokens) -> Mapping[str, Any]:
        """Who signed in, from UserInfo; nothing when it speaks of somebody else (Core 5.3.2)."""
        _, told = await self.userinfo(tokens.access)
        return told if told.get("sub") == tokens.claims.get("sub") else {}

    async def introspect(self, access: Secret, client_id: str, secret: Secret) -> bool:
        """Whether the issuer calls the token active, asked by an API that authenticates as *client_id* (RFC 7662)."""
        url = await self._endpoint("introspection_endpoint")
        _, answer = await self._send(
            "POST", url, form={"token": access.reveal()}, auth=httpx2.BasicAuth(client_id, secret.reveal())
        )
        return answer.get("active") is True

    async def sign_out_url(self, back: str) -> str:
        """Where to send the browser to end its session at the issuer (RP-Initiated Logout 1.0)."""
        asked = {"client_id": self.registration.client_id, "post_logout_redirect_uri": back}
        return f"{await self._endpoint('end_session_endpoint')}?{urlencode(asked)}"

    async def _token(self, form: dict[str, str], agent: str, nonce: str | None, before: Tokens | None) -> Reply:
        status, answer = await self._post(await self._endpoint("token_endpoint"), form, agent)
        seen = exchange("POST /token", form.items(), status, answer, self._source)
        if status != httpx2.codes.OK:
            said = str(answer.get("error_description", ""))
            return Reply(status, None, str(answer.get("error", "")), said, seen)
        return Reply(status, await self._read(answer, nonce, before), "", "", seen)

    async def _read(self, answer: Mapping[str, Any], nonce: str | None, before: Tokens | None) -> Tokens:
        now = self._clock.now()
        try:
            access = str(answer["access_token"])
            claims = await self._identity(str(answer["id_token"]), access, nonce, before)
            return Tokens(
                access=Secret(access),
                refresh=Secret(str(answer["refresh_token"])),
                claims=claims,
                inside=_inside(access),
                access_end=now + int(answer["expires_in"]),
                idle_end=now + int(answer["refresh_token_timeout"]),
                absolute_end=now + int(answer["authorization_expires_in"]),
                scope=str(answer["scope"]),
            )
        except (KeyError, ValueError) as error:
            msg = f"The issuer's answer lacks something: {error}."
            raise SignInFailed(msg) from error

    # ------------------------------------------------------------------------------------------- verifying ID tokens

    async def _identity(self, token: str, access: str, nonce: str | None, before: Tokens | None) -> Mapping[str, Any]:
        claims = verify(token, "JWT", self._keys)
        if claims is None:
            # An unknown key may be a new one: ask again, once.
            self._keys = await self._fetch_keys()
            claims = verify(token, "JWT", self._keys)
        if claims is None:
            raise SignInFailed("The signature of the ID token does not verify with the issuer's keys.")
        wrong = self._wrong(claims, access, nonce, before)
        if wrong:
            msg = f"The ID token cannot be accepted: {wrong}."
            raise SignInFailed(msg)
        return claims

    def _wrong(self, claims: Mapping[str, Any], access: str, nonce: str | None, before: Tokens | None) -> str:
        """What is wrong with verified claims, or nothing (Core 3.1.3.7; 12.2 for a refresh)."""
        now, half = self._clock.now(), sha256(access.encode("ascii")).digest()[:16]
        expected = urlsafe_b64encode(half).rstrip(b"=").decode("ascii")
        kept = {} if before is None else {name: before.claims.get(name) for name in ("iss", "sub", "aud", "auth_time")}
        checks = (
            (claims.get("iss") == self.registration.issuer, "it names another issuer"),
            (claims.get("aud") == self.registration.client_id, "it is for another application"),
            (isinstance(claims.get("exp"), int) and now < claims["exp"] + SKEW, "it has expired"),
            (isinstance(claims.get("iat"), int) and claims["iat"] <= now + SKEW, "it is from the future"),
            (nonce is None or claims.get("nonce") == nonce, "it answers another sign-in"),
            (claims.get("at_hash") == expected, "it came with another access token"),
            (all(claims.get(name) == value for name, value in kept.items()), "it is about somebody else"),
        )
        return next((sentence for good, sentence in checks if not good), "")

    # ------------------------------------------------------------------------------------------------------- the wire

    async def _endpoint(self, name: str) -> str:
        if not self._found:
            url = f"{self.registration.issuer}/.well-known/openid-configuration"
            status, found = await self._send("GET", url)
            if status != httpx2.codes.OK or found.get("issuer") != self.registration.issuer:
                msg = f"{url} does not describe this issuer"
                raise IssuerSilent(msg)
            self._found = found
        try:
            return self._found[name]
        except KeyError as error:
            msg = f"the issuer has no {name}"
            raise IssuerSilent(msg) from error

    async def _fetch_keys(self) -> Mapping[str, tuple[str, Any]]:
        _, found = await self._send("GET", await self._endpoint("jwks_uri"))
        keys = [key for key in found.get("keys", ()) if key.get("alg") == ALGORITHM and key.get("use") == "sig"]
        return {key["kid"]: (ALGORITHM, public_key(key)) for key in keys}

    async def _post(self, url: str, form: Mapping[str, str], agent: str) -> tuple[int, Mapping[str, Any]]:
        return await self._send("POST", url, form=form, headers={"user-agent": agent} if agent else {})

    async def _send(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, auth: httpx2.BasicAuth | None = None,
    ) -> tuple[int, Mapping[str, Any]]:  # fmt: skip
        try:
            reply = await self._http.request(method, url, data=form, headers=headers, auth=auth)
        except httpx2.HTTPError as error:
            msg = f"{method} {url.partition('?')[0]}: {type(error).__name__}"
            raise IssuerSilent(msg) from error
        try:
            answer = json.loads(reply.content or b"{}")
        except ValueError as error:
            msg = f"{method} {url.partition('?')[0]}: status {reply.status_code}, and no JSON"
            raise IssuerSilent(msg) from error
        return reply.status_code, answer if isinstance(answer, dict) else {}

    def _random(self) -> str:
        return urlsafe_b64encode(self._entropy.draw(32)).rstrip(b"=").decode("ascii")


def _inside(access: str) -> Mapping[str, Any]:
    """The claims of a JWT access token, unverified and only to be shown; none for an opaque one."""
    parts = access.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - three parts (RFC 7515 section 7.1)
        return {}
    claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return claims if isinstance(claims, dict) else {}
