"""The one table of modes: what the server can be told to do, each with the sentence that the documentation prints.

A mode changes a `Behaviour` and nothing else. Rules hold for every request; faults happen to refresh requests, unless
a wish says otherwise with `on=`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from evergrant.keeper.provider.model import Reply, ReuseEffect, Rotates, TokenRecord
from evergrant.testing.chaos.behaviour import DAY, HOUR, Again, Behaviour, Special
from evergrant.testing.chaos.replies import HTML, JSON, error
from evergrant.testing.chaos.wire import Answer, Ending

Values = Mapping[str, Any]
Change = Callable[[Behaviour, Values], Behaviour]
MINUTE: Final = 60
HUGE: Final = 8 * 1_048_576


class Occasion(StrEnum):
    """What a request is about."""

    REFRESH = "refresh"
    EXCHANGE = "exchange"
    DEVICE = "device"
    REVOKE = "revoke"
    INTROSPECT = "introspect"
    API = "api"
    DISCOVERY = "discovery"
    AUTHORIZE = "authorize"
    CONNECTION = "connection"
    """A connection, before anything was read from it."""


EVERYTHING: Final = frozenset(Occasion)
_REFRESH: Final = frozenset({Occasion.REFRESH})


class Kind(StrEnum):
    """Which part of the table a mode stands in."""

    RULE = "rule"
    SHAPE = "shape"
    FAULT = "fault"


class NoSuchMode(ValueError):
    """A mode, one of its settings, or a value that does not exist; the text says what does."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One entry of the table. *takes* are its settings with what they are when nothing is said."""

    name: str
    kind: Kind
    sentence: str
    change: Change
    takes: Values = field(default_factory=dict)
    on: frozenset[Occasion] = EVERYTHING


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


def _again(again: Again) -> Change:
    def set_(behaviour: Behaviour, values: Values) -> Behaviour:
        reuse = ReuseEffect.FAMILY_REVOKED
        return replace(behaviour, rotates=Rotates.ALWAYS, again=again, grace=values["seconds"], reuse=reuse)

    return set_


