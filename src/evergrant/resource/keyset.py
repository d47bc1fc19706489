"""An issuer's published keys, read with suspicion (RFC 7517 section 5), and looked up by a token's header alone.

What lives here: which keys of a set are used, and what a header may choose among them. What must not: fetching
(`resource.key_source`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from evergrant.keys.checking import Check, UnfitKey, algorithms_of, checker
from evergrant.protocol.compact import Unreadable, json_object
from evergrant.resource.refused import Refused, Why

MOST_KEYS: Final = 100
LONGEST_ID: Final = 512
_NEVER: Final = ("jku", "x5u", "jwk", "x5c")
_MEANING: Final = ("crit", "b64", "zip", "enc")


class BadKeySet(ValueError):
    """A document that is no usable key set; what was known before stays in use."""


@dataclass(frozen=True, slots=True)
class Header:
    """A token's header that names a key of the set. *check* is bound to that key and its algorithm."""

    check: Check
    typ: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one document. *notes* tell the operator what was left out and why."""

    checks: Mapping[tuple[str, str], Check]
    """(kid, alg) → check. Keys without an id stand under the empty one."""
    marks: Mapping[tuple[str, str], str]
    """(kid, alg) → the key itself, as canonical text: to tell whether a later set still has it."""
    notes: tuple[str, ...] = ()
    headers: dict[str, Header] = field(default_factory=dict, compare=False)
    """Headers of tokens whose signature was good: one per key, type and spelling; bounded by whoever fills it."""

    def lost(self, later: "KeySet") -> bool:
        """Whether *later* has not every key that is here: what they signed is then worth nothing."""
        return any(later.marks.get(key) != mark for key, mark in self.marks.items())


def read_set(body: bytes, algorithms: Iterable[str]) -> KeySet:
    """The usable keys in *body*. Raises `BadKeySet` when it is no key set, too large a one, or has no usable key."""
    try:
        found = json_object(body).get("keys")
    except Unreadable as error:
        raise BadKeySet("the key set is not one JSON object") from error
    if not isinstance(found, list) or len(found) > MOST_KEYS:
        raise BadKeySet(f"the key set has no list of keys, or more than {MOST_KEYS}")
    allowed = frozenset(algorithms)
    checks: dict[tuple[str, str], Check] = {}
    marks: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    twice: set[tuple[str, str]] = set()
    for place, jwk in enumerate(found):
        if not isinstance(jwk, dict):
            notes.append(f"key {place} is no object")
            continue
        try:
            usable = _usable(jwk, allowed)
        except UnfitKey as error:
            notes.append(f"key {place} is left out: {error}")
            continue
        mark = repr(sorted((name, jwk[name]) for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk))
        for key, check in usable.items():
            if key in marks and marks[key] != mark:
                twice.add(key)
            checks[key], marks[key] = check, mark
    for key in twice:  # which of them made a signature is not for a guess to say
        notes.append("an id stands for two different keys: both are left out")
        del checks[key], marks[key]
    if not checks:
        raise BadKeySet("; ".join(["the key set has no usable key", *notes[:3]]))
    return KeySet(checks, marks, tuple(notes))


def _usable(jwk: Mapping[str, Any], allowed: frozenset[str]) -> dict[tuple[str, str], Check]:
    kid = jwk.get("kid", "")
    if not isinstance(kid, str) or len(kid) > LONGEST_ID:
        raise UnfitKey("its kid is no text, or too long")
    wanted = [alg for alg in algorithms_of(jwk) if alg in allowed]
    if not wanted:
        raise UnfitKey("it fits no algorithm that is allowed")
    return {(kid, alg): checker(jwk, alg) for alg in wanted}


def read_header(header: Mapping[str, Any], algorithms: tuple[str, ...]) -> tuple[str, str, str]:
    """Key id, algorithm and type that a header names. Raises `Refused` for one that asks for more than a look-up.

    The type is in lower case and without `application/` (RFC 7515 section 4.1.9).
    """
    alg, kid, typ = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if isinstance(alg, str) and alg.lower() == "none":
        raise Refused(Why.ALGORITHM_NONE, "alg is none")
    if not isinstance(alg, str) or alg not in algorithms:
        raise Refused(Why.ALGORITHM, "alg is none of those allowed")
    for name in _NEVER:
        if name in header:
            raise Refused(Why.OWN_KEY, f"the header has {name}: a token does not choose who vouches for it")
    for name in _MEANING:
        if name in header:
            raise Refused(Why.CRITICAL, f"the header has {name}, which changes what the token means")
    if "cty" in header:
        raise Refused(Why.NESTED, "the header has cty: something else is inside")
    if not isinstance(kid, str) or len(kid) > LONGEST_ID:
        raise Refused(Why.KEY_ID, "kid is no text, or too long")
    if not isinstance(typ, str):
        raise Refused(Why.TYPE, "typ is no text")
    return kid, alg, typ.lower().removeprefix("application/")


def chosen(keys: KeySet, kid: str, alg: str) -> Check | None:
    """The one key for *kid* and *alg*; without a kid, the only one for the algorithm. None: not in this set."""
    if kid:
        return keys.checks.get((kid, alg))
    fitting = [check for (_, other), check in keys.checks.items() if other == alg]
    return fitting[0] if len(fitting) == 1 else None
