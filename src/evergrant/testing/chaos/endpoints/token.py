"""The token endpoint: a code, a device or a refresh token for tokens (RFC 6749 sections 4.1.3 and 6, RFC 8628)."""

from collections.abc import Mapping
from typing import Any, Final

from evergrant.keeper.provider.model import Pkce
from evergrant.protocol.pkce import proves as pkce_proves
from evergrant.testing.chaos.behaviour import Behaviour
from evergrant.testing.chaos.grants import Grant
from evergrant.testing.chaos.ledger import fingerprint
from evergrant.testing.chaos.replies import dead_grant, encoded, error
from evergrant.testing.chaos.spending import SERVED, Outcome
from evergrant.testing.chaos.state import CODE_SECONDS, DEVICE_INTERVAL, DEVICE_SECONDS, Asked, State
from evergrant.testing.chaos.wire import Answer, Request

CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


def token(state: State, request: Request, behaviour: Behaviour, modes: tuple[str, ...]) -> Answer:
    """Answer one token request."""
    params, form = state.params(request), state.form(request, behaviour)
    grant_type = params.get("grant_type", REFRESH if request.path == "/refresh" else "")
    wrong = _wrong(state, request, params)
    if wrong is None:
        match grant_type:
            case "authorization_code":
                return _exchange(state, params, behaviour, form=form)
            case "refresh_token":
                return _refresh(state, params, behaviour, modes, form=form)
            case _ if grant_type == DEVICE and state.facts.device_url:
                return _device(state, params, behaviour, form=form)
        wrong = error("unsupported_grant_type", f"grant_type {grant_type!r} is not offered here.", form=form)
    if grant_type == REFRESH:
        note(state, params, Outcome.REFUSED, modes)
    return wrong


def note(state: State, params: Mapping[str, str], outcome: Outcome, modes: tuple[str, ...]) -> None:
    """Write down a refresh request that came to nothing."""
    value = params.get("refresh_token", "")
    grant = state.book.of_refresh(value)
    state.ledger.add(
        at=state.clock.now(), token=fingerprint(value), outcome=outcome, grant=grant.id if grant else "", modes=modes
    )


def _wrong(state: State, request: Request, params: Mapping[str, str]) -> Answer | None:
    if request.method != "POST":
        return error("invalid_request", "POST is asked for.", status=405)
    for name, value in state.facts.headers.items():
        if request.headers.get(name.lower()) != value:
            return error("invalid_request", f"the header {name} must be {value}")
    if not params:
        return error("invalid_request", f"parameters are read as {state.facts.body}, and there are none")
    why = state.unproven(request, params)
    return error("invalid_client", why, status=401) if why else None


def _exchange(state: State, params: Mapping[str, str], behaviour: Behaviour, *, form: bool) -> Answer:
    code = params.get("code", "")
    asked = state.codes.pop(code, None)
    if asked is None:
        if code in state.redeemed:
            state.book.end([state.redeemed[code]], "code used twice")
        return _bad_code(behaviour, "The code is unknown or was used.", form=form)
    if state.clock.now() - asked.at >= CODE_SECONDS:
        return _bad_code(behaviour, "The code has expired.", form=form)
    if params.get("redirect_uri", asked.redirect_uri) != asked.redirect_uri:
        return _bad_code(behaviour, "redirect_uri is another than at authorization.", form=form)
    challenge = asked.params.get("code_challenge", "")
    proven = not challenge or pkce_proves(params.get("code_verifier", ""), challenge)
    if state.facts.pkce is not Pkce.UNSUPPORTED and not proven:
        return _bad_code(behaviour, "code_verifier does not fit.", form=form)
    grant, members = granted(state, asked, params, behaviour)
    state.redeemed[code] = grant
    return encoded(members, form=form)


def _bad_code(behaviour: Behaviour, why: str, *, form: bool) -> Answer:
    return error("invalid_grant", why, status=200 if behaviour.error_in_200 else 400, form=form)