_STRICT: Final = {"rotates": Rotates.ALWAYS, "again": Again.NOTHING, "grace": 0, "omits_refresh_token": False}
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
    Mode("form_encoded", Kind.SHAPE, "Token replies and errors are forms, not JSON (GitHub unless asked for JSON).",
         _with(form_encoded=True)),
    Mode("two_tokens", Kind.SHAPE, "One grant gives two pairs, the second one nested (Slack's bot and user).",
         _with(records=_TWO)),
    Mode("wrong_clock", Kind.SHAPE,
         "The server's clock is wrong: its Date header, its `expires_at` and its ID tokens.",
         lambda behaviour, values: replace(behaviour, skew=values["seconds"]), {"seconds": -HOUR}),
    # faults after everything was done: the token is spent, and the client does not learn it
    Mode("lost_reply", Kind.FAULT, "The refresh is done, and the connection closes without a byte of the reply.",
         _ending(Ending.CLOSED), on=_REFRESH),
    Mode("reset_after", Kind.FAULT, "The refresh is done, and the connection is reset.", _ending(Ending.RESET),
         on=_REFRESH),
    Mode("unavailable_after", Kind.FAULT, "The refresh is done, and the answer is 503.",
         _then(lambda _, values: _unavailable(values)), on=_REFRESH),
    Mode("slow_reply", Kind.FAULT, "The refresh is done at once, and the reply takes its time (real seconds).",
         lambda behaviour, values: replace(behaviour, wait_after=float(values["seconds"])), {"seconds": 30.0},
         on=_REFRESH),
    Mode("held_reply", Kind.FAULT, "The refresh is done at once, and the reply waits until it is released.",
         _with(held=True), on=_REFRESH),
    Mode("truncated_json", Kind.FAULT, "The refresh is done, and the reply is well-formed HTTP around half a document.",
         _then(lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2])), on=_REFRESH),
    Mode("cut_reply", Kind.FAULT, "The refresh is done, and the connection ends in the middle of the reply.",
         _ending(Ending.CUT), on=_REFRESH),
    Mode("duplicate_keys", Kind.FAULT, "The refresh is done, and the reply names its tokens twice, differently.",
         _then(_twice), on=_REFRESH),
    Mode("no_content", Kind.FAULT, "The refresh is done, and the answer is 204 with nothing in it.",
         _then(lambda *_: Answer(204)), on=_REFRESH),
    Mode("huge_body", Kind.FAULT, "The refresh is done, and the reply is far larger than any reply should be.",
         _then(_huge), {"bytes": HUGE}, on=_REFRESH),
    Mode("wrong_content_type", Kind.FAULT, "The refresh is done, and the reply says it is HTML.",
         _then(lambda answer, _: replace(answer, headers=(HTML,))), on=_REFRESH),
    Mode("portal_after", Kind.FAULT, "The refresh is done, and a proxy puts its own page in place of the reply.",
         _then(lambda *_: Answer(200, _PORTAL, (HTML,))), on=_REFRESH),
    # faults in what the reply says
    Mode("expires_in", Kind.FAULT, '`expires_in` is whatever you say, as JSON: "3600", -1, 1e300, null, [].',
         lambda behaviour, values: replace(behaviour, expires_in=values["value"]), {"value": "3600"}, on=_REFRESH),
    Mode("wrong_token_type", Kind.FAULT, "`token_type` is not the one that was asked for.",
         lambda behaviour, values: replace(behaviour, token_type=values["value"]), {"value": "mac"}, on=_REFRESH),
    Mode("wrong_subject", Kind.FAULT, "The reply is about another account, in its members and in its ID token.",
         lambda behaviour, values: replace(behaviour, subject=values["user"]), {"user": "somebody-else"}, on=_REFRESH),
    Mode("shrunk_scope", Kind.FAULT, "The reply grants only the first of the scopes.",
         _with(scope=lambda scope: scope.split(" ", 1)[0]), on=_REFRESH),
    Mode("grown_scope", Kind.FAULT, "The reply grants a scope that nobody asked for.",
         lambda behaviour, values: replace(behaviour, scope=lambda scope: f"{scope} {values['scope']}"),
         {"scope": "admin"}, on=_REFRESH),
    Mode("null_refresh_token", Kind.FAULT, "The token stays as it is, and the reply says `refresh_token: null`.",
         lambda behaviour, _: replace(
             behaviour, rotates=Rotates.NEVER, members=lambda told: {**told, "refresh_token": None}), on=_REFRESH),
    Mode("no_access_token", Kind.FAULT, "The refresh is done, and the reply has no access token.",
         lambda behaviour, _: replace(
             behaviour, members=lambda told: {key: told[key] for key in told if key != "access_token"}), on=_REFRESH),
    # faults before anything was done: nothing is spent
    Mode("withdrawn", Kind.FAULT, "The user withdraws the grant just before the request arrives.",
         _with(kills_first=True), on=_REFRESH),
    Mode("unavailable", Kind.FAULT, "503, and nothing is done.", _instead(_unavailable), on=_REFRESH),
    Mode("server_error", Kind.FAULT, "500 with a page, and nothing is done.",
         _instead(lambda _: Answer(500, b"<h1>Internal Server Error</h1>", (HTML,))), on=_REFRESH),
    Mode("too_many_requests", Kind.FAULT, "429 with Retry-After, and nothing is done.",
         _instead(_too_many), {"seconds": 30}, on=_REFRESH),
    Mode("temporarily_unavailable", Kind.FAULT, "The OAuth error of that name, and nothing is done.",
         _instead(lambda _: error("temporarily_unavailable", status=400)), on=_REFRESH),
    Mode("invalid_client", Kind.FAULT, "The client is refused, as after its secret was changed; nothing is done.",
         _instead(lambda _: error("invalid_client", "Client authentication failed.", status=401)), on=_REFRESH),
    Mode("invalid_scope", Kind.FAULT, "The scope is refused; nothing is done.",
         _instead(lambda _: error("invalid_scope")), on=_REFRESH),
    Mode("interaction_required", Kind.FAULT, "The user has to come back, says a policy; nothing is done.",
         _instead(lambda _: error("interaction_required", "Multi-factor authentication is needed.")), on=_REFRESH),
    Mode("invalid_grant", Kind.FAULT, "A lie: the token is refused as dead, and it is not.",
         _instead(lambda _: error("invalid_grant", "The refresh token is invalid.")), on=_REFRESH),
    Mode("captive_portal", Kind.FAULT, "200 with the page of a hotel network; nothing is done.",
         _instead(lambda _: Answer(200, _PORTAL, (HTML,))), on=_REFRESH),
    Mode("not_an_object", Kind.FAULT, "200 with a JSON list; nothing is done.",
         _instead(lambda _: Answer(200, b'["ok"]', (JSON,))), on=_REFRESH),
    Mode("redirect", Kind.FAULT, "A redirect that keeps method and body; who follows it gives the token away.",
         _instead(lambda values: Answer(307, b"", (("location", values["to"]),))), {"to": "/elsewhere"}, on=_REFRESH),
    Mode("reset_before", Kind.FAULT, "The connection is reset when the request has been read; nothing is done.",
         _instead(lambda _: Answer(ending=Ending.RESET)), on=_REFRESH),
    Mode("reset_unread", Kind.FAULT, "Connections are reset before a byte is read from them.",
         _with(refuses_connections=True), on=frozenset({Occasion.CONNECTION})),
    Mode("late_spend", Kind.FAULT, "The request waits (real seconds) before it is done, even if its sender has left.",
         lambda behaviour, values: replace(behaviour, wait_before=float(values["seconds"])), {"seconds": 30.0},
         on=_REFRESH),
)  # fmt: skip

