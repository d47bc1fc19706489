"""How keys come and go: published before they sign, kept until nothing they signed is alive (attack J-14).

Work on a transaction; whoever calls it decides when. A MAC key is never retired here: families outlive it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from evergrant.domain.base64url import encode as b64
from evergrant.domain.event import Event, What
from evergrant.domain.key import SealedKey, Use
from evergrant.entropy import Entropy
from evergrant.keys.port import Kek, KeyUnusable
from evergrant.keys.sealed import bound_anew, sealed
from evergrant.keys.signing import Signer, make, to_der
from evergrant.store.port import Tx

MAC_LENGTH: Final = 32
LAST_VERSION: Final = 255


class Schedule(NamedTuple):
    """Seconds: how long a key is published before it signs, and how long after it stopped."""

    publish_before: int = 3_600
    retire_after: int = 86_400


def make_signing_key(alg: str, kek: Kek, entropy: Entropy, now: int, active_at: int) -> SealedKey:
    """A new sealed signing key. Its id is the `kid`. Raises `KeyUnusable`."""
    private = make(alg)
    public = Signer(private, alg).public
    row = SealedKey(public["kid"], Use.SIGN, alg, b"", kek.id, "", 0, now, active_at)
    return sealed(row, to_der(private), kek, entropy)


def make_mac_key(version: int, kek: Kek, entropy: Entropy, now: int, active_at: int) -> SealedKey:
    """A new sealed key for token MACs. Raises `KeyUnusable` when all 255 versions are used."""
    if version > LAST_VERSION:
        msg = "all 255 token key versions are used"
        raise KeyUnusable(msg)
    name = "mac-" + b64(entropy.draw(9)).decode()
    row = SealedKey(name, Use.MAC, "HS256", b"", kek.id, "", version, now, active_at)
    return sealed(row, entropy.draw(MAC_LENGTH), kek, entropy)


def ensure(tx: Tx, algs: Iterable[str], kek: Kek, entropy: Entropy, now: int) -> bool:
    """Make what is missing for a first start or a new algorithm; whether anything was made. For every start: seals of
    the first databases are replaced too. Raises `KeyUnusable` when a key does not open.
    """
    held = tx.keys.find()
    for key in held:
        bound = bound_anew(key, kek, entropy)
        if bound is not key:  # the same key: nobody who holds it needs to look again
            tx.keys.put(bound)
    made: list[SealedKey] = []
    if not any(key.use is Use.MAC for key in held):
        made.append(make_mac_key(1, kek, entropy, now, now))
    present = {key.alg for key in held if key.use is Use.SIGN and key.published(now)}
    made.extend(make_signing_key(alg, kek, entropy, now, now) for alg in sorted(set(algs) - present))
    for key in made:
        _add(tx, key, now)
    return bool(made)


def rotate(tx: Tx, alg: str, kek: Kek, entropy: Entropy, now: int, schedule: Schedule) -> SealedKey:
    """Publish a new signing key now; it signs after *publish_before*, and the older ones leave *retire_after* later."""
    key = make_signing_key(alg, kek, entropy, now, now + schedule.publish_before)
    publish(tx, key, now, schedule)
    return key


def publish(tx: Tx, key: SealedKey, now: int, schedule: Schedule) -> None:
    """Put a signing key that was made before into the key set; the older ones leave *retire_after* after it signs."""
    for old in _older(tx, key.alg):
        if not old.retires_at:
            tx.keys.put(_retired(old, key.active_at + schedule.retire_after))
            tx.events.add([Event(now, What.KEY_RETIRED, detail=old.id)])
    _add(tx, key, now)


def replace_at_once(tx: Tx, key: SealedKey, now: int) -> int:
    """Put a signing key in the place of every other of its algorithm, which somebody else may hold; how many went.

    They leave the key set at once, the one that was to follow too: what they signed is worth nothing from now on.
    """
    gone = list(_older(tx, key.alg))
    for old in gone:
        tx.keys.delete(old.id)
        tx.events.add([Event(now, What.KEY_RETIRED, detail=f"{old.id} at once")])
    _add(tx, key, now)
    return len(gone)


def due(held: Iterable[SealedKey], every: int, now: int, schedule: Schedule) -> dict[str, int]:
    """The algorithms whose youngest key must get a successor now, and the instant at which that one signs."""
    youngest: dict[str, int] = {}
    for key in held:
        if key.use is Use.SIGN and key.published(now):
            youngest[key.alg] = max(youngest.get(key.alg, 0), key.active_at)
    ahead = schedule.publish_before
    return {alg: max(at + every, now + ahead) for alg, at in youngest.items() if now >= at + every - ahead}


def rotate_mac(tx: Tx, kek: Kek, entropy: Entropy, now: int, schedule: Schedule) -> SealedKey:
    """A new token MAC key; every older one goes on verifying, because families outlive keys."""
    version = max((key.version for key in tx.keys.find()), default=0) + 1
    key = make_mac_key(version, kek, entropy, now, now + schedule.publish_before)
    _add(tx, key, now)
    return key


def sweep(tx: Tx, now: int) -> int:
    """Delete signing keys whose time is over; how many."""
    over = [key for key in tx.keys.find() if key.use is Use.SIGN and not key.published(now)]
    for key in over:
        tx.keys.delete(key.id)
    if over:
        tx.turn()
    return len(over)


def _older(tx: Tx, alg: str) -> Iterable[SealedKey]:
    return (key for key in tx.keys.find() if key.use is Use.SIGN and key.alg == alg)


def _add(tx: Tx, key: SealedKey, now: int) -> None:
    tx.keys.put(key)
    tx.events.add([Event(now, What.KEY_ADDED, detail=f"{key.use} {key.alg} {key.id}")])
    tx.turn()


def _retired(key: SealedKey, at: int) -> SealedKey:
    return replace(key, retires_at=at)
