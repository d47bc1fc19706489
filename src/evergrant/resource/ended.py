"""What has ended, remembered for as long as an access token made before it could still be good: small and quick.

One entry takes sixteen bytes: a keyed 64-bit hash of its name, and two instants. Two names meet in one once in 2⁶⁴ per
pair; then a good token is refused, never a dead one accepted.
"""

from collections.abc import Iterator
from itertools import product
from struct import Struct
from typing import Final

from evergrant.protocol.ending import Ending
from evergrant.resource.access import Access

_BUCKETS: Final = 1 << 16
_ENTRY: Final = Struct(">8sII")
_HASH: Final = Struct(">q")
_AT: Final = Struct(">I")
LATEST: Final = (1 << 32) - 1
ALIVE: Final = -1
SWEPT_PER_SECOND: Final = 512
"""Buckets that are tidied per second in which something ends: all of them in two minutes."""


class Marks:
    """Names, each with the instant it ended at and the one from which on nobody asks any more.

    Names are hashed by the interpreter with a key of this process (SipHash), so nobody can aim at an entry.
    """

    def __init__(self) -> None:
        self._buckets: list[bytes] = [b""] * _BUCKETS
        self._hand = 0
        self._swept_at = 0
        self._count = 0

    def __len__(self) -> int:
        """How many are held, some of which may be past their time."""
        return self._count

    def add(self, name: str, at: int, until: int, now: int) -> None:
        """Remember that *name* ended *at*, and tidy a little when time has passed."""
        if until <= now:
            return
        hashed = hash(name)
        place, mark = hashed % _BUCKETS, _HASH.pack(hashed)
        bucket = self._buckets[place]
        if mark in bucket:  # perhaps across two entries; then it is only looked through in vain
            bucket, before, held = _without(bucket, mark, now)
            at, until = max(at, before), max(until, held)
        self._put(place, bucket + _ENTRY.pack(mark, at, until))
        if now > self._swept_at:
            self._swept_at = now
            self._tidy(SWEPT_PER_SECOND, now)

    def at(self, name: str) -> int:
        """The instant at which *name* ended; `ALIVE` when nothing is known of an end."""
        hashed = hash(name)
        bucket = self._buckets[hashed % _BUCKETS]
        if not bucket:
            return ALIVE
        mark = _HASH.pack(hashed)
        found = bucket.find(mark)
        while found > 0 and found % _ENTRY.size:
            found = bucket.find(mark, found + 1)
        if found < 0:
            return ALIVE
        at: int = _AT.unpack_from(bucket, found + _HASH.size)[0]
        return at

    def sweep(self, now: int) -> None:
        """Forget at once whatever has passed."""
        self._tidy(_BUCKETS, now)

    def _tidy(self, buckets: int, now: int) -> None:
        for place in range(self._hand, self._hand + buckets):
            if bucket := self._buckets[place % _BUCKETS]:
                self._put(place % _BUCKETS, _without(bucket, b"", now)[0])
        self._hand = (self._hand + buckets) % _BUCKETS

    def _put(self, place: int, bucket: bytes) -> None:
        self._count += (len(bucket) - len(self._buckets[place])) // _ENTRY.size
        self._buckets[place] = bucket


def _without(bucket: bytes, mark: bytes, now: int) -> tuple[bytes, int, int]:
    """What of a bucket still matters, without one entry, and the instants that this one had."""
    kept, before, held = [], ALIVE, ALIVE
    for entry in _ENTRY.iter_unpack(bucket):
        if entry[0] == mark:
            _, before, held = entry
        elif entry[2] > now:
            kept.append(_ENTRY.pack(*entry))
    return b"".join(kept), before, held


Members = tuple[str, ...]
"""The claims by which an ending names tokens, in the order below."""
_MEMBERS: Final = ("fam", "jti", "sub", "client_id")
_FAMILY: Final = ("fam",)


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
            for name in (access.family,) if members == _FAMILY else _held(access, members):
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
    """The names that this token answers to: one that was exchanged to two clients, and to the tokens it comes from."""
    values = {
        "fam": (access.family,),
        "jti": (access.id, *_texts(access.claims.get("jti_from"))) if "jti" in members else (),
        "sub": (access.subject,),
        "client_id": (access.client_id, *_texts(access.claims.get("fam_client"))) if "client_id" in members else (),
    }
    for given in product(*(values[member] for member in members)):
        if all(given):
            yield "\0".join(given)


def _texts(claim: object) -> tuple[str, ...]:
    """The texts of a claim that is a text or a list."""
    if isinstance(claim, str):
        return (claim,)
    return tuple(each for each in claim if isinstance(each, str)) if isinstance(claim, list | tuple) else ()
