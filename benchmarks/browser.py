"""A person with a browser, as far as a benchmark needs one: follow, fill in, press allow, exchange the code.

What lives here: pages as forms, cookies, PKCE. What must not: any private door into the server; families are obtained
as every application obtains them. Neighbour: `evergrant_server` says who signs in where.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2

_MOST_STEPS = 10


class Stranded(RuntimeError):
    """The pages did not lead back to the application; the message says where they ended."""


@dataclass(slots=True)
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, list[str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        name = attributes.get("name", "")
        if tag == "form":
            self.found.append(_Form(attributes.get("action", "")))
        elif self.found and name and tag == "button":
            self.found[-1].buttons.setdefault(name, []).append(attributes.get("value", ""))
        elif self.found and name and tag == "input" and _sent(attributes):
            self.found[-1].fields[name] = attributes.get("value", "on" if "checked" in attributes else "")


def _sent(attributes: dict[str, str]) -> bool:
    kind = attributes.get("type", "text")
    return kind not in {"submit", "button"} and (kind not in {"checkbox", "radio"} or "checked" in attributes)


class Browser:
    """One person, signed in once, who allows *client_id* as often as asked."""

    def __init__(self, issuer: str, username: str, password: str) -> None:
        self._issuer = issuer
        self._answers = {"username": username, "password": password}
        self._http = httpx2.Client(follow_redirects=False, timeout=30)
        found = self._http.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        self.authorize_url: str = found["authorization_endpoint"]
        self.token_url: str = found["token_endpoint"]
        self.jwks_url: str = found["jwks_uri"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def refresh_token(self, client_id: str, secret: str | None, redirect_uri: str, scope: str) -> str:
        """Authorize once more and exchange the code: the first refresh token of a new family."""
        verifier = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": "bench",
            "nonce": verifier[:16],
            "prompt": "consent",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        code = self._code(f"{self.authorize_url}?{urlencode(asked)}", redirect_uri)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        if secret is None:
            answer = self._http.post(self.token_url, data={**form, "client_id": client_id})
        else:
            answer = self._http.post(self.token_url, data=form, auth=(client_id, secret))
        if answer.status_code != 200 or "refresh_token" not in answer.json():
            raise Stranded(f"the token endpoint answered {answer.status_code}: {answer.text[:500]}")
        return str(answer.json()["refresh_token"])

    def _code(self, url: str, redirect_uri: str) -> str:
        page = self._http.get(url)
        for _ in range(_MOST_STEPS):
            if page.is_redirect:
                url = urljoin(str(page.url), page.headers["location"])
                if url.startswith(redirect_uri):
                    back = parse_qs(urlsplit(url).query)
                    if "code" not in back:
                        raise Stranded(f"came back without a code: {back}")
                    return back["code"][0]
                page = self._http.get(url)
            else:
                page = self._submit(page)
        raise Stranded(f"no way back to the application after {_MOST_STEPS} steps; last at {page.url}")

    def _submit(self, page: Any) -> Any:
        forms = _Forms()
        forms.feed(page.text)
        for form in forms.found:
            if "password" in form.fields or "allow" in form.buttons.get("decision", ()):
                filled = form.fields | {name: value for name, value in self._answers.items() if name in form.fields}
                if "decision" in form.buttons:
                    filled["decision"] = "allow"
                action = urljoin(str(page.url), form.action or str(page.url))
                return self._http.post(action, data=filled, headers={"Origin": self._issuer})
        raise Stranded(f"{page.status_code} at {page.url}, with nothing to fill in:\n{page.text[:1500]}")