MODES: Final[Mapping[str, Mode]] = {mode.name: mode for mode in _TABLE}


@dataclass(frozen=True, slots=True)
class Wish:
    """A mode that is asked for. *times* and *chance* None: always."""

    mode: Mode
    values: Values
    on: frozenset[Occasion]
    times: int | None = None
    chance: float | None = None

    def __str__(self) -> str:
        said = [f"{name}={json.dumps(value)}" for name, value in self.values.items() if value != self.mode.takes[name]]
        said += [f"times={self.times}"] if self.times is not None else []
        said += [f"chance={self.chance}"] if self.chance is not None else []
        said += [f"on={'+'.join(sorted(self.on))}"] if self.on != self.mode.on else []
        return ":".join([self.mode.name, *([",".join(said)] if said else [])])


def wish(text: str, **more: Any) -> Wish:
    """Read `lost_reply`, `slots:most=3` or `unavailable:chance=0.1,on=exchange+refresh`; *more* counts like the text.

    With `times=N` the mode is in force for the next N requests it is about (refreshes, unless `on=` says otherwise),
    with `chance=P` each time with that probability. Raises `NoSuchMode`.
    """
    name, _, rest = text.partition(":")
    mode = MODES.get(name.strip().replace("-", "_"))
    if mode is None:
        raise NoSuchMode(f"no such mode: {name}; there are {', '.join(sorted(MODES))}")
    said: dict[str, Any] = dict(_settings(mode.name, rest), **more)
    times, chance, on = said.pop("times", None), said.pop("chance", None), said.pop("on", None)
    for key in said:
        if key not in mode.takes:
            known = ", ".join([*mode.takes, "times", "chance", "on"])
            raise NoSuchMode(f"{mode.name} has no setting {key!r}; it has {known}")
    if on is None and (times is not None or chance is not None) and mode.on == EVERYTHING:
        on = "refresh"
    where = mode.on if on is None else _occasions(on)
    return Wish(mode, {**mode.takes, **_checked(mode, said)}, where, _whole("times", times), _part(chance))


def _settings(name: str, text: str) -> Iterable[tuple[str, Any]]:
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise NoSuchMode(f"{name}: {part!r} is not of the form setting=value")
        yield key.strip(), _value(value.strip())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _checked(mode: Mode, said: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in said.items():
        usual = mode.takes[key]
        if isinstance(usual, int | float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise NoSuchMode(f"{mode.name}: {key} is a number, not {value!r}")
    return said


def _occasions(on: object) -> frozenset[Occasion]:
    if on == "any":
        return EVERYTHING - {Occasion.CONNECTION}
    try:
        return frozenset(Occasion(part) for part in str(on).split("+"))
    except ValueError:
        raise NoSuchMode(f"on={on}: there are {', '.join(Occasion)}, several joined by +, and any") from None


def _whole(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise NoSuchMode(f"{name} is a whole number, not {value!r}")


def _part(value: Any) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1):
        return value
    raise NoSuchMode(f"chance is a number from 0 to 1, not {value!r}")


class InForce:
    """The modes in force, with what is left of each. *dice* gives numbers from 0 to 1."""

    def __init__(self, wishes: Iterable[Wish], dice: Callable[[], float]) -> None:
        """Begin with *wishes*."""
        self._dice = dice
        self._wishes: list[list[Any]] = []
        self.add(*wishes)

    def add(self, *wishes: Wish) -> None:
        """Let further modes come into force, after those there are."""
        self._wishes += [[one, one.times] for one in wishes]

    def clear(self) -> None:
        """Let none be in force."""
        self._wishes.clear()

    @property
    def wishes(self) -> list[Wish]:
        """What is in force, with the number of times that are left."""
        return [replace(one, times=left) for one, left in self._wishes]

    def changed(self, behaviour: Behaviour, occasion: Occasion) -> tuple[Behaviour, tuple[str, ...]]:
        """The behaviour at one request, and the names of the modes that made it so; their times are counted down."""
        names = []
        for entry in self._wishes:
            one, left = entry
            if occasion not in one.on or left == 0:
                continue
            if one.chance is not None and self._dice() >= one.chance:
                continue
            if left is not None:
                entry[1] = left - 1
            behaviour = one.mode.change(behaviour, one.values)
            names.append(one.mode.name)
        self._wishes = [entry for entry in self._wishes if entry[1] != 0]
        return behaviour, tuple(names)
