"""The decision table, row by row: what presenting a refresh token does to its family."""

from dataclasses import dataclass

import pytest

from evergrant.domain import id as ids
from evergrant.domain.event import What
from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Policy, Radius
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Ask, Presented, Settlement, Successor, Verdict, decide
from evergrant.domain.session import Party
from evergrant.testing import specimens

NOW = specimens.NOW
DAY = specimens.DAY
FIRST, SECOND, THIRD, OTHER = (bytes([n]) * 32 for n in (1, 2, 3, 9))
SUCCESSOR = Successor(b"\x04" * 32, b"sealed under what was presented")
POLICY = Policy()


def newborn(**changes) -> Family:
    """A family at its first head."""
    return specimens.family(head=specimens.head(digest=FIRST), **changes)


def turned(**changes) -> Family:
    """A family rotated once at NOW: its predecessor may repeat until NOW + 60."""
    head = specimens.head(
        generation=1, digest=SECOND, predecessor=FIRST, spent_at=NOW, overlap_end=NOW + 60, sealed=b"sealed"
    )
    return specimens.family(head=head, **changes)


def ask(family: Family, **changes) -> Ask:
    return Ask(family.client_id, family.binding, network="203.0.113.5", agent="made-up/2")._replace(**changes)


@dataclass
class Case:
    family: Family
    policy: Policy = POLICY

    def present(self, generation: int, digest: bytes, now: int = NOW, **asked) -> Settlement:
        presented = Presented(self.family.id, generation, digest)
        facts = ask(self.family, **asked)
        settlement = decide(self.family, presented, facts, SUCCESSOR, self.policy, now)
        assert settlement == decide(self.family, presented, facts, SUCCESSOR, self.policy, now), "it must be pure"
        return settlement


def untouched(settlement: Settlement, refusal: Refusal) -> None:
    """Refused, and nothing but events would be written."""
    assert (settlement.verdict, settlement.refusal) == (Verdict.REFUSE, refusal)
    assert (settlement.head, settlement.ended, settlement.notice) == (None, None, None)


def told(settlement: Settlement) -> list[tuple[What, str]]:
    return [(event.what, event.reason) for event in settlement.events]


# ---- refused before anything is spent


def test_an_unknown_family_is_refused_and_nothing_is_written():
    settlement = decide(None, Presented(b"\0" * 16, 0, FIRST), Ask("cli_1"), SUCCESSOR, POLICY, NOW)
    untouched(settlement, Refusal.UNKNOWN)
    assert settlement.events == ()


@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST), (0, OTHER), (7, OTHER)])
def test_rt_03_rt_17_another_client_harms_nobody_whatever_it_presents(generation, digest):
    case = Case(turned())
    settlement = case.present(generation, digest, NOW + 999, client_id="cli_thief")
    untouched(settlement, Refusal.WRONG_CLIENT)
    (event,) = settlement.events
    assert (event.what, event.client_id, event.reason) == (What.FAMILY_REFUSED, "cli_thief", Refusal.WRONG_CLIENT)


@pytest.mark.parametrize("binding", ["", "jkt:thief"])
@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST), (0, OTHER)])
def test_rt_04_inv_10_without_its_key_a_bound_family_gives_nothing_and_keeps_everything(generation, digest, binding):
    case = Case(turned(binding="jkt:holder"))
    untouched(case.present(generation, digest, NOW + 999, binding=binding), Refusal.WRONG_KEY)


def test_rt_33_the_overlap_of_a_head_that_was_refused_has_not_begun():
    case = Case(newborn(binding="jkt:holder"))
    untouched(case.present(0, FIRST, binding=""), Refusal.WRONG_KEY)
    later = case.present(0, FIRST, NOW + 10 * DAY)
    assert later.verdict is Verdict.ROTATE
    assert later.head.overlap_end == NOW + 10 * DAY + DAY


def test_the_overlap_of_a_bound_family_is_another_than_that_of_an_unbound_one():
    assert Case(newborn()).present(0, FIRST).head.overlap_end == NOW + 60
    assert Case(newborn(binding="jkt:holder")).present(0, FIRST).head.overlap_end == NOW + DAY


