"""What has ended, remembered for as long as an access token made before it could still be good: small and quick.

One entry takes fourteen bytes: six of a keyed 64-bit hash of its name (the other two choose the bucket), and two
instants. Two names meet in one entry once in 2⁶⁴ per pair; then a good token is refused, never a dead one accepted.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final

from evergrant.protocol.ending import Ending
from evergrant.resource.access import Access

_BUCKETS: Final = 1 << 16
_TAIL: Final = 6
_TIMES: Final = Struct(">II")
_ENTRY: Final = _TAIL + _TIMES.size
_MASK: Final = (1 << 48) - 1
_WHOLE: Final = (1 << 64) - 1
LATEST: Final = (1 << 32) - 1
ALIVE: Final = -1


class Marks:
    """Names, each with the instant it ended at and the one from which on nobody asks any more.

    Names are hashed by the interpreter with a key of this process (SipHash), so nobody can aim at an entry.
    """

    def __init__(self) -> None:
        self._buckets: list[bytes] = [b""] * _BUCKETS
        self._hand = 0
        self._count = 0

    def __len__(self) -> int:
        """How many are held, some of which may be past their time."""
        return self._count

    def add(self, name: str, at: int, until: int, now: int) -> None:
        """Remember that *name* ended *at*, and sweep one bucket more of what has passed."""
        if until <= now:
            return
        hashed = hash(name) & _WHOLE
        place, tail = hashed >> 48, (hashed & _MASK).to_bytes(_TAIL, "big")
        kept, before, held = self._kept(self._buckets[place], now, tail)
        self._put(place, kept + tail + _TIMES.pack(max(at, before), max(until, held)))
        self._hand = (self._hand + 1) % _BUCKETS
        if bucket := self._buckets[self._hand]:
            self._put(self._hand, self._kept(bucket, now, b"")[0])

    def at(self, name: str) -> int:
        """The instant at which *name* ended; `ALIVE` when nothing is known of an end."""
        hashed = hash(name) & _WHOLE
        bucket = self._buckets[hashed >> 48]
        if not bucket:
            return ALIVE
        tail = (hashed & _MASK).to_bytes(_TAIL, "big")
        found = bucket.find(tail)
        while found >= 0 and found % _ENTRY:
            found = bucket.find(tail, found + 1)
        return int.from_bytes(bucket[found + _TAIL : found + _TAIL + 4], "big") if found >= 0 else ALIVE

    def sweep(self, now: int) -> None:
        """Forget at once whatever has passed."""
        for place, bucket in enumerate(self._buckets):
            if bucket:
                self._put(place, self._kept(bucket, now, b"")[0])

    def _put(self, place: int, bucket: bytes) -> None:
        self._count += (len(bucket) - len(self._buckets[place])) // _ENTRY
        self._buckets[place] = bucket

    def _kept(self, bucket: bytes, now: int, without: bytes) -> tuple[bytes, int, int]:
        """What of a bucket still matters, without one tail, and the instants that this one had."""
        kept, at, until = [], ALIVE, ALIVE
        for start in range(0, len(bucket), _ENTRY):
            entry = bucket[start : start + _ENTRY]
            times = _TIMES.unpack_from(entry, _TAIL)
            if entry[:_TAIL] == without:
                at, until = times
            elif times[1] > now:
                kept.append(entry)
        return b"".join(kept), at, until


Members = tuple[str, ...]
"""The claims by which an ending names tokens, in the order below."""
_MEMBERS: Final = ("fam", "jti", "sub", "client_id")


class Ended:
    """Everything that has ended at one issuer, as far as this process has been told (`protocol.ending`)."""

    def __init__(self) -> None:
        self._marks: dict[Members, Marks] = {}
        self.revision = 0
        """Moves on with every end: whoever looked at this number has nothing new to look for."""

    def __len__(self) -> int:
        return sum(map(len, self._marks.values()))

    def add(self, ending: Ending, now: int) -> None:
        """Every token that *ending* takes is dead from now on."""
        for_good = bool(ending.families or ending.jti)
        at = LATEST if for_good else _instant(ending.at)
        for members, name in _names(ending):
            if members not in self._marks:
                self._marks = {**self._marks, members: Marks()}
            self._marks[members].add(name, at, _instant(ending.until), now)
        self.revision += 1

    def covers(self, access: Access) -> str:
        """The claims by which an ending takes this token, for the operator; empty while it lives.

        A token without `iat` is as old as can be.
        """
        issued_at = access.issued_at or 0
        for members, marks in self._marks.items():
            for name in _held(access, members):
                if marks.at(name) >= issued_at:
                    return " and ".join(members)
        return ""

    def sweep(self, now: int) -> None:
        """Forget whatever has passed."""
        for marks in self._marks.values():
            marks.sweep(now)


def _instant(seconds: int) -> int:
    return min(max(seconds, 0), LATEST)


def _names(ending: Ending) -> Iterator[tuple[Members, str]]:
    """One name per family, or one: the values of all that is given."""
    for family in ending.families or ("",):
        values = (family, ending.jti, ending.account_id, ending.client_id)
        given = [(member, value) for member, value in zip(_MEMBERS, values, strict=True) if value]
        if given:
            yield tuple(member for member, _ in given), "\0".join(value for _, value in given)


def _held(access: Access, members: Members) -> Iterator[str]:
    """The names that this token answers to; a token that was exchanged belongs to two clients."""
    values = {"fam": access.family, "jti": access.id, "sub": access.subject, "client_id": access.client_id}
    clients = [access.client_id]
    other = access.claims.get("fam_client")
    if isinstance(other, str):
        clients.append(other)
    for client in clients if "client_id" in members else clients[:1]:
        values["client_id"] = client
        given = [values[member] for member in members]
        if all(given):
            yield "\0".join(given)
