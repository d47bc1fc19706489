"""Signing a device in (RFC 8628): the request, and the page where a person types the code."""

import json
from urllib.parse import parse_qsl

from evergrant.testing.chaos.endpoints.authorize import BUTTONS, page
from evergrant.testing.chaos.replies import JSON, error
from evergrant.testing.chaos.state import DEVICE_INTERVAL, DEVICE_SECONDS, Device, State
from evergrant.testing.chaos.wire import Answer, Request

PAGE = "/device/page"


def device(state: State, request: Request) -> Answer:
    """Give a device its two codes."""
    if not state.facts.device_url:
        return error("not_found", status=404)
    params = state.params(request)
    if params.get("client_id") != state.client.client_id and state.unproven(request, params):
        return error("invalid_client", status=401)
    code = state.book.text("chd_")
    user_code = state.entropy.draw(4).hex().upper()
    scope = " ".join(filter(None, params.get("scope", "").split(state.facts.scope_separator)))
    state.devices[code] = Device(user_code, scope, state.clock.now(), user=state.user)
    told = {
        "device_code": code, "user_code": user_code, "verification_uri": state.origin + PAGE,
        "verification_uri_complete": f"{state.origin}{PAGE}?user_code={user_code}",
        "expires_in": DEVICE_SECONDS, "interval": DEVICE_INTERVAL,
    }  # fmt: skip
    return Answer(200, json.dumps(told).encode(), (JSON,))


def device_page(state: State, request: Request) -> Answer:
    """Ask for the code, or do what the form says."""
    if request.method == "POST":
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        done = decide(
            state, form.get("user_code", ""), form.get("user") or "ada", allow=form.get("decision") == "allow"
        )
        return page("Done" if done else "Unknown code", "<p>You may close this page.</p>", 200 if done else 400)
    code = request.query.get("user_code", "")
    shown = "".join(one for one in code if one.isalnum())
    return page(
        "Sign a device in",
        f'<form method="post" action="{PAGE}"><label>Code <input name="user_code" value="{shown}" required></label>'
        '<label>Sign in as <input name="user" value="ada" required></label>'
        f"{BUTTONS}</form>",
    )


def decide(state: State, user_code: str, user: str, *, allow: bool) -> bool:
    """Let a device in or not; whether there is one with this code."""
    for waiting in state.devices.values():
        if waiting.user_code == user_code.strip().upper():
            waiting.user, waiting.denied = (user, False) if allow else ("", True)
            return True
    return False