def test_an_unbound_family_does_not_mind_a_key():
    assert Case(newborn()).present(0, FIRST, binding="jkt:any").verdict is Verdict.ROTATE


def test_rt_29_another_network_address_is_no_reason_to_refuse():
    settlement = Case(newborn()).present(0, FIRST, network="2001:db8::1", agent="other")
    assert settlement.verdict is Verdict.ROTATE
    assert (settlement.head.network, settlement.head.agent) == ("2001:db8::1", "other")


@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST), (0, OTHER)])
@pytest.mark.parametrize("reason", list(Reason))
def test_inv_5_an_ended_family_is_refused_with_the_stored_reason_and_is_not_theft(reason, generation, digest):
    case = Case(turned(ended=Ended(NOW - 5, reason)))
    settlement = case.present(generation, digest, NOW + 999)
    untouched(settlement, Refusal.ENDED)
    assert told(settlement) == [(What.FAMILY_REFUSED, reason)]


@pytest.mark.parametrize(
    ("idle", "absolute", "reason"),
    [(0, 9, Reason.IDLE), (9, 0, Reason.ABSOLUTE), (0, 0, Reason.ABSOLUTE), (-9, -3, Reason.ABSOLUTE)],
)
@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST)])
def test_rt_26_rte_5_b_what_has_passed_its_end_ends_with_that_reason(generation, digest, idle, absolute, reason):
    family = turned(absolute_end=NOW + absolute)
    case = Case(family._replace(head=family.head._replace(idle_end=NOW + idle)))
    settlement = case.present(generation, digest)
    assert (settlement.verdict, settlement.refusal) == (Verdict.REFUSE, Refusal.EXPIRED)
    assert settlement.ended == Ended(NOW, reason)
    assert settlement.head == case.family.head
    assert settlement.radius is Radius.FAMILY
    assert settlement.notice is None
    assert told(settlement) == [(What.FAMILY_ENDED, reason)]


def test_one_second_before_its_end_a_family_still_turns():
    family = newborn(absolute_end=NOW + 1)
    assert Case(family).present(0, FIRST).verdict is Verdict.ROTATE


@pytest.mark.parametrize("scope", ["admin", "openid admin", "OPENID", "openid\u200b", "open id", "orders:write"])
@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST)])
def test_rt_19_r6749_6_3_asking_for_more_scope_is_refused_and_spends_nothing(generation, digest, scope):
    untouched(Case(turned()).present(generation, digest, scope=scope), Refusal.SCOPE)


@pytest.mark.parametrize("resources", ["https://evil.example", "https://api.example/", "https://api.example https://x"])
@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST)])
def test_rt_21_r8707_2_2_b_another_resource_is_refused_and_spends_nothing(generation, digest, resources):
    untouched(Case(turned()).present(generation, digest, resources=resources), Refusal.TARGET)


def test_rt_22_r6749_6_5_narrowing_spends_the_token_and_leaves_the_family_its_scope():
    case = Case(newborn())
    settlement = case.present(0, FIRST, scope="openid", resources="https://api.example")
    assert settlement.verdict is Verdict.ROTATE
    assert settlement.family == case.family


def test_an_authentic_head_with_another_secret_is_an_alarm_and_harms_nobody():
    settlement = Case(turned()).present(1, OTHER, NOW + 999)
    untouched(settlement, Refusal.FORGED)
    assert told(settlement) == [(What.FAMILY_FORGED, Refusal.FORGED)]


def test_an_authentic_predecessor_with_another_secret_is_an_alarm_and_harms_nobody():
    for now in (NOW, NOW + 999):
        untouched(Case(turned()).present(0, OTHER, now), Refusal.FORGED)


@pytest.mark.parametrize("ahead", [2, 3, 2**32 - 1])
def test_o_03_o_13_a_token_ahead_of_its_row_is_an_alarm_for_the_operator_and_not_theft(ahead):
    settlement = Case(turned()).present(ahead, OTHER)
    untouched(settlement, Refusal.AHEAD)
    assert told(settlement) == [(What.FAMILY_AHEAD, Refusal.AHEAD)]
    assert settlement.events[0].generation == ahead


