"""A proof judged whole (RFC 9449 section 4.3): what is cheap first, the signature before anything is remembered.

    proofs = Proofs(nonces=Nonces(keys), demand_nonce=False)
    proof = proofs.judge(header, Wanted("GET", "https://api.example/orders", access_token), now)
    proof.jkt == token["cnf"]["jkt"]

The header's value is the one `DPoP` header of the request; a second one is refused before it comes here.
"""

from evergrant.keys.possession import holds
from evergrant.proof.nonce import Nonces
from evergrant.proof.replay import Replays
from evergrant.protocol.dpop import BadProof, Fault, Proof, Wanted, compare, parse, timely


class Proofs:
    """Judges proofs and remembers them. Without *nonces* a proof's own time must be right, and none can be demanded."""

    def __init__(
        self, nonces: Nonces | None = None, replays: Replays | None = None, *, demand_nonce: bool = False
    ) -> None:
        self._nonces = nonces
        self._replays = replays or Replays()
        self._demands = demand_nonce and nonces is not None

    def judge(self, header: str, wanted: Wanted, now: int, purpose: bytes = b"") -> Proof:
        """The proof in *header*, good for *wanted* at *now*. Raises `BadProof`, and nothing else for any input.

        *purpose*: what else the request is about, when a repetition of all of it is harmless (see `Replays.first`).
        """
        proof = parse(header)
        compare(proof, wanted)
        if not holds(proof):
            raise BadProof(Fault.SIGNATURE)
        self._judge_age(proof, now)
        if not self._replays.first(proof, purpose, now):
            raise BadProof(Fault.REPLAYED)
        return proof

    def renewal(self, proof: Proof, now: int) -> str:
        """The nonce to send along with a good answer: the current one, if the proof has an older one (section 8.2)."""
        if self._nonces is None or not proof.nonce:
            return ""
        current = self._nonces.current(now)
        return "" if current == proof.nonce else current

    def _judge_age(self, proof: Proof, now: int) -> None:
        """By our nonce where there is one; else by the proof's own clock, which may be wrong: then a nonce helps."""
        nonces = self._nonces
        if nonces is not None and proof.nonce and nonces.fits(proof.nonce, now):
            return
        if nonces is not None and (proof.nonce or self._demands):
            raise BadProof(Fault.NONCE, nonces.current(now))
        if not timely(proof, now):
            raise BadProof(Fault.TIME, "" if nonces is None else nonces.current(now))
