"""Noticing a lazy client: a PKCE challenge or nonce that comes a second time protects nobody (RFC 9700 section 2.1.1).

What lives here: remembering digests of them for a while. What must not: refusing; the request is a valid one, and the
operator is told whose client it was.
"""

from typing import Final

from evergrant.domain.event import Event, What
from evergrant.domain.grant import Code
from evergrant.domain.secret import digest
from evergrant.domain.throttle import Bucket
from evergrant.store.port import Tx

REMEMBER_SECONDS: Final = 86_400


def note(tx: Tx, code: Code, network: str, agent: str) -> None:
    """Remember a code's challenge and nonce, and tell of those that its client used before (attack C-08)."""
    now = code.issued_at
    for kind, value in (("challenge", code.challenge), ("nonce", code.nonce)):
        if not value:
            continue
        key = f"{kind} {digest(kind, f'{code.client_id} {value}').hex()[:32]}"
        known = tx.buckets.get(key)
        again = known is not None and now < known.ends_at
        tx.buckets.put(Bucket(key, 0, now, 0, now + REMEMBER_SECONDS))
        if again:
            tx.events.add([
                Event(now, What.PROOF_REPEATED, code.client_id, code.account_id, "", code.session_id, kind, -1,
                      network, agent)
            ])  # fmt: skip
