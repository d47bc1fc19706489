"""What the tokens of one request are to be bound to, and whether a presented one is used by whom it is bound to.

A client whose registration says so always proves its key or shows its certificate; any other may prove a key, and gets
tokens bound to it. Nothing here spends anything: what is wrong is refused before a code or a refresh token is read.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from evergrant.domain.binding import CERTIFICATE, bound_to, to_certificate, to_key
from evergrant.domain.client import REFRESH_TOKEN, Client
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.settings import Settings
from evergrant.keys.ring import Ring
from evergrant.proof.judge import Proofs
from evergrant.proof.nonce import Nonces
from evergrant.protocol.bearer import Sent
from evergrant.protocol.certificate import certificate_thumbprint
from evergrant.protocol.dpop import SCHEME, BadProof, DpopRefused, Fault, Wanted
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.ask import CLIENT_CERT, DPOP, Ask

_PURPOSE: Final = b"evergrant dpop nonce 1"


class Bound(NamedTuple):
    """What a request proves (`domain.binding`), and the nonce to tell it, empty for none."""

    binding: str
    nonce: str = ""


NOTHING: Final = Bound("")


class Binder:
    """Judges what requests prove. One per process: it remembers the proofs that were used."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog, self._settings = catalog, settings
        self._ring: Ring | None = None
        self._derived: Sequence[bytes] = ()
        self._proofs = Proofs(Nonces(self._keys), demand_nonce=settings.dpop_nonce)

    def concerns(self, client: Client, ask: Ask) -> bool:
        """Whether this request of *client* has anything to prove."""
        return DPOP in ask.headers or client.dpop_bound or client.certificate_bound

    def of_request(self, client: Client, ask: Ask, form: Form, now: int) -> Bound:
        """What a request at the token endpoint proves. Raises `Refused`; then nothing was spent (attack RT-33)."""
        if not self.concerns(client, ask):
            return NOTHING
        if client.certificate_bound:
            return Bound(to_certificate(_shown(client, ask)))
        wanted = Wanted(ask.method, f"{self._settings.issuer}/token")
        purpose = b""
        if form.get("grant_type") == REFRESH_TOKEN:  # repeated as a whole, it gets the same successor
            purpose = sha256((form.get("refresh_token") or "").encode()).digest()
        proof = self._proofs.judge(ask.header(DPOP), wanted, now, purpose)
        return Bound(to_key(proof.jkt), self._proofs.renewal(proof, now))

    def of_token(self, claims: dict[str, Any], sent: Sent, ask: Ask, url: str, now: int) -> Bound:
        """What a request with a token of ours proves: what that is bound to. Raises `Refused` (RFC 9449 section 7)."""
        binding = bound_to(claims)
        if sent.scheme == SCHEME:
            proof = self._proofs.judge(ask.header(DPOP), Wanted(ask.method, url, sent.token), now)
            if binding != to_key(proof.jkt):
                raise BadProof(Fault.OTHER_KEY)
            return Bound(binding, self._proofs.renewal(proof, now))
        if not binding:
            return NOTHING
        if binding.startswith(CERTIFICATE):
            if binding == to_certificate(certificate_thumbprint(ask.header(CLIENT_CERT))):
                return Bound(binding)
            raise Refused(Code.INVALID_TOKEN, "The access token is bound to another certificate.")
        raise DpopRefused(Code.INVALID_TOKEN, "The access token is bound to a key; send it with a proof, as DPoP.")

    def _keys(self, now: int) -> Sequence[bytes]:
        """What nonces are made with: the same on every node, derived from the keys of tokens, the current one first."""
        ring = self._catalog.ring
        if ring is not self._ring:
            newest = ring.mac_version(now)
            versions = sorted(ring.mac_keys, key=lambda version: (version != newest, -version))
            self._derived = tuple(ring.derive(version, _PURPOSE) for version in versions)
            self._ring = ring
        return self._derived


def _shown(client: Client, ask: Ask) -> str:
    shown = certificate_thumbprint(ask.header(CLIENT_CERT))
    if not shown:
        raise Refused(
            Code.INVALID_REQUEST, "The tokens of this client are bound to its certificate, and it shows none.",
            f"{client.name} showed no certificate that a trusted proxy handed on",
        )  # fmt: skip
    if DPOP in ask.headers:
        raise Refused(Code.INVALID_REQUEST, "The tokens of this client are bound to its certificate, not to a key.")
    return shown
