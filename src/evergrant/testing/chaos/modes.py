"""The one table of modes: what the server can be told to do, each with the sentence that the documentation prints.

A mode changes a `Behaviour` and nothing else. Rules hold for every request; faults happen to refresh requests, unless
a wish says otherwise with `on=`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from evergrant.keeper.provider.model import Reply, ReuseEffect, Rotates, TokenRecord
from evergrant.testing.chaos.behaviour import DAY, HOUR, Again, Behaviour, Special
from evergrant.testing.chaos.mode import REFRESHES, Change, Kind, Mode, Occasion, Values
from evergrant.testing.chaos.replies import HTML, JSON, error
from evergrant.testing.chaos.wire import Answer, Ending

MINUTE: Final = 60
HUGE: Final = 8 * 1_048_576


def _with(**members: Any) -> Change:
    return lambda behaviour, _: replace(behaviour, **members)


def _then(change: Callable[[Answer, Values], Answer]) -> Change:
    def add(behaviour: Behaviour, values: Values) -> Behaviour:
        return replace(behaviour, then=(*behaviour.then, lambda answer: change(answer, values)))

    return add


def _instead(answer: Callable[[Values], Answer]) -> Change:
    return lambda behaviour, values: replace(behaviour, instead=answer(values))


def _ending(ending: Ending) -> Change:
    return _then(lambda answer, _: replace(answer, ending=ending))


_STRICT: Final = {"rotates": Rotates.ALWAYS, "again": Again.NOTHING, "grace": 0, "omits_refresh_token": False}


def _again(again: Again) -> Change:
    def set_(behaviour: Behaviour, values: Values) -> Behaviour:
        window = {**_STRICT, "again": again, "grace": values["seconds"]}
        return replace(behaviour, reuse=ReuseEffect.FAMILY_REVOKED, **window)

    return set_


_TWO: Final = (
    TokenRecord("bot", Reply(ok="ok")),
    TokenRecord("user", Reply(
        "authed_user.access_token", "authed_user.refresh_token", "authed_user.expires_in",
        scope="authed_user.scope", token_type="authed_user.token_type", subject=("authed_user.id",),
    )),
)  # fmt: skip
_PORTAL: Final = b"<!doctype html><title>Sign in to the network</title><h1>Welcome to the hotel</h1>"


def _twice(answer: Answer, _: Values) -> Answer:
    if not answer.body.startswith(b"{"):
        return answer
    return replace(answer, body=b'{"access_token": "cha_another", "refresh_token": "chr_another", ' + answer.body[1:])


def _huge(answer: Answer, values: Values) -> Answer:
    padding = b'{"padding": "' + b"x" * values["bytes"] + b'", '
    return replace(answer, body=padding + answer.body[1:]) if answer.body.startswith(b"{") else answer


def _too_many(values: Values) -> Answer:
    answer = error("slow_down", "Too many requests.", status=429)
    return replace(answer, headers=(*answer.headers, ("retry-after", str(values["seconds"]))))


def _unavailable(_: Values) -> Answer:
    return Answer(503, b"<html><title>503 Service Unavailable</title></html>", (HTML,))


_TABLE: Final = (
    # rules: what a refresh token is good for
    Mode("strict_one_shot", Kind.RULE, "A refresh token is good once; presented again, it ends its whole family.",
         _with(**_STRICT, reuse=ReuseEffect.FAMILY_REVOKED)),
    Mode("replay_window", Kind.RULE, "For a while, the token just spent gets the very same pair again (WorkOS).",
         _again(Again.REPLAY), {"seconds": MINUTE}),
    Mode("previous_window", Kind.RULE,
         "For a while, the token just spent gets a new successor each time; the one before it ends the family (Auth0).",
         _again(Again.FORK), {"seconds": MINUTE}),
    Mode("until_successor_used", Kind.RULE,
         "A spent token gets the same pair again until its successor is first used (Shopify).",
         _again(Again.UNTIL_USED), {"seconds": 30 * DAY}),
    Mode("daily_rotation", Kind.RULE,
         "The refresh token stays the same for a day, then changes; the former one works for another (Intuit).",
         _with(rotates=Rotates.PERIODIC, again=Again.REPLAY, grace=DAY, omits_refresh_token=False)),
    Mode("never_rotates", Kind.RULE, "The refresh token never changes, and replies leave it out (Google).",
         _with(rotates=Rotates.NEVER, omits_refresh_token=True)),
    Mode("kills_access_token", Kind.RULE, "A refresh ends the access tokens before it (GitHub, GitLab).",
         _with(kills_old_access_token=True)),
    Mode("client_user_kill", Kind.RULE,
         "A refresh token presented again ends everything this client holds of that user (Visma Connect).",
         _with(**_STRICT, reuse=ReuseEffect.CLIENT_USER_REVOKED)),
    Mode("early_refusal", Kind.RULE, "A refresh too soon after the last one is refused, unspent (Exact Online).",
         lambda behaviour, values: replace(behaviour, not_before=values["seconds"]), {"seconds": 570}),
    Mode("slots", Kind.RULE, "A user has room for so many grants; one more silently ends the oldest (Google, Zoho).",
         lambda behaviour, values: replace(behaviour, most_grants=values["most"]), {"most": 2}),
    # shapes: how the same thing is said
    Mode("no_expires_in", Kind.SHAPE, "Replies do not say how long the access token lives (Salesforce, Notion).",
         _with(expires_in=Special.ABSENT)),
    Mode("error_in_200", Kind.SHAPE, "Errors come with status 200 (GitHub, Slack).", _with(error_in_200=True)),
    Mode("dead_words", Kind.SHAPE, "A dead grant is told in another of the words this provider has for it, by number.",
         lambda behaviour, values: replace(
             behaviour, dead=behaviour.dead[int(values["number"]) % len(behaviour.dead):]), {"number": 1}),
    Mode("form_encoded", Kind.SHAPE, "Token replies and errors are forms, not JSON (GitHub unless asked for JSON).",
         _with(form_encoded=True)),
    Mode("two_tokens", Kind.SHAPE, "One grant gives two pairs, the second one nested (Slack's bot and user).",
         _with(records=_TWO)),
    Mode("nested_refresh", Kind.SHAPE, "A refresh reply nests its tokens as the first reply did (Slack, at times).",
         lambda behaviour, _: replace(behaviour, records=tuple(
             replace(record, flat_on_refresh=False) for record in behaviour.records))),
    Mode("wrong_clock", Kind.SHAPE,
         "The server's clock is wrong: its Date header, its `expires_at` and its ID tokens.",
         lambda behaviour, values: replace(behaviour, skew=values["seconds"]), {"seconds": -HOUR}),
    # faults after everything was done: the token is spent, and the client does not learn it
    Mode("lost_reply", Kind.FAULT, "The refresh is done, and the connection closes without a byte of the reply.",
         _ending(Ending.CLOSED), on=REFRESHES),
    Mode("reset_after", Kind.FAULT, "The refresh is done, and the connection is reset.", _ending(Ending.RESET),
         on=REFRESHES),
    Mode("unavailable_after", Kind.FAULT, "The refresh is done, and the answer is 503.",
         _then(lambda _, values: _unavailable(values)), on=REFRESHES),
    Mode("slow_reply", Kind.FAULT, "The refresh is done at once, and the reply takes its time (real seconds).",
         lambda behaviour, values: replace(behaviour, wait_after=float(values["seconds"])), {"seconds": 30.0},
         on=REFRESHES),
    Mode("held_reply", Kind.FAULT, "The refresh is done at once, and the reply waits until it is released.",
         _with(held=True), on=REFRESHES),
    Mode("truncated_json", Kind.FAULT, "The refresh is done, and the reply is well-formed HTTP around half a document.",
         _then(lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2])), on=REFRESHES),
    Mode("cut_reply", Kind.FAULT, "The refresh is done, and the connection ends in the middle of the reply.",
         _ending(Ending.CUT), on=REFRESHES),
    Mode("duplicate_keys", Kind.FAULT, "The refresh is done, and the reply names its tokens twice, differently.",
         _then(_twice), on=REFRESHES),
    Mode("no_content", Kind.FAULT, "The refresh is done, and the answer is 204 with nothing in it.",
         _then(lambda *_: Answer(204)), on=REFRESHES),
    Mode("huge_body", Kind.FAULT, "The refresh is done, and the reply is far larger than any reply should be.",
         _then(_huge), {"bytes": HUGE}, on=REFRESHES),
    Mode("wrong_content_type", Kind.FAULT, "The refresh is done, and the reply says it is HTML.",
         _then(lambda answer, _: replace(answer, headers=(HTML,))), on=REFRESHES),
    Mode("portal_after", Kind.FAULT, "The refresh is done, and a proxy puts its own page in place of the reply.",
         _then(lambda *_: Answer(200, _PORTAL, (HTML,))), on=REFRESHES),
    # faults in what the reply says
    Mode("expires_in", Kind.FAULT, '`expires_in` is whatever you say, as JSON: "3600", -1, 1e300, null, [].',
         lambda behaviour, values: replace(behaviour, expires_in=values["value"]), {"value": "3600"}, on=REFRESHES),
    Mode("wrong_token_type", Kind.FAULT, "`token_type` is not the one that was asked for.",
         lambda behaviour, values: replace(behaviour, token_type=values["value"]), {"value": "mac"}, on=REFRESHES),
    Mode("wrong_subject", Kind.FAULT, "The reply is about another account, in its members and in its ID token.",
         lambda behaviour, values: replace(behaviour, subject=values["user"]), {"user": "somebody-else"}, on=REFRESHES),
    Mode("shrunk_scope", Kind.FAULT, "The reply grants only the first of the scopes.",
         _with(scope=lambda scope: scope.split(" ", 1)[0]), on=REFRESHES),
    Mode("grown_scope", Kind.FAULT, "The reply grants a scope that nobody asked for.",
         lambda behaviour, values: replace(behaviour, scope=lambda scope: f"{scope} {values['scope']}"),
         {"scope": "admin"}, on=REFRESHES),
    Mode("null_refresh_token", Kind.FAULT, "The token stays as it is, and the reply says `refresh_token: null`.",
         lambda behaviour, _: replace(
             behaviour, rotates=Rotates.NEVER, members=lambda told: {**told, "refresh_token": None}), on=REFRESHES),
    Mode("no_access_token", Kind.FAULT, "The refresh is done, and the reply has no access token.",
         lambda behaviour, _: replace(
             behaviour, members=lambda told: {key: told[key] for key in told if key != "access_token"}), on=REFRESHES),
    # faults before anything was done: nothing is spent
    Mode("withdrawn", Kind.FAULT, "The user withdraws the grant just before the request arrives.",
         _with(kills_first=True), on=REFRESHES),
    Mode("unavailable", Kind.FAULT, "503, and nothing is done.", _instead(_unavailable), on=REFRESHES),
    Mode("server_error", Kind.FAULT, "500 with a page, and nothing is done.",
         _instead(lambda _: Answer(500, b"<h1>Internal Server Error</h1>", (HTML,))), on=REFRESHES),
    Mode("too_many_requests", Kind.FAULT, "429 with Retry-After, and nothing is done.",
         _instead(_too_many), {"seconds": 30}, on=REFRESHES),
    Mode("temporarily_unavailable", Kind.FAULT, "The OAuth error of that name, and nothing is done.",
         _instead(lambda _: error("temporarily_unavailable", status=400)), on=REFRESHES),
    Mode("invalid_client", Kind.FAULT, "The client is refused, as after its secret was changed; nothing is done.",
         _instead(lambda _: error("invalid_client", "Client authentication failed.", status=401)), on=REFRESHES),
    Mode("invalid_scope", Kind.FAULT, "The scope is refused; nothing is done.",
         _instead(lambda _: error("invalid_scope")), on=REFRESHES),
    Mode("interaction_required", Kind.FAULT, "The user has to come back, says a policy; nothing is done.",
         _instead(lambda _: error("interaction_required", "Multi-factor authentication is needed.")), on=REFRESHES),
    Mode("invalid_grant", Kind.FAULT, "A lie: the token is refused as dead, and it is not.",
         _instead(lambda _: error("invalid_grant", "The refresh token is invalid.")), on=REFRESHES),
    Mode("captive_portal", Kind.FAULT, "200 with the page of a hotel network; nothing is done.",
         _instead(lambda _: Answer(200, _PORTAL, (HTML,))), on=REFRESHES),
    Mode("not_an_object", Kind.FAULT, "200 with a JSON list; nothing is done.",
         _instead(lambda _: Answer(200, b'["ok"]', (JSON,))), on=REFRESHES),
    Mode("redirect", Kind.FAULT, "A redirect that keeps method and body; who follows it gives the token away.",
         _instead(lambda values: Answer(307, b"", (("location", values["to"]),))), {"to": "/elsewhere"}, on=REFRESHES),
    Mode("reset_before", Kind.FAULT, "The connection is reset when the request has been read; nothing is done.",
         _instead(lambda _: Answer(ending=Ending.RESET)), on=REFRESHES),
    Mode("reset_unread", Kind.FAULT, "Connections are reset before a byte is read from them.",
         _with(refuses_connections=True), on=frozenset({Occasion.CONNECTION})),
    Mode("late_spend", Kind.FAULT, "The request waits (real seconds) before it is done, even if its sender has left.",
         lambda behaviour, values: replace(behaviour, wait_before=float(values["seconds"])), {"seconds": 30.0},
         on=REFRESHES),
)  # fmt: skip

MODES: Final[Mapping[str, Mode]] = {mode.name: mode for mode in _TABLE}