# ---- the head


def test_the_head_is_rotated_and_everything_about_the_new_one_is_written():
    case = Case(newborn(), Policy(overlap=60, idle_lifetime=7 * DAY))
    settlement = case.present(0, FIRST, NOW + 100)
    assert settlement.verdict is Verdict.ROTATE
    assert (settlement.ended, settlement.notice, settlement.refusal) == (None, None, None)
    head = settlement.head
    assert (head.generation, head.digest, head.predecessor) == (1, SUCCESSOR.digest, FIRST)
    assert (head.spent_at, head.overlap_end, head.sealed, head.repeats) == (NOW + 100, NOW + 160, SUCCESSOR.sealed, 0)
    assert (head.idle_end, head.used_at) == (NOW + 100 + 7 * DAY, NOW + 100)
    assert (head.network, head.agent) == ("203.0.113.5", "made-up/2")
    (event,) = settlement.events
    assert (event.what, event.generation) == (What.FAMILY_ROTATED, 1)
    assert event.family_id == ids.text(ids.Kind.FAMILY, case.family.id)
    assert (event.account_id, event.session_id) == (case.family.account_id, case.family.session_id)


def test_using_the_successor_forgets_the_predecessor():
    settlement = Case(turned()).present(1, SECOND, NOW + 1)
    assert settlement.verdict is Verdict.ROTATE
    assert (settlement.head.generation, settlement.head.predecessor) == (2, SECOND)
    assert settlement.head.sealed == SUCCESSOR.sealed


def test_rt_27_r10017_6_3_2_3_c_sliding_stops_at_the_absolute_end_and_rotation_does_not_move_it():
    case = Case(newborn(absolute_end=NOW + 3 * DAY))
    settlement = case.present(0, FIRST, NOW + 2 * DAY)
    assert settlement.head.idle_end == NOW + 3 * DAY
    assert settlement.family.absolute_end == NOW + 3 * DAY


def test_rt_12_generations_of_one_second_are_told_apart():
    family = newborn()
    digests = [FIRST]
    for generation in range(5):
        successor = Successor(bytes([100 + generation]) * 32, b"s")
        presented = Presented(family.id, generation, digests[-1])
        settlement = decide(family, presented, ask(family), successor, POLICY, NOW)
        assert settlement.verdict is Verdict.ROTATE
        digests.append(successor.digest)
        family = family._replace(head=settlement.head)
    verdicts = [Case(family).present(n, digest).verdict for n, digest in enumerate(digests)]
    assert verdicts == [Verdict.REUSE] * 4 + [Verdict.REPEAT, Verdict.ROTATE]


@pytest.mark.parametrize(("online", "idle"), [(True, 3 * DAY), (False, 7 * DAY)])
@pytest.mark.parametrize("rotate", [True, False])
def test_r10017_6_3_2_3_d_a_family_of_a_session_idles_as_long_as_sessions_do(online, idle, rotate):
    policy = Policy(rotate=rotate, idle_lifetime=7 * DAY, online_idle=3 * DAY)
    settlement = Case(newborn(online=online), policy).present(0, FIRST, NOW + 5)
    assert settlement.head.idle_end == NOW + 5 + idle


def test_a_reusable_token_stays_and_its_idle_end_slides():
    case = Case(newborn(), Policy(rotate=False, idle_lifetime=DAY))
    settlement = case.present(0, FIRST, NOW + 500)
    assert settlement.verdict is Verdict.REFRESH
    expected = case.family.head._replace(
        idle_end=NOW + 500 + DAY, used_at=NOW + 500, network="203.0.113.5", agent="made-up/2"
    )
    assert settlement.head == expected
    assert told(settlement) == [(What.FAMILY_REFRESHED, "")]


