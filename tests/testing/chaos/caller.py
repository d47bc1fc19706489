"""A plain client of a chaos provider: it reads the provider's facts and remembers nothing.

What lives here: the requests that a client sends, spelled out. What must not: anything of the keeper, or an assertion
about a mode.
"""

import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx2

from evergrant.clock import FixedClock
from evergrant.keeper.provider.model import Body, ClientAuth, RevokeVerb
from evergrant.protocol.pkce import challenge_of
from evergrant.testing.chaos import Chaos

CALLBACK: Final = "http://127.0.0.1:9/callback?mine=1"
VERIFIER: Final = "v" * 64


@dataclass
class Caller:
    chaos: Chaos
    http: httpx2.AsyncClient
    clock: FixedClock

    async def authorize(self, scope: str = "read write", **more: str) -> httpx2.Response:
        """Ask for a code, as the provider wants to be asked."""
        facts = self.chaos.provider
        scopes = [*scope.split(), *facts.refresh_scope.split()]
        asked = {
            "client_id": self.chaos.client_id, "redirect_uri": CALLBACK, "response_type": "code", "state": "s",
            "scope": facts.scope_separator.join(scopes), "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256", **facts.authorize_params, **more,
        }  # fmt: skip
        return await self.http.get(facts.authorize_url, params={name: value for name, value in asked.items() if value})

    async def code(self, **more: str) -> str:
        """The code that comes back."""
        return landed(await self.authorize(**more))["code"]

    async def exchange(self, code: str, **more: str) -> httpx2.Response:
        """A code for tokens."""
        facts = self.chaos.provider
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **facts.token_params, **more}
        return await self.token({"grant_type": "authorization_code", **form}, facts.token_url)

    async def refresh(self, refresh_token: str, **more: str) -> httpx2.Response:
        """A refresh token for tokens."""
        facts = self.chaos.provider
        extra = {name: value.replace("{redirect_uri}", CALLBACK) for name, value in facts.refresh_params.items()}
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **extra, **more}
        return await self.token(form, facts.refresh_url or facts.token_url)

    async def token(self, form: Mapping[str, str], url: str = "") -> httpx2.Response:
        """One request to the token endpoint, authenticated and encoded as this provider wants it."""
        facts = self.chaos.provider
        headers = {"accept": facts.accept, **facts.headers}
        form = {**form, **self._identity(headers)}
        match facts.body:
            case Body.JSON:
                return await self.http.post(url or facts.token_url, json=form, headers=headers)
            case Body.QUERY:
                return await self.http.post(url or facts.token_url, params=form, headers=headers)
            case Body.FORM:
                return await self.http.post(url or facts.token_url, data=form, headers=headers)

    def _identity(self, headers: dict[str, str]) -> dict[str, str]:
        name, secret = self.chaos.client_id, self.chaos.client_secret
        match self.chaos.provider.client_auth[0]:
            case ClientAuth.BASIC:
                headers["authorization"] = basic(name, secret)
            case ClientAuth.SECRET_KEY_BASIC:
                headers["authorization"] = basic(secret, "")
            case ClientAuth.POST:
                return {"client_id": name, "client_secret": secret}
            case ClientAuth.NONE:
                return {"client_id": name}
        return {}

    async def call(self, access_token: str) -> httpx2.Response:
        """The protected API, with the token where this provider wants it."""
        header, colon, text = self.chaos.provider.bearer.partition(": ")
        name, text = (header, text) if colon else ("Authorization", header)
        return await self.http.get(self.chaos.provider.probe_url, headers={name: text.replace("{token}", access_token)})

    async def revoke(self, access_token: str, refresh_token: str) -> httpx2.Response:
        """The provider's own way of ending it."""
        facts = self.chaos.provider.revoke
        token = refresh_token if facts.token == "refresh_token" else access_token
        given = {"token": token, "client_id": self.chaos.client_id, "client_secret": self.chaos.client_secret}
        url, headers = facts.url, dict(self.chaos.provider.headers)
        for name, value in given.items():
            url = url.replace(f"{{{name}}}", quote(value, safe=""))
        body = {member: _put(value, given) for member, value in facts.body.items()}
        if facts.verb is RevokeVerb.RFC7009:
            body = {"token": token, **body}
        if facts.auth == "client":
            body = {**body, **self._identity(headers)}
        elif facts.auth != "none":
            bearer = f"Bearer {access_token}"
            headers["authorization"] = bearer if facts.auth == "bearer" else basic(*list(given.values())[1:])
        if facts.verb is RevokeVerb.RFC7009:
            return await self.http.request(facts.method, url, data=body, headers=headers)
        return await self.http.request(facts.method, url, json=body or None, headers=headers)


def _put(value: str, given: Mapping[str, str]) -> str:
    for name, text in given.items():
        value = value.replace(f"{{{name}}}", text)
    return value


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def landed(answer: httpx2.Response) -> dict[str, str]:
    """What a redirect brings back."""
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def members(answer: httpx2.Response) -> dict[str, Any]:
    """A token reply, whichever way it is encoded."""
    if answer.headers["content-type"].startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(answer.text))
    return answer.json()


def at(told: Mapping[str, Any], path: str) -> Any:
    """The member at a dotted path; None where there is none."""
    for name in path.split("."):
        told = told.get(name) if isinstance(told, Mapping) else None
    return told


@contextlib.asynccontextmanager
async def calling(provider: Any = "plain", *modes: str, **more: Any) -> AsyncIterator[Caller]:
    """A chaos provider at a clock that stands still, and a client of it. Every answer gets a connection of its own."""
    clock = FixedClock()
    limits = httpx2.Limits(max_keepalive_connections=0)
    async with (
        Chaos(provider, modes, clock=clock, seed=1, **more) as chaos,
        httpx2.AsyncClient(limits=limits, trust_env=False, timeout=10) as http,
    ):
        yield Caller(chaos, http, clock)
