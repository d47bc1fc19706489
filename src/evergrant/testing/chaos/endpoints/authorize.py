"""The authorization endpoint and its page: allow or deny, with a form that any browser sends (RFC 6749 section 4.1)."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from evergrant.keeper.provider.model import Pkce
from evergrant.protocol.pkce import is_challenge
from evergrant.testing.chaos.addresses import AUTHORIZE
from evergrant.testing.chaos.replies import HTML, looks_like_origin
from evergrant.testing.chaos.state import Asked, State
from evergrant.testing.chaos.wire import Answer, Request

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
BUTTONS: Final = (
    '<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button>'
)
_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}"
    "button,input{font:inherit;padding:.4rem .8rem}label{display:block;margin:1rem 0}"
)


def page(title: str, body: str, status: int = 200) -> Answer:
    """A page without scripts. *body* is HTML."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    headers = (HTML, ("content-security-policy", _POLICY), ("cache-control", "no-store"))
    return Answer(status, text.encode(), headers)


def authorize(state: State, request: Request) -> Answer:
    """Show the page, or answer at once where consent is given beforehand; a POST is what the page's form sends."""
    if request.method == "POST":
        return _decided(state, dict(parse_qsl(request.body.decode("utf-8", "replace"))))
    params = request.query
    redirect_uri = params.get("redirect_uri", "")
    if params.get("client_id") != state.client.client_id:
        return page("Unknown application", "<p>No client with this client_id is registered here.</p>", 400)
    if not is_address(redirect_uri):
        return page("Wrong address", "<p>redirect_uri must be an absolute http or https address.</p>", 400)
    asked = Asked(redirect_uri, "", params)
    wrong = _wrong(state, params)
    if wrong:
        return _back(state, asked, {"error": wrong[0], "error_description": wrong[1]})
    separator = state.facts.scope_separator
    asked = replace(asked, scope=" ".join(filter(None, params.get("scope", "").split(separator))))
    if state.user:
        return _allowed(state, replace(asked, user=params.get("login_hint") or state.user))
    name = state.book.text("ask_")
    state.waiting[name] = asked
    return _page(state, name, asked)


def is_address(text: str) -> bool:
    """Whether a browser can be sent there, and nothing but there: what is no address would end up in our headers."""
    if not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _wrong(state: State, params: Mapping[str, str]) -> tuple[str, str] | None:
    if params.get("response_type") != "code":
        return "unsupported_response_type", "response_type must be code"
    challenge = params.get("code_challenge", "")
    if state.facts.pkce is Pkce.REQUIRED and not challenge:
        return "invalid_request", "code_challenge is required"
    by_s256 = params.get("code_challenge_method") == "S256" and is_challenge(challenge)
    if challenge and state.facts.pkce is not Pkce.UNSUPPORTED and not by_s256:
        return "invalid_request", "code_challenge must be S256"
    if state.facts.scope_separator != " " and " " in params.get("scope", "").strip():
        return "invalid_scope", f"scopes are separated by {state.facts.scope_separator!r} here"
    return None


def _page(state: State, name: str, asked: Asked) -> Answer:
    scopes = "".join(f"<li><code>{escape(one)}</code></li>" for one in asked.scope.split()) or "<li>nothing</li>"
    hint = escape(asked.params.get("login_hint", "ada"), quote=True)
    return page(
        f"{state.facts.name}: allow access?",
        f"<p>This is the chaos provider, not {escape(state.facts.name)}. <strong>{escape(state.client.client_id)}"
        f"</strong> asks for:</p><ul>{scopes}</ul>"
        f'<form method="post" action="{AUTHORIZE}"><input type="hidden" name="ask" value="{escape(name, quote=True)}">'
        f'<label>Sign in as <input name="user" value="{hint}" required></label>'
        f"{BUTTONS}</form>",
    )


def _decided(state: State, form: Mapping[str, str]) -> Answer:
    asked = state.waiting.pop(form.get("ask", ""), None)
    if asked is None:
        return page("Too late", "<p>This request was answered already. Begin again in your application.</p>", 400)
    if form.get("decision") != "allow":
        return _back(state, asked, {"error": "access_denied"})
    return _allowed(state, replace(asked, user=form.get("user") or "ada"))


def _allowed(state: State, asked: Asked) -> Answer:
    code = state.book.text("chc_")
    state.codes[code] = replace(asked, at=state.clock.now())
    extra = {
        name: state.origin if looks_like_origin(name) or looks_like_origin(kept) else f"{name}-of-{asked.user}"
        for name, kept in state.facts.callback_fields.items()
    }
    return _back(state, asked, {"code": code, **extra})


def _back(state: State, asked: Asked, answer: Mapping[str, str]) -> Answer:
    told = dict(answer)
    if "state" in asked.params:
        told["state"] = asked.params["state"]
    if state.facts.iss_in_callback:
        told["iss"] = state.origin
    joint = "&" if urlsplit(asked.redirect_uri).query else "?"
    return Answer(302, b"", (("location", asked.redirect_uri + joint + urlencode(told)),))
