"""A presenter: refreshes against a bare store as an issuer does, with real tokens, sealing and keys.

What lives here: the steps around `domain.rotation.decide` that turn a text into a text. What must not: HTTP, client
authentication, access tokens. An issuer does more; it never does less.
"""

from typing import Final, NamedTuple

from evergrant.domain.family import Family
from evergrant.domain.policy import Policy
from evergrant.domain.reason import Refusal
from evergrant.domain.rotation import Ask, Presented, Settlement, Successor, Verdict, decide
from evergrant.domain.secret import Secret, digest
from evergrant.domain.token import SECRET_LENGTH, RefreshToken
from evergrant.entropy import Entropy, SeededEntropy
from evergrant.keys.lifecycle import make_mac_key
from evergrant.keys.local import LocalKek
from evergrant.keys.ring import Ring
from evergrant.keys.successor import DRAW_LENGTH, draw, unseal
from evergrant.store.port import Store
from evergrant.testing import specimens

CLIENT: Final = specimens.family().client_id
ASK: Final = Ask(CLIENT, network="198.51.100.4", agent="made-up/1")
POLICY: Final = Policy()


def ring(seed: object = 0) -> Ring:
    """A ring with one MAC key; the same seed gives the same keys."""
    entropy = SeededEntropy(f"ring {seed}")
    kek = LocalKek(entropy.draw(32))
    return Ring([make_mac_key(1, kek, entropy, 0, 0)], kek)


class Answer(NamedTuple):
    """What a presenter was told: a refresh token to use from now on, or why there is none."""

    verdict: Verdict
    token: Secret | None
    refusal: Refusal | None = None

    @property
    def given(self) -> bool:
        """Whether something was handed out."""
        return self.token is not None


MALFORMED: Final = Answer(Verdict.REFUSE, None, Refusal.MALFORMED)


def secret_digest(token: RefreshToken) -> bytes:
    """The digest under which a row knows a token."""
    return digest("refresh", token.secret)


class Presenter:
    """Presents refresh tokens to one store."""

    def __init__(self, store: Store, entropy: Entropy, keys: Ring) -> None:
        self._store, self._entropy, self._keys = store, entropy, keys

    async def begin(self, family: Family, now: int = specimens.NOW) -> Secret:
        """Add *family* with a fresh first head; the text of that token."""
        token = RefreshToken(self._keys.mac_version(now), family.id, 0, self._entropy.draw(SECRET_LENGTH))
        born = family._replace(head=family.head._replace(generation=0, digest=secret_digest(token)))
        await self._store.write(lambda tx: tx.families.add(born))
        return Secret(self._keys.write(token))

    async def present(self, text: Secret, now: int = specimens.NOW, ask: Ask = ASK, policy: Policy = POLICY) -> Answer:
        """Present a refresh token once."""
        token = self._keys.read(text.reveal())
        if token is None:
            return MALFORMED
        drawn = draw(token, self._keys.mac_version(now), self._entropy.draw(DRAW_LENGTH))
        presented = Presented(token.family_id, token.generation, secret_digest(token))
        successor = Successor(secret_digest(drawn.token), drawn.sealed)
        settlement = await self._store.settle(
            token.family_id, lambda family: decide(family, presented, ask, successor, policy, now)
        )
        return self._answer(text, token, drawn.token, settlement)

    def _answer(self, text: Secret, token: RefreshToken, drawn: RefreshToken, settlement: Settlement) -> Answer:
        verdict = settlement.verdict
        if verdict is Verdict.ROTATE:
            return Answer(verdict, Secret(self._keys.write(drawn)))
        if verdict is Verdict.REFRESH:
            return Answer(verdict, text)
        if verdict is Verdict.REPEAT:
            assert settlement.head is not None
            assert settlement.head.sealed is not None
            before = unseal(token, settlement.head.sealed)
            assert before is not None, "the stored successor does not open with the token that was presented"
            return Answer(verdict, Secret(self._keys.write(before)))
        return Answer(verdict, None, settlement.refusal)