def test_a_family_that_rotated_before_its_client_became_reusable_keeps_no_predecessor():
    settlement = Case(turned(), Policy(rotate=False)).present(1, SECOND)
    assert settlement.verdict is Verdict.REFRESH
    assert (settlement.head.generation, settlement.head.predecessor, settlement.head.sealed) == (1, None, None)


def test_a_client_that_became_reusable_still_gets_the_answer_it_lost():
    assert Case(turned(), Policy(rotate=False)).present(0, FIRST, NOW + 60).verdict is Verdict.REPEAT


# ---- the immediate predecessor


@pytest.mark.parametrize("late", [0, 1, 59, 60])
def test_rt_02_inv_4_inside_the_overlap_the_predecessor_repeats_and_nothing_moves(late):
    case = Case(turned())
    settlement = case.present(0, FIRST, NOW + late)
    assert settlement.verdict is Verdict.REPEAT
    assert settlement.head == case.family.head._replace(repeats=1)
    assert (settlement.ended, settlement.notice) == (None, None)
    assert told(settlement) == [(What.FAMILY_REPEATED, "")]


def test_rt_05_a_repeat_with_narrower_scope_is_the_same_successor():
    settlement = Case(turned()).present(0, FIRST, scope="openid", resources="https://api.example")
    assert settlement.verdict is Verdict.REPEAT
    assert settlement.head.sealed == b"sealed"


def test_rt_11_repeating_never_moves_the_end_of_the_overlap():
    family = turned()
    for second in range(61):
        settlement = Case(family).present(0, FIRST, NOW + second)
        assert settlement.verdict is Verdict.REPEAT
        family = family._replace(head=settlement.head)
    assert family.head.overlap_end == NOW + 60
    assert Case(family).present(0, FIRST, NOW + 61).verdict is Verdict.REUSE


def test_rt_32_one_alarm_when_a_predecessor_is_repeated_too_often():
    family, alarms = turned(), []
    for n in range(1, 40):
        settlement = Case(family, Policy(repeats_alarm=10)).present(0, FIRST)
        family = family._replace(head=settlement.head)
        alarms += [n for what, _ in told(settlement) if what is What.FAMILY_REPEATS_MANY]
    assert alarms == [10]


def test_cp_7_cp_8_until_used_a_lost_answer_may_wait_a_day_and_not_longer():
    policy = Policy(overlap=DAY)
    family = newborn()
    family = family._replace(head=Case(family, policy).present(0, FIRST).head)
    assert Case(family, policy).present(0, FIRST, NOW + DAY).verdict is Verdict.REPEAT
    used = family._replace(head=Case(family, policy).present(1, SUCCESSOR.digest, NOW + 5).head)
    assert Case(used, policy).present(0, FIRST, NOW + 6).verdict is Verdict.REUSE
    assert Case(family, policy).present(0, FIRST, NOW + DAY + 1).verdict is Verdict.REUSE


# ---- reuse


@pytest.mark.parametrize("radius", list(Radius))
def test_rt_01_r9700_4_14_2_c_after_the_overlap_a_spent_token_ends_the_family_and_both_are_told(radius):
    case = Case(turned(), Policy(radius=radius))
    settlement = case.present(0, FIRST, NOW + 61)
    assert (settlement.verdict, settlement.refusal) == (Verdict.REUSE, Refusal.REUSED)
    assert settlement.ended == Ended(NOW + 61, Reason.REUSE)
    assert (settlement.head, settlement.radius) == (case.family.head, radius)
    assert told(settlement) == [(What.FAMILY_REUSED, ""), (What.FAMILY_ENDED, Reason.REUSE)]
    notice = settlement.notice
    assert (notice.account_id, notice.client_id) == (case.family.account_id, case.family.client_id)
    assert (notice.label, notice.at) == (case.family.label, NOW + 61)
    assert notice.holder == Party(NOW, "192.0.2.7", "Firefox on Linux")
    assert (notice.presenter.at, notice.presenter.network, notice.presenter.agent) == (
        NOW + 61, "203.0.113.5", "made-up/2",
    )  # fmt: skip