def granted(
    state: State, asked: Asked, params: Mapping[str, str], behaviour: Behaviour, *, refreshable: bool | None = None
) -> tuple[Grant, dict[str, Any]]:
    """Make a grant, and the reply that tells it."""
    if refreshable is None:
        refreshable = _refreshable(state, asked, params)
    grant, pairs = state.book.grant(asked.user, asked.scope, asked.redirect_uri, behaviour, refreshable=refreshable)
    nonce = asked.params.get("nonce", "")
    return grant, state.reply(grant, pairs, behaviour, refreshed=False, nonce=nonce)


def _refreshable(state: State, asked: Asked, params: Mapping[str, str]) -> bool:
    """Whether a refresh token comes: the scope, the parameters and the consent that this provider wants for one."""
    facts = state.facts
    asks = all(asked.params.get(name) == value for name, value in facts.authorize_params.items())
    says = all(params.get(name) == value for name, value in facts.token_params.items())
    scoped = not facts.refresh_scope or facts.refresh_scope in asked.scope.split()
    again = next(state.book.of_user(asked.user), None) is not None
    renewed = all(asked.params.get(name) == value for name, value in facts.reconsent_params.items())
    return facts.refresh_tokens and asks and says and scoped and (renewed or not again)


def _refresh(
    state: State, params: Mapping[str, str], behaviour: Behaviour, modes: tuple[str, ...], *, form: bool
) -> Answer:
    value = params.get("refresh_token", "")
    wrong = _bad_refresh(state, params, form=form)
    if wrong is not None:
        note(state, params, Outcome.REFUSED, modes)
        return wrong
    spent = state.book.refresh(value, behaviour)
    state.ledger.add(
        at=state.clock.now(), token=fingerprint(value), outcome=spent.outcome, second=spent.second,
        grant=spent.family.grant.id if spent.family else "", record=spent.family.record if spent.family else "",
        successor=fingerprint(spent.pair.refresh) if spent.pair else "", killed=spent.killed, modes=modes,
    )  # fmt: skip
    if spent.outcome in SERVED and spent.family and spent.pair:
        name = spent.family.record
        if name not in {record.name for record in behaviour.records}:
            name = behaviour.records[0].name
        members = state.reply(spent.family.grant, {name: spent.pair}, behaviour, refreshed=True)
        return encoded(members, form=form)
    if spent.outcome is Outcome.EARLY:
        return error("invalid_request", "Rate limit exceeded: access_token not expired", form=form)
    if spent.outcome is Outcome.BUSY:
        return error("slow_down", "Too many refreshes of this token.", status=429, form=form)
    return dead_grant(behaviour.dead[0], form=form, in_200=behaviour.error_in_200)


def _bad_refresh(state: State, params: Mapping[str, str], *, form: bool) -> Answer | None:
    """What is wrong with a refresh request before its token is looked at."""
    grant = state.book.of_refresh(params.get("refresh_token", ""))
    if grant is None:
        return None
    for name, value in state.facts.refresh_params.items():
        wanted = value.replace("{redirect_uri}", grant.redirect_uri)
        if wanted and params.get(name) != wanted:
            return error("invalid_request", f"{name} must be {wanted}", form=form)
    asked = (params.get("scope") or grant.scope).split(state.facts.scope_separator)
    if not {one.strip() for one in asked if one.strip()} <= set(grant.scope.split()) and "scope" in params:
        return error("invalid_scope", "More is asked for than was granted.", form=form)
    return None


def _device(state: State, params: Mapping[str, str], behaviour: Behaviour, *, form: bool) -> Answer:
    code = params.get("device_code", "")
    device = state.devices.get(code)
    status = 200 if behaviour.error_in_200 else 400
    now = state.clock.now()
    if device is None:
        return error("invalid_grant", status=status, form=form)
    if now - device.at >= DEVICE_SECONDS:
        return error("expired_token", status=status, form=form)
    early, device.polled_at = now - device.polled_at < DEVICE_INTERVAL, now
    if device.denied:
        return error("access_denied", status=status, form=form)
    if not device.user:
        return error("slow_down" if early else "authorization_pending", status=status, form=form)
    del state.devices[code]
    asked = Asked("", device.scope, {}, device.user, now)
    _, members = granted(state, asked, params, behaviour, refreshable=state.facts.refresh_tokens)
    return encoded(members, form=form)
