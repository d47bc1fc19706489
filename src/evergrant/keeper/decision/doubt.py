"""How a doubt ends: an intent is open, its refresher is gone, and nobody knows whether the refresh token was spent.

One pure function, asked top down; the first row that fits decides.

| what is known                                             | way      |
|-----------------------------------------------------------|----------|
| the store holds other tokens than the intent was about    | close    |
| a readable answer is journalled                           | commit   |
| the token was declared dead meanwhile                     | close    |
| not yet the time for another try                          | wait     |
| a spent token stays good (`safe`, `until_successor_used`) | replay   |
| the time in which it may be repeated has not passed       | replay   |
| a spent token sent again ends other connections           | give up, unless the spend surely did not happen |
| nobody knows, and it was not repeated yet                 | replay   |
| the old access token still works where a spend kills it   | replay   |
| the same, and it is not known whether it works            | probe    |
| the access token is good for a while                      | wait until near its end |
| otherwise                                                 | replay   |

The last row costs nothing: if the spend never arrived, the repetition succeeds; if it did, the grant is lost anyway,
and the answer says so. Repetitions wait longer each time, and only a definite answer ends them: an outage of the
provider, however long, asks nothing of a user.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from evergrant.keeper.connection import Intent, Reason, Record, Step
from evergrant.keeper.decision.window import window
from evergrant.keeper.provider.model import Provider, Retry, ReuseEffect, Rotates

WINDOW_MARGIN: Final = 2
"""Seconds before the end of a provider's window that are not relied upon: the request has to arrive inside."""


class Way(StrEnum):
    """What to do about a doubt."""

    COMMIT = "commit"
    CLOSE = "close"
    REPLAY = "replay"
    PROBE = "probe"
    WAIT = "wait"
    GIVE_UP = "give_up"


class Probed(StrEnum):
    """What a call with the old access token told."""

    NOT_ASKED = "not_asked"
    ALIVE = "alive"
    DEAD = "dead"
    SILENT = "silent"
    """Neither: an error of another kind, or no answer."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """*until*: when to look again, for WAIT. *reason*: why, for GIVE_UP. *why*: the row, for the audit trail."""

    way: Way
    why: str
    until: int = 0
    reason: Reason = Reason.NONE


def resolve(
    intent: Intent,
    record: Record,
    provider: Provider,
    now: int,
    *,
    readable: bool = False,
    probed: Probed = Probed.NOT_ASKED,
    not_before: int = 0,
) -> Resolution:
    """The way out of the doubt. *readable*: whether the journalled answer opens and says something definite.

    *not_before*: the instant before which the provider asked us, or our own back-off, not to try again.
    """
    if record.version != intent.record_version or record.fingerprint != intent.fingerprint:
        return Resolution(Way.CLOSE, "moved_on")
    if intent.step is Step.ANSWERED and readable:
        return Resolution(Way.COMMIT, "journalled")
    if intent.fingerprint in record.dead or not record.refresh_token:
        return Resolution(Way.CLOSE, "dead")
    if now < not_before:
        return Resolution(Way.WAIT, "back_off", until=not_before)
    if spent_stays_good(intent, provider, now):
        return Resolution(Way.REPLAY, f"retry_{provider.retry.value}")
    return _without_promise(intent, record, provider, now, probed)


def spent_stays_good(intent: Intent, provider: Provider, now: int) -> bool:
    """Whether the provider says that a spent token may be sent again at this moment."""
    if _never_spent(provider):
        return True
    age = max(now - intent.written_at, 0)
    if provider.retry is Retry.UNTIL_SUCCESSOR_USED:
        return not provider.grace or age < provider.grace - WINDOW_MARGIN
    if provider.retry in {Retry.WINDOW, Retry.CONFIGURABLE}:
        return bool(provider.grace) and age < (provider.grace or 0) - WINDOW_MARGIN
    return False


def _never_spent(provider: Provider) -> bool:
    stays = provider.reuse_effect is ReuseEffect.OLD_STILL_VALID or provider.rotates is Rotates.NEVER
    return provider.retry is Retry.SAFE or stays


def _without_promise(intent: Intent, record: Record, provider: Provider, now: int, probed: Probed) -> Resolution:
    tells = provider.kills_old_access_token and bool(provider.probe_url)
    alive = tells and probed is Probed.ALIVE
    if provider.reuse_effect is ReuseEffect.CLIENT_USER_REVOKED and not alive:
        if tells and probed is Probed.NOT_ASKED and _good(record, now):
            return Resolution(Way.PROBE, "old_token_tells")
        return Resolution(Way.GIVE_UP, "replay_ends_others", reason=Reason.GRANT_LOST)
    if provider.retry in {Retry.UNKNOWN, Retry.CONFIGURABLE} and not provider.grace and intent.replays == 0:
        return Resolution(Way.REPLAY, "unknown_once_at_once")
    if alive:
        return Resolution(Way.REPLAY, "surely_unspent")
    if tells and probed is Probed.NOT_ASKED and _good(record, now):
        return Resolution(Way.PROBE, "old_token_tells")
    near_end = window(record, provider).mandatory_at
    if _good(record, now) and now < near_end and probed is not Probed.DEAD:
        return Resolution(Way.WAIT, "serve_on", until=near_end)
    return Resolution(Way.REPLAY, "nothing_to_lose")


def _good(record: Record, now: int) -> bool:
    """Whether the old access token would still work if the spend had not happened; unknown ends count as no."""
    return bool(record.access_token) and record.expires_at > now


def latest_replay(intent: Intent, provider: Provider) -> int:
    """The last instant at which the provider still takes a spent token again; 0 when no time is known."""
    if _never_spent(provider) or not provider.grace:
        return 0
    return intent.written_at + max(provider.grace - 2 * WINDOW_MARGIN, 0)