@pytest.mark.parametrize("late", [0, 30, 61])
def test_rt_09_an_older_ancestor_is_reuse_even_inside_the_overlap(late):
    family = turned()
    family = family._replace(head=Case(family).present(1, SECOND, NOW).head)
    assert Case(family).present(0, FIRST, NOW + late).verdict is Verdict.REUSE


def test_rt_10_an_ancestor_is_known_by_its_generation_alone():
    head = specimens.head(generation=1_000_000, digest=SECOND, predecessor=FIRST, sealed=b"s", overlap_end=NOW + 60)
    assert Case(specimens.family(head=head)).present(3, OTHER).verdict is Verdict.REUSE


def test_a_predecessor_whose_successor_was_erased_is_reuse():
    family = turned()
    family = family._replace(head=family.head._replace(sealed=None))
    assert Case(family).present(0, FIRST, NOW + 61).verdict is Verdict.REUSE


def test_reuse_is_found_before_scope_is_looked_at():
    assert Case(turned()).present(0, FIRST, NOW + 61, scope="admin").verdict is Verdict.REUSE


def test_observing_only_tells_and_ends_nothing():
    settlement = Case(turned(), Policy(observe_only=True, radius=Radius.USER)).present(0, FIRST, NOW + 61)
    untouched(settlement, Refusal.REUSED)
    assert told(settlement) == [(What.FAMILY_REUSED, "observed_only")]


# ---- a clock that cannot be trusted (attack O-09)


@pytest.mark.parametrize(("generation", "digest"), [(1, SECOND), (0, FIRST)])
def test_o_09_a_suspect_clock_expires_nothing(generation, digest):
    case = Case(turned())
    untouched(case.present(generation, digest, NOW + 400 * DAY, clock_suspect=True), Refusal.CLOCK_SUSPECT)


def test_o_09_a_suspect_clock_does_not_make_a_retry_look_like_reuse():
    case = Case(turned())
    untouched(case.present(0, FIRST, NOW + DAY, clock_suspect=True), Refusal.CLOCK_SUSPECT)
    assert case.present(0, FIRST, NOW + 60, clock_suspect=True).verdict is Verdict.REPEAT


@pytest.mark.parametrize("lead", [1, 100, 3_600, 7 * DAY])
def test_o_09_a_clock_that_was_put_ahead_makes_the_overlap_neither_shorter_nor_longer(lead):
    case = Case(turned())
    for suspect in (True, False):
        assert case.present(0, FIRST, NOW + 60 + lead, clock_suspect=suspect, clock_lead=lead).verdict is Verdict.REPEAT
    assert case.present(0, FIRST, NOW + 61 + lead, clock_lead=lead).verdict is Verdict.REUSE
    untouched(case.present(0, FIRST, NOW + 61 + lead, clock_suspect=True, clock_lead=lead), Refusal.CLOCK_SUSPECT)


def test_o_09_a_suspect_clock_hides_no_older_ancestor():
    family = turned()
    family = family._replace(head=Case(family).present(1, SECOND).head)
    assert Case(family).present(0, FIRST, NOW + DAY, clock_suspect=True).verdict is Verdict.REUSE


@pytest.mark.parametrize("rotate", [True, False])
def test_o_09_refreshing_while_the_clock_stands_in_the_past_shortens_no_life(rotate):
    case = Case(newborn(), Policy(rotate=rotate, idle_lifetime=30 * DAY))
    settlement = case.present(0, FIRST, NOW - 365 * DAY, clock_suspect=True)
    assert settlement.head.idle_end == case.family.head.idle_end
    ahead = case.present(0, FIRST, NOW + 5 * DAY, clock_suspect=True)
    assert ahead.head.idle_end == NOW + 35 * DAY
    assert case.present(0, FIRST, NOW - DAY).head.idle_end == NOW + 29 * DAY


def test_a_clock_that_stepped_back_lets_an_honest_client_repeat_and_rotate():
    assert Case(turned()).present(0, FIRST, NOW - 3_600).verdict is Verdict.REPEAT
    assert Case(turned()).present(1, SECOND, NOW - 3_600).verdict is Verdict.ROTATE
