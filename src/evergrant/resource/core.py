"""The judgement of tokens, without waiting for anything: what both verifiers do the same way.

`attempt` answers from memory and from the keys at hand. Where that is not enough it says so by None, and whoever can
wait fetches what is missing and tries again.
"""

from typing import Final

from evergrant.clock import Clock
from evergrant.protocol.compact import Unreadable, json_object, raw, raw_exact
from evergrant.resource import kinds
from evergrant.resource.access import Access
from evergrant.resource.authorization import Presented, unreadable, well_formed
from evergrant.resource.claims import judge
from evergrant.resource.ended import Ended
from evergrant.resource.keyset import Header, KeySet, chosen, read_header
from evergrant.resource.limits import Limits
from evergrant.resource.refused import Refused, Why
from evergrant.resource.rules import Rules
from evergrant.resource.seen import Seen, SeenTokens
from evergrant.resource.usual import allows, judge_usual

NEVER: Final = float("-inf")


class Core:
    """Tokens seen, keys held, ends known: the state of one verifier. Safe for threads."""

    def __init__(self, rules: Rules, limits: Limits, clock: Clock, ended: Ended) -> None:
        self.rules: Final = rules
        self.limits: Final = limits
        self.clock: Final = clock
        self.ended: Final = ended
        self.seen: Final = SeenTokens(limits.most_tokens)
        self.keys: KeySet | None = None
        self.keys_until = NEVER
        """By the monotonic clock: until then the keys need no look."""
        self.feed_until = float("inf")
        """By the monotonic clock: until then what has ended is known well enough; for ever when no feed is followed."""
        self._epoch = 0
        self._usual: Final = allows(rules)

    @property
    def due(self) -> bool:
        """Whether keys or feed must be looked at before anything is believed."""
        now = self.clock.monotonic()
        return now > self.keys_until or now > self.feed_until

    def look_anew(self) -> None:
        """Believe nothing before keys and feed were looked at: a process that was just forked follows nothing yet."""
        self.keys_until = NEVER
        if self.feed_until != float("inf"):
            self.feed_until = NEVER

    def take(self, keys: KeySet) -> None:
        """Use *keys* from now on. When one of the earlier ones is gone, all that was believed is believed no more."""
        before, self.keys = self.keys, keys
        if before is not None and before.lost(keys):
            self._epoch += 1
            self.seen.clear()

    def remembered(self, authorization: str) -> Access | None:
        """The access behind the very text of a header that was good before, while it still is. Raises `Refused`."""
        seen = self.seen.get(authorization)
        if seen is None or seen.epoch != self._epoch:
            return None
        now = self.clock.monotonic()
        if now > self.feed_until or (now > self.keys_until and not seen.access.opaque):
            return None
        return self.still(seen, authorization, self.clock.now())

    def still(self, seen: Seen, authorization: str, now: int) -> Access | None:
        """As `remembered`, when keys and feed were looked at."""
        access = seen.access
        if now >= seen.ends:
            self.seen.drop(authorization)
            if access.opaque:
                return None  # the answer is too old; the token may live
            raise Refused(Why.EXPIRED, f"exp was {now - access.expires_at} seconds ago")
        revision = self.ended.revision
        if seen.revision != revision:
            if named := self.ended.covers(access):
                self.seen.drop(authorization)
                raise Refused(Why.ENDED, f"its {named} has ended")
            seen.revision = revision
        return access

    def judged(self, presented: Presented) -> Access | None:
        """The access behind a JWT by the keys at hand; None when its key is not among them. Raises `Refused`."""
        epoch, revision = self._epoch, self.ended.revision
        token = presented.token
        keys = self.keys
        if keys is None:
            return None
        first, last = token.find("."), token.rfind(".")
        head, whole = token[:first], token.encode("ascii")
        headers = keys.headers
        known = headers.get(head)
        header = known or self._header(keys, whole[:first], whole[first + 1 : last])
        if header is None:
            return None
        message = whole[:last]
        try:
            if not header.check(message, raw_exact(whole[last + 1 :])):
                raise Refused(Why.SIGNATURE, "the key it names did not make its signature")
            if known is None:
                if len(headers) >= self.limits.most_headers:
                    headers.clear()
                headers[head] = header
            claims, now = raw(message[first + 1 :]), self.clock.now()
            access = judge_usual(claims, self.rules, now) if self._usual else None
            if access is None:
                access = judge(json_object(claims), self.rules, now)
        except Unreadable as error:
            raise _unreadable(token, f"signature or claims are {error}") from error
        self.living(access)
        self.remember(presented, access, access.expires_at + self.rules.leeway, epoch, revision)
        return access

    def living(self, access: Access) -> None:
        """Raise `Refused` when the token is known to be dead."""
        if named := self.ended.covers(access):
            raise Refused(Why.ENDED, f"its {named} has ended")

    def mark(self) -> tuple[int, int]:
        """What was known before something was asked: to be given to `remember` with the answer."""
        return self._epoch, self.ended.revision

    def remember(self, presented: Presented, access: Access, ends: int, epoch: int, revision: int) -> None:
        """Keep what was found out, under the one spelling of the header that is looked up."""
        self.seen.put(presented.text, Seen(access, ends, epoch, revision))

    def _header(self, keys: KeySet, head: bytes, payload: bytes) -> Header | None:
        try:
            header = json_object(raw(head))
        except Unreadable as error:
            raise _unreadable((head + b"." + payload).decode(), f"its header is {error}") from error
        kid, alg, typ = read_header(header, self.rules.algorithms)
        if typ not in self.rules.shape.types:
            raise Refused(kinds.of_jwt(typ, _claims_unbelieved(payload)), f"typ is not that of {self.rules.shape.name}")
        check = chosen(keys, kid, alg)
        return None if check is None else Header(check, typ)


def _unreadable(token: str, detail: str) -> Refused:
    return Refused(Why.NOT_A_TOKEN, detail) if well_formed(token) else unreadable()


def _claims_unbelieved(payload: bytes) -> dict[str, object]:
    try:
        return json_object(raw(payload))
    except Unreadable:
        return {}
