"""A world of honest and dishonest clients, moved at random: the invariants must hold in each of its states.

Honest copies lose replies, retry, duplicate, race, catch up with one another; a thief has copied a token; strangers try
tokens that are not theirs; clocks advance and step back; people sign out; housekeeping sweeps; the server restarts.
Every step goes to two stores, and what they answer is held against `tests.property.lines`.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evergrant.domain import id as ids
from evergrant.domain.event import What
from evergrant.domain.family import Ended
from evergrant.domain.policy import Radius
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Ask, Verdict
from evergrant.domain.secret import Secret
from evergrant.domain.token import RefreshToken
from evergrant.store.port import Which
from evergrant.testing import specimens
from evergrant.testing.presenting import Answer
from tests.property.lines import DAY, KINDS, Facts, Kind, Line
from tests.property.sides import KEYS, BothSides, Kept, Side, SqliteFile

KEEP: Final = 5 * DAY
MOST_LIVE: Final = 4
MOST_FAMILIES: Final = 12
GIVEN: Final = {Verdict.ROTATE, Verdict.REPEAT, Verdict.REFRESH}
SEALED_SIZE: Final = 61

some = st.integers(0, 11)
moments = st.sampled_from([0, 1, 30, 59, 60, 61, 299, 300, 301])
ages = st.sampled_from([3_600, DAY - 1, DAY, DAY + 1, 3 * DAY, 7 * DAY, 40 * DAY])
lifetimes = st.sampled_from([2, 5, 30])
texts = st.text(max_size=100)
blobs = st.binary(max_size=72).map(lambda raw: "egr_" + base64.urlsafe_b64encode(raw).decode())
wrong = st.sampled_from(
    [
        Facts(own_client=False),
        Facts(own_key=False),
        Facts(own_scope=False),
        Facts(own_resource=False),
        Facts(own_client=False, own_key=False),
        Facts(own_key=False, own_scope=False),
    ]
)
ENDS: Final[dict[str, Callable[[Line], Which]]] = {
    "revoked": lambda line: Which(family_id=line.born.id),
    "signed out": lambda line: Which(session_id=line.born.session_id, online=True),
    "password changed": lambda line: Which(account_id=line.born.account_id),
    "client deleted": lambda line: Which(client_id=line.born.client_id),
    "consent withdrawn": lambda line: Which(grant_id=line.born.grant_id),
}


def matches(which: Which, line: Line) -> bool:
    return all(getattr(line.born, name) == value for name, value in which.wanted().items())


class World(RuleBasedStateMachine):
    """Everything that can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = BothSides(self.kept())
        self.now = specimens.NOW
        self.lines: list[Line] = []
        self.parents: dict[Secret, set[Secret]] = {}
        self.told = 0
        self.before: dict[bytes, Any] = {}
        self.touched: set[bytes] = set()

    def kept(self) -> Kept:
        """The store beside the one in memory."""
        return SqliteFile()

    def teardown(self) -> None:
        try:
            self._inv_7_detection_is_certain()
            self._the_trail_tells_what_happened()
            self._inv_13_nothing_on_the_disk_is_a_secret()
        finally:
            self.sides.close()

    # ---- what happens

    @initialize(kind=st.sampled_from(KINDS), online=st.booleans(), days=lifetimes)
    def first_sign_in(self, kind: Kind, online: bool, days: int) -> None:
        self.sign_in(kind, 0, 0, online, days)

    @precondition(lambda self: len(self.live) < MOST_LIVE and len(self.lines) < MOST_FAMILIES)
    @rule(
        kind=st.sampled_from(KINDS),
        account=st.integers(0, 1),
        session=st.integers(0, 1),
        online=st.booleans(),
        days=lifetimes,
    )
    def sign_in(self, kind: Kind, account: int, session: int, online: bool, days: int) -> None:
        idle_end = self.now + min(days, 7) * DAY
        born = specimens.family(
            len(self.lines),
            self.now,
            client_id=kind.client.id,
            account_id=specimens.public(ids.Kind.ACCOUNT, account),
            session_id=specimens.public(ids.Kind.SESSION, (account, session)),
            grant_id=specimens.public(ids.Kind.GRANT, (account, kind.client.id)),
            online=online,
            binding=kind.binding,
            absolute_end=self.now + days * DAY,
            head=specimens.head(self.now, idle_end=idle_end),
        )
        token = self.sides.do(lambda side: side.presenter.begin(born, self.now))
        self.lines.append(Line(born, kind, [token], idle_end))
        self.touched.add(born.id)

    @precondition(lambda self: self.live)
    @rule(which=some, copy=st.integers(0, 1), delivered=st.booleans(), times=st.integers(1, 3))
    def honest_refresh(self, which: int, copy: int, delivered: bool, times: int) -> None:
        """An honest copy refreshes, perhaps several times at once, and perhaps never hears the answer."""
        line = self._live(which)
        if not line.in_time(line.copies[copy], self.now):
            return
        generation = line.copies[copy]
        answers = self._together([self._presenting(line, generation, Facts()) for _ in range(times)])
        for answer in answers:
            self._judge(line, generation, Facts(), answer)
            assert answer.given or answer.refusal in {Refusal.ENDED, Refusal.EXPIRED, Refusal.UNKNOWN}
        if delivered and answers[-1].given:
            line.copies[copy] = line.tokens.index(_token(answers[-1]))

    @precondition(lambda self: self.live)
    @rule(which=some, copy=st.integers(0, 1))
    def catch_up(self, which: int, copy: int) -> None:
        """A copy reads what the other has stored."""
        line = self._live(which)
        line.copies[copy] = max(line.copies)

    @precondition(lambda self: self.live)
    @rule(crowd=st.lists(st.tuples(some, st.integers(0, 1), st.booleans()), min_size=2, max_size=12))
    def honest_race(self, crowd: list[tuple[int, int, bool]]) -> None:
        """Many copies of many families at once: each is in time when its turn comes."""
        asked: list[tuple[Line, int, int, bool]] = []
        ahead = {id(line): line.generation for line in self.lines}
        for which, copy, delivered in crowd:
            line = self._live(which)
            generation = line.copies[copy]
            if line.in_time(generation, self.now) and generation >= ahead[id(line)] - 1:
                ahead[id(line)] = max(ahead[id(line)], generation + line.kind.policy.rotate)
                asked.append((line, copy, generation, delivered))
        answers = self._together([self._presenting(line, generation, Facts()) for line, _, generation, _ in asked])
        for (line, _, generation, _), answer in zip(asked, answers, strict=True):
            self._judge(line, generation, Facts(), answer)
        for (line, copy, _, delivered), answer in zip(asked, answers, strict=True):
            if delivered and answer.given:
                line.copies[copy] = line.tokens.index(_token(answer))

    @precondition(lambda self: self.live)
    @rule(which=some, copy=st.integers(0, 1), knows_key=st.booleans(), times=st.integers(1, 3), greedy=st.booleans())
    def thief_refreshes(self, which: int, copy: int, knows_key: bool, times: int, greedy: bool) -> None:
        """A thief uses what it holds, or first copies what a copy holds now; at once, or each answer for the next."""
        line = self._live(which)
        if not line.stolen:
            line.thief = line.copies[copy]
        facts = Facts(own_key=knows_key)
        for crowd in [1] * times if greedy else [times]:
            generation = line.thief
            for answer in self._together([self._presenting(line, generation, facts) for _ in range(crowd)]):
                line.stolen |= answer.verdict is not Verdict.REFUSE
                self._judge(line, generation, facts, answer)
                if answer.given:
                    line.thief = line.tokens.index(_token(answer))

    @precondition(lambda self: any(line.stolen and line.ended is None for line in self.lines))
    @rule(which=some, copy=st.integers(0, 1), delivered=st.booleans())
    def victim_refreshes_whenever(self, which: int, copy: int, delivered: bool) -> None:
        """The victim of a theft knows nothing of it, and refreshes in time or not."""
        robbed = [line for line in self.lines if line.stolen and line.ended is None]
        line = robbed[which % len(robbed)]
        generation = line.copies[copy]
        (answer,) = self._together([self._presenting(line, generation, Facts())])
        self._judge(line, generation, Facts(), answer)
        if delivered and answer.given:
            line.copies[copy] = line.tokens.index(_token(answer))

    @rule(which=some, generation=some, facts=wrong)
    def stranger_tries(self, which: int, generation: int, facts: Facts) -> None:
        """Somebody presents any generation without what belongs to it."""
        line = self._line(which)
        generation = min(generation, line.generation)
        if facts.own_client and (facts.own_key or not line.kind.binding) and not line.in_time(generation, self.now):
            return
        (answer,) = self._together([self._presenting(line, generation, facts)])
        self._judge(line, generation, facts, answer)
        if answer.given:  # another key is no obstacle where none is bound: this stranger had stolen the token
            line.stolen, line.thief = True, line.tokens.index(_token(answer))

    @rule(which=some, ahead=st.integers(-1, 3), secret=st.binary(min_size=32, max_size=32))
    def forger_tries(self, which: int, ahead: int, secret: bytes) -> None:
        """Somebody has the MAC key, or the database was restored: authentic, and not what the row knows."""
        line = self._line(which)
        if line.generation + ahead < 0:
            return
        token = Secret(KEYS.write(RefreshToken(1, line.born.id, line.generation + ahead, secret)))
        ask = self._ask(line, Facts())
        policy = line.kind.policy
        answer = self.sides.do(lambda side: side.presenter.present(token, self.now, ask, policy))
        refusal = Refusal.AHEAD if ahead > 0 else Refusal.FORGED
        other = line.expect(line.generation, Facts(), self.now)[1]
        early = {Refusal.UNKNOWN, Refusal.ENDED}
        assert answer == Answer(Verdict.REFUSE, None, other if other in early else refusal)

    @rule(
        garbage=st.text(max_size=100)
        | st.binary(max_size=72).map(lambda raw: "egr_" + base64.urlsafe_b64encode(raw).decode())
    )
    def garbage_arrives(self, garbage: str) -> None:
        answer = self.sides.do(lambda side: side.presenter.present(Secret(garbage), self.now))
        assert answer.refusal is Refusal.MALFORMED

    @rule(seconds=moments)
    def moments_pass(self, seconds: int) -> None:
        self.now += seconds

    @rule(seconds=ages)
    def ages_pass(self, seconds: int) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([1, 5, 60, 3_600, DAY]))
    def clock_steps_back(self, seconds: int) -> None:
        self.now -= seconds

    @precondition(lambda self: len(self.live) > 1)
    @rule(which=some, how=st.sampled_from(sorted(ENDS)), racing=st.integers(0, 3), first=st.booleans())
    def end_against_refreshes(self, which: int, how: str, racing: int, first: bool) -> None:
        """Somebody ends families while their clients refresh, before or after in the same batch."""
        line = self._line(which)
        chosen = ENDS[how](line)
        over = Ended(self.now, Reason.OPERATOR)
        generation = line.generation
        presenting = [self._presenting(line, generation, Facts()) for _ in range(racing)]

        def ending(side: Side) -> Awaitable[int]:
            return side.store.write(lambda tx: tx.families.end(chosen, over))

        asked = [ending, *presenting] if first else [*presenting, ending]
        answers = self._together(asked, mixed=True)
        if first:
            self._expect_end(chosen, answers.pop(0))
        for answer in answers[:racing]:
            self._judge(line, generation, Facts(), answer)
        if not first:
            self._expect_end(chosen, answers[-1])
        assert not any(matches(chosen, one) and one.ended is None and not one.deleted for one in self.lines)

    @rule(batch=st.integers(-1, 4))
    def operator_works(self, batch: int) -> None:
        """Housekeeping in small batches; or the server restarts, or is killed and starts again."""
        if batch <= 0:
            self.sides.restart(killed=batch < 0)
            return
        after = b""
        while True:
            swept = self.sides.write(lambda tx, after=after: tx.families.sweep(after, self.now, batch, KEEP))  # type: ignore[misc]
            after = swept.last
            if not after:
                break
        for line in self.lines:
            line.sweep(self.now, KEEP)
            self.touched.add(line.born.id)

    # ---- what must be true after each of them

    @invariant()
    def rows_are_as_expected(self) -> None:
        """Invariants 2, 3, 8, 9, 12 and 15, on the rows of both stores."""
        rows = self.sides.rows()
        alive = [line for line in self.lines if not line.deleted]
        assert len(rows) == len(alive), "inv_15: one row per family"
        for line in alive:
            row = rows[line.born.id]
            head = row.head
            assert head.generation == line.generation, "inv_3, inv_12: what was handed out is the head"
            assert (row.ended.reason if row.ended else None) == line.ended
            assert (head.sealed is not None) == line.repeatable
            assert not line.repeatable or head.overlap_end == line.overlap_end, "inv_4: the overlap never moves"
            assert head.sealed is None or len(head.sealed) == SEALED_SIZE, "inv_15"
            assert head.idle_end == line.idle_end
            assert head.idle_end <= row.absolute_end == line.born.absolute_end, "inv_9: no end beyond the absolute end"
            born = row._replace(head=line.born.head, ended=None)
            assert born == line.born, "inv_9: scope, resources, binding and sign-in time never move"
            self._inv_8_containment(row)
        self.before = rows
        self.touched = set()

    @invariant()
    def inv_1_single_successor(self) -> None:
        assert all(len(successors) == 1 for successors in self.parents.values())

    @invariant()
    def inv_6_no_spurious_end(self) -> None:
        blamed = {line.born.id for line in self.lines if line.stolen}
        for line in self.lines:
            if line.ended is Reason.REUSE:
                near = [one for one in self.lines if one.stolen and one.within(line, one.kind.policy.radius)]
                assert line.born.id in blamed or near, "inv_6: honest clients alone never end a family"

    def _inv_8_containment(self, row: Any) -> None:
        """What was not touched in this step is byte-equal to what it was."""
        before = self.before.get(row.id)
        if before is not None and row.id not in self.touched:
            assert row == before, "inv_8, inv_11: a row changed that nobody touched"

    def _inv_7_detection_is_certain(self) -> None:
        """Both parties use what they hold, once more and late: no family survives that."""
        for line in self.lines:
            if not line.stolen or line.ended or line.deleted or not line.kind.policy.rotate:
                continue
            for generation in (max(line.copies), line.thief):
                self.now = max(self.now, line.overlap_end + 1)
                (answer,) = self._together([self._presenting(line, generation, Facts())])
                self._judge(line, generation, Facts(), answer)
            assert line.ended is not None, "inv_7: both sides used it and it lives"

    def _the_trail_tells_what_happened(self) -> None:
        """Both stores tell the same events, and as many as there were rotations and detected reuses."""
        told = Counter((event.what, event.family_id) for event in self.sides.events())
        for line in self.lines:
            name = ids.text(ids.Kind.FAMILY, line.born.id)
            assert told[What.FAMILY_ROTATED, name] == line.generation
            assert told[What.FAMILY_REUSED, name] == told[What.FAMILY_ENDED, name] * (line.ended is Reason.REUSE)
        notices = self.sides.do(lambda side: side.store.read(lambda tx: tx.notices.find()))
        assert {notice.family_id for notice in notices} == {name for what, name in told if what is What.FAMILY_REUSED}

    def _inv_13_nothing_on_the_disk_is_a_secret(self) -> None:
        held = self.sides.files()
        for line in self.lines:
            for token in line.tokens:
                raw = KEYS.read(token.reveal())
                assert raw is not None
                for form in (
                    token.reveal().encode(),
                    raw.secret,
                    raw.secret.hex().encode(),
                    base64.b64encode(raw.secret),
                ):
                    assert form not in held, "inv_13: a secret lies on the disk"

    # ---- how it is asked and judged

    def _line(self, which: int) -> Line:
        return self.lines[which % len(self.lines)]

    @property
    def live(self) -> list[Line]:
        """The families that go on."""
        return [line for line in self.lines if line.ended is None and not line.deleted]

    def _live(self, which: int) -> Line:
        return self.live[which % len(self.live)]

    def _ask(self, line: Line, facts: Facts) -> Ask:
        return Ask(
            client_id=line.born.client_id if facts.own_client else "cli_stranger",
            binding=line.kind.binding if facts.own_key else "jkt:a-strangers",
            scope="" if facts.own_scope else "openid admin",
            resources="" if facts.own_resource else "https://elsewhere.example",
            network="192.0.2.9",
            agent="made-up/3",
        )

    def _presenting(self, line: Line, generation: int, facts: Facts) -> Callable[[Side], Awaitable[Answer]]:
        token, ask, now = line.tokens[generation], self._ask(line, facts), self.now
        return lambda side: side.presenter.present(token, now, ask, line.kind.policy)

    def _together(self, asked: list[Callable[[Side], Awaitable[Any]]], *, mixed: bool = False) -> list[Any]:
        async def all_at_once(side: Side) -> list[Any]:
            if mixed and not side.orderly:
                return [await one(side) for one in asked]
            return await asyncio.gather(*(one(side) for one in asked))

        return self.sides.do(all_at_once)

    def _judge(self, line: Line, generation: int, facts: Facts, answer: Answer) -> None:
        """Hold one answer against what was expected, and take it in."""
        expected = line.expect(generation, facts, self.now)
        assert (answer.verdict, answer.refusal) == expected
        assert answer.given == (answer.verdict in GIVEN)
        if answer.verdict is Verdict.REPEAT:
            assert answer.token == line.tokens[generation + 1], "inv_4: the same successor"
        if answer.verdict is Verdict.REFRESH:
            assert answer.token == line.tokens[generation]
        if answer.verdict in {Verdict.ROTATE, Verdict.REPEAT}:
            self.parents.setdefault(line.tokens[generation], set()).add(_token(answer))
        line.apply(answer.verdict, answer.refusal, answer.token, self.now)
        if answer.given or answer.verdict is Verdict.REUSE or answer.refusal is Refusal.EXPIRED:
            self.touched.add(line.born.id)  # anything else is refused, and inv_11 holds it to its bytes
        if answer.verdict is Verdict.REUSE and line.kind.policy.radius is not Radius.FAMILY:
            for other in self.lines:
                if line.within(other, line.kind.policy.radius):
                    other.end(Reason.REUSE)
                    self.touched.add(other.born.id)

    def _expect_end(self, chosen: Which, count: int) -> None:
        ended = [line for line in self.lines if matches(chosen, line) and line.end(Reason.OPERATOR)]
        assert count == len(ended)
        self.touched |= {line.born.id for line in ended}


def _token(answer: Answer) -> Secret:
    assert answer.token is not None
    return answer.token
