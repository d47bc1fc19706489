"""What must hold between the facts of one provider; each rule names the fact to change and says how.

What lives here: pure rules over a finished `Provider`. What must not: the look of a single value (`kinds`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from evergrant.fetch.address import is_plain
from evergrant.keeper.provider.address import GIVEN, check_address, gaps
from evergrant.keeper.provider.model import Placeholder, Provider, Retry, ReuseEffect, RevokeVerb, Rotates, Stands
from evergrant.keeper.provider.problem import Trail

Found = Iterator[tuple[Trail, str]]
_HARMFUL: Final = (ReuseEffect.FAMILY_REVOKED, ReuseEffect.CLIENT_USER_REVOKED)
_ABOUT_REFRESH: Final = ("refresh_url", "refresh_scope", "refresh_idle", "refresh_hard", "rotates", "grace")
_SAMPLES: Final[dict[Stands, str]] = {
    Stands.LABEL: "sample",
    Stands.HOST: "sample.example",
    Stands.SEGMENT: "sample",
    Stands.ORIGIN: "https://sample.example",
}


def contradictions(provider: Provider, *, loopback: bool = False) -> list[tuple[Trail, str]]:
    """Everything about *provider* that cannot be, as the trail of a fact and a clause. *loopback*: http is allowed."""
    found = [each for rule in _RULES for each in rule(provider)]
    if not loopback:
        plain = "must begin with https://; on this machine alone http is allowed, with loopback_http = true"
        found += [(trail, plain) for trail, address in addresses(provider).items() if is_plain(address)]
    return found


def addresses(provider: Provider) -> dict[Trail, str]:
    """Every address of *provider* by its trail, those alone that are known."""
    found: dict[Trail, str] = {(name,): getattr(provider, name) for name in ADDRESSES}
    found["revoke", "url"] = provider.revoke.url
    return {trail: address for trail, address in found.items() if address}


ADDRESSES: Final = (
    "authorize_url", "token_url", "refresh_url", "device_url", "introspect_url", "userinfo_url", "discovery_url",
    "issuer", "jwks_url", "probe_url",
)  # fmt: skip


def _retrying(provider: Provider) -> Found:
    retry, grace = provider.retry, provider.grace
    if retry is Retry.WINDOW and not grace:
        yield ("retry",), "is a window, so say how long: grace = seconds"
    if retry is Retry.NO and grace:
        yield ("grace",), 'contradicts retry = "no": with a grace the fact is "window"'
    if retry is Retry.SAFE and provider.reuse_effect in _HARMFUL:
        yield ("retry",), f'cannot be "safe" where reuse is "{provider.reuse_effect}"'
    if (
        retry is Retry.SAFE
        and provider.rotates is Rotates.ALWAYS
        and provider.reuse_effect is not ReuseEffect.OLD_STILL_VALID
    ):
        yield ("retry",), 'is "safe" although each refresh rotates; that needs reuse_effect = "old_still_valid"'
    if provider.rotates is Rotates.NEVER:
        if retry in {Retry.NO, Retry.WINDOW, Retry.UNTIL_SUCCESSOR_USED}:
            yield ("retry",), f'cannot be "{retry}" where refresh tokens never rotate; write "safe", or correct rotates'
        if grace:
            yield ("grace",), "means nothing where refresh tokens never rotate; remove it"


def _lifetimes(provider: Provider) -> Found:
    idle, hard, life = provider.refresh_idle, provider.refresh_hard, provider.access_lifetime
    if idle and hard and idle > hard:
        yield ("refresh_idle",), f"is longer than refresh_hard ({hard}): the idle limit would never be reached"
    if life and provider.refresh_not_before >= life:
        yield ("refresh_not_before",), f"leaves no time to refresh before the access token ends ({life})"
    if provider.mandatory_most > provider.advisory_most:
        yield ("mandatory_most",), f"is more than advisory_most ({provider.advisory_most})"
    if (
        hard is None
        and provider.hard_restarts_on_rotation is not None
        and not any(record.reply.refresh_hard for record in provider.records)
    ):
        yield ("hard_restarts_on_rotation",), "says something about refresh_hard, which is not stated"


def _without_refresh_tokens(provider: Provider) -> Found:
    if provider.refresh_tokens:
        return
    for name in _ABOUT_REFRESH:
        if getattr(provider, name) not in {None, ""}:
            yield (name,), "contradicts refresh_tokens = false; remove one of them"
    if provider.retry is not Retry.UNKNOWN:
        yield ("retry",), "contradicts refresh_tokens = false; remove one of them"


def _revoking(provider: Provider) -> Found:
    revoke = provider.revoke
    silent = revoke.verb is RevokeVerb.NONE
    if silent and revoke.url:
        yield ("revoke", "url"), 'is of no use with verb = "none"'
    if not silent and not revoke.url:
        yield ("revoke",), f'has verb = "{revoke.verb}" and no url'
    if revoke.verb is RevokeVerb.DELETE and revoke.method != "DELETE":
        yield ("revoke", "method"), 'must be "DELETE" with verb = "delete"'
    if revoke.body and revoke.verb in {RevokeVerb.RFC7009, RevokeVerb.NONE}:
        yield ("revoke", "body"), f'is of no use with verb = "{revoke.verb}"'
    if revoke.verb in {RevokeVerb.JSON, RevokeVerb.DELETE}:
        said = [*revoke.body.values(), *(f"{{{name}}}" for name in gaps(revoke.url))]
        if "{token}" not in said:
            yield ("revoke", "body"), "names no token: one member must be {token}"
    for member, text in revoke.body.items():
        if any(name not in {"token", "client_id", "client_secret"} for name in gaps(text)):
            yield ("revoke", "body"), f"has a member {member} with an unknown placeholder"
    if revoke.auth == "bearer" and revoke.token != "access_token":
        yield ("revoke", "token"), 'must be "access_token" with auth = "bearer"'


def _limits(provider: Provider) -> Found:
    limits = provider.limits
    if (limits.refreshes is None) != (limits.per is None):
        yield ("limits",), "says one of refreshes and per; both belong together"
    if limits.overflow and limits.refresh_tokens_per_user is None:
        yield ("limits", "overflow"), "speaks of a limit that is not stated: refresh_tokens_per_user"


def _placeholders(provider: Provider) -> Found:
    used: set[str] = set()
    for trail, address in addresses(provider).items():
        for name in gaps(address):
            used.add(name)
            if name in GIVEN and trail != ("revoke", "url"):
                yield trail, f"cannot hold {{{name}}}: it is known only when something is revoked"
            elif name not in GIVEN and name not in provider.fills:
                yield trail, f"holds {{{name}}}, and there is no [placeholders.{name}] that says what may fill it"
        if problem := _misplaced(address, provider.fills):
            yield trail, problem
    for name, rule in provider.fills.items():
        yield from _filling(name, rule, used)


def _filling(name: str, rule: Placeholder, used: set[str]) -> Found:
    if name not in used:
        yield ("placeholders", name), "is in no address; remove it"
    if name in GIVEN:
        yield ("placeholders", name), "is filled by the keeper itself; use another name"
    if rule.stands is Stands.ORIGIN and not rule.hosts:
        yield ("placeholders", name), "is an origin and may be anything; say its hosts, such as *.example.com"
    if rule.hosts and rule.stands not in {Stands.ORIGIN, Stands.HOST}:
        yield ("placeholders", name, "hosts"), f"is of no use where it stands for a {rule.stands}"
    if any(each.startswith("*.") and "." not in each[2:] for each in rule.hosts):
        yield ("placeholders", name, "hosts"), "has an entry that allows a whole top-level domain"


def _misplaced(address: str, fills: Mapping[str, Placeholder]) -> str:
    """A clause if a placeholder stands where its kind of value does not belong."""
    filled = address
    for name in gaps(address):
        rule = fills.get(name)
        if rule is None:
            continue
        at = address.index(f"{{{name}}}")
        in_path = "/" in address[:at].partition("://")[2]
        if rule.stands is Stands.ORIGIN and at != 0:
            return f"must begin with {{{name}}}, which stands for an origin"
        if rule.stands in {Stands.LABEL, Stands.HOST} and (at == 0 or in_path):
            return f"must have {{{name}}} in its host, because it stands for a {rule.stands}"
        if rule.stands is Stands.SEGMENT and not in_path:
            return f"must have {{{name}}} in its path, because it stands for a segment"
        filled = filled.replace(f"{{{name}}}", _SAMPLES[rule.stands])
    try:
        check_address(filled)
    except ValueError as error:
        return str(error)
    return ""


def _records(provider: Provider) -> Found:
    if not provider.token_url and not provider.discovery_url and provider.authorize_url:
        yield ("token_url",), "is missing; a code from authorize_url could not be exchanged"
    paths = [record.reply.access_token for record in provider.records]
    if len(set(paths)) < len(paths):
        yield ("records",), "have the same access_token path; each pair needs its own"
    if provider.iss_in_callback and not provider.issuer:
        yield ("iss_in_callback",), "needs issuer, or there is nothing to compare `iss` with"


def _texts(provider: Provider) -> Found:
    for table, allowed in (
        ("token_params", {"redirect_uri", "client_id"}),
        ("refresh_params", {"redirect_uri", "client_id"}),
    ):
        for name, value in getattr(provider, table).items():
            if any(gap not in allowed for gap in gaps(value)):
                yield (table, name), f"may hold {' or '.join(sorted(allowed))} in braces, and nothing else"
    for name in provider.callback_fields.values():
        if name in GIVEN:
            yield ("callback_fields",), f"must not keep anything as {name}"


_RULES: Final[tuple[Callable[[Provider], Found], ...]] = (
    _retrying, _lifetimes, _without_refresh_tokens, _revoking, _limits, _placeholders, _records, _texts,
)  # fmt: skip
