"""How doubts end: the table, row by row, and what holds for every combination."""

from dataclasses import replace
from itertools import product

import pytest

from evergrant.keeper.connection import Intent, Origin, Reason, Record, Step
from evergrant.keeper.decision.doubt import Probed, Way, latest_replay, resolve
from evergrant.keeper.provider.model import Provider, Retry, ReuseEffect, Rotates
from evergrant.testing.chaos import PLAIN

NOW = 1_700_000_000
RECORD = Record(
    "con_1", version=3, access_token=b"a", refresh_token=b"r", fingerprint="fp", sent_at=NOW - 1000,
    expires_at=NOW + 2600, origin=Origin.PROVIDER,
)  # fmt: skip
INTENT = Intent("int_1", "con_1", "main", 3, "fp", 9, NOW - 10, NOW + 20, "no")
NEAR_END = replace(RECORD, expires_at=NOW + 30)
ENDED = replace(RECORD, expires_at=NOW - 1)


def facts(retry: Retry = Retry.NO, effect: ReuseEffect = ReuseEffect.FAMILY_REVOKED, **more: object) -> Provider:
    return replace(PLAIN, retry=retry, reuse_effect=effect, rotates=Rotates.ALWAYS, **{"grace": None, **more})


def test_what_the_store_has_moved_past_is_closed() -> None:
    for record in (replace(RECORD, version=4), replace(RECORD, fingerprint="other")):
        assert resolve(INTENT, record, facts(), NOW, readable=True).way is Way.CLOSE


def test_a_journalled_answer_is_committed_before_anything_else_is_thought_of() -> None:
    answered = replace(INTENT, step=Step.ANSWERED)
    for effect in ReuseEffect:
        assert (
            resolve(answered, RECORD, facts(effect=effect), NOW, readable=True, not_before=NOW + 99).way is Way.COMMIT
        )
    assert resolve(answered, RECORD, facts(), NOW, readable=False).way is not Way.COMMIT


def test_a_token_that_was_declared_dead_is_not_sent_again() -> None:
    assert resolve(INTENT, replace(RECORD, dead=("fp",)), facts(Retry.SAFE), NOW).way is Way.CLOSE


def test_a_wait_that_was_asked_for_is_kept() -> None:
    found = resolve(INTENT, RECORD, facts(Retry.SAFE), NOW, not_before=NOW + 30)
    assert (found.way, found.until) == (Way.WAIT, NOW + 30)


@pytest.mark.parametrize("replays", [0, 1, 7])
def test_where_a_spent_token_stays_good_it_is_sent_again(replays: int) -> None:
    intent = replace(INTENT, replays=replays)
    for provider in (
        facts(Retry.SAFE),
        facts(Retry.NO, ReuseEffect.OLD_STILL_VALID),
        replace(facts(Retry.UNKNOWN), rotates=Rotates.NEVER),
        facts(Retry.UNTIL_SUCCESSOR_USED),
        facts(Retry.UNTIL_SUCCESSOR_USED, grace=3600),
        facts(Retry.WINDOW, grace=60),
        facts(Retry.CONFIGURABLE, grace=60),
    ):
        assert resolve(intent, RECORD, provider, NOW).way is Way.REPLAY


def test_after_the_window_the_old_access_token_is_served_to_its_end_first() -> None:
    late = replace(INTENT, written_at=NOW - 59)
    found = resolve(late, RECORD, facts(Retry.WINDOW, grace=60), NOW)
    assert found.way is Way.WAIT
    assert NOW < found.until < RECORD.expires_at
    assert resolve(late, NEAR_END, facts(Retry.WINDOW, grace=60), NOW).way is Way.REPLAY


def test_where_nobody_knows_it_is_repeated_once_at_once() -> None:
    assert resolve(INTENT, RECORD, facts(Retry.UNKNOWN), NOW).way is Way.REPLAY
    assert resolve(INTENT, RECORD, facts(Retry.CONFIGURABLE), NOW).way is Way.REPLAY
    assert resolve(replace(INTENT, replays=1), RECORD, facts(Retry.UNKNOWN), NOW).way is Way.WAIT


def test_where_it_is_documented_to_be_useless_the_old_token_is_served_on_and_one_try_comes_near_its_end() -> None:
    assert resolve(INTENT, RECORD, facts(Retry.NO), NOW).way is Way.WAIT
    assert resolve(INTENT, NEAR_END, facts(Retry.NO), NOW).way is Way.REPLAY
    assert resolve(INTENT, ENDED, facts(Retry.NO), NOW).way is Way.REPLAY


def test_the_old_token_tells_where_a_spend_kills_it() -> None:
    kills = facts(Retry.NO, kills_old_access_token=True, probe_url="https://api.invalid/me")
    assert resolve(INTENT, RECORD, kills, NOW).way is Way.PROBE
    assert resolve(INTENT, RECORD, kills, NOW, probed=Probed.ALIVE).way is Way.REPLAY
    assert resolve(INTENT, RECORD, kills, NOW, probed=Probed.DEAD).way is Way.REPLAY
    assert resolve(INTENT, RECORD, kills, NOW, probed=Probed.SILENT).way is Way.WAIT
    assert resolve(INTENT, ENDED, kills, NOW).way is Way.REPLAY


def test_where_a_repetition_ends_other_connections_it_is_given_up_unless_surely_unspent() -> None:
    harmful = facts(Retry.CONFIGURABLE, ReuseEffect.CLIENT_USER_REVOKED)
    for record in (RECORD, NEAR_END, ENDED):
        found = resolve(INTENT, record, harmful, NOW)
        assert (found.way, found.reason) == (Way.GIVE_UP, Reason.GRANT_LOST)
    telling = replace(harmful, kills_old_access_token=True, probe_url="https://api.invalid/me")
    assert resolve(INTENT, RECORD, telling, NOW).way is Way.PROBE
    assert resolve(INTENT, RECORD, telling, NOW, probed=Probed.ALIVE).way is Way.REPLAY
    assert resolve(INTENT, RECORD, telling, NOW, probed=Probed.SILENT).way is Way.GIVE_UP


def test_every_combination_has_a_way_and_no_harmful_one_is_repeated_blindly() -> None:
    records = (RECORD, NEAR_END, ENDED, replace(RECORD, expires_at=0, origin=Origin.UNKNOWN))
    for retry, effect, kills, grace, record, replays, probed in product(
        Retry, ReuseEffect, (False, True), (None, 0, 5, 600), records, (0, 1, 3), Probed
    ):
        provider = facts(
            retry, effect, kills_old_access_token=kills, grace=grace, probe_url="https://api.invalid" if kills else ""
        )
        intent = replace(INTENT, replays=replays)
        found = resolve(intent, record, provider, NOW, probed=probed)
        assert found.way in Way
        assert found.way is not Way.WAIT or found.until > NOW
        if effect is ReuseEffect.CLIENT_USER_REVOKED and found.way is Way.REPLAY:
            promised = retry in {Retry.SAFE, Retry.UNTIL_SUCCESSOR_USED} or bool(grace and grace > 12)
            assert promised or (kills and probed is Probed.ALIVE)
        if found.way is Way.GIVE_UP:
            assert effect is ReuseEffect.CLIENT_USER_REVOKED
            assert found.reason is Reason.GRANT_LOST


def test_the_last_moment_for_a_repetition_is_inside_the_window() -> None:
    assert latest_replay(INTENT, facts(Retry.WINDOW, grace=60)) == INTENT.written_at + 56
    assert latest_replay(INTENT, facts(Retry.SAFE, grace=60)) == 0
    assert latest_replay(INTENT, facts(Retry.NO)) == 0
