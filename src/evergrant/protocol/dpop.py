"""DPoP proofs (RFC 9449), taken apart and compared with the request they came with.

`parse` reads the one header of a request into a `Proof`; `compare` holds it against what was really asked. Neither
believes the signature: that is `evergrant.keys.possession`, and all of it in the right order is `evergrant.proof`.
Whatever is wrong is a `BadProof` with one `Fault`, never another exception.
"""

import json
import re
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final, NamedTuple, NoReturn

from evergrant.domain import base64url
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.same_url import normal_url

TYPE: Final = "dpop+jwt"
SCHEME: Final = "DPoP"
ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")
"""What a proof may be signed with: asymmetric, each with one kind of key (section 11.6, RFC 8725 section 3.1)."""
KEY_TYPES: Final = {"ES256": "EC", "Ed25519": "OKP", "EdDSA": "OKP", "PS256": "RSA", "RS256": "RSA"}
MAX_PROOF: Final = 6_144
"""Characters. A proof with an RSA key of 4096 bits has about 2,300 (attack P-09)."""
MAX_JTI: Final = 256
MAX_NONCE: Final = 256
PAST: Final = 60
"""Seconds that a proof may be old. A server's nonce says more about its age than this, and replaces it (section 8)."""
FUTURE: Final = 10
"""Seconds that its clock may be ahead of ours (FAPI 2.0 section 5.3.2.1)."""
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# RFC 7638 section 3.2: the members of a thumbprint, in the order of their names.
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_COORDINATE: Final = 43
_MOST_MODULUS: Final = 683
_MOST_EXPONENT: Final = 6


class Fault(StrEnum):
    """What is wrong with a proof; for the operator, and for tests."""

    MISSING = "no proof was sent"
    SEVERAL = "more than one proof was sent"
    UNREADABLE = "the proof is not a signed JWT"
    INCOMPLETE = "the proof lacks a member, or one is of the wrong kind"
    TYPE = "the proof's typ is another"
    ALGORITHM = "the proof's algorithm is not allowed"
    KEY = "the proof's key is private, weak, or does not fit its algorithm"
    SIGNATURE = "the proof's signature is wrong"
    METHOD = "the proof is for another method"
    URL = "the proof is for another address"
    TOKEN = "the proof is for another access token"
    TIME = "the proof is too old, or from the future"
    NONCE = "the proof lacks a nonce of this server"
    REPLAYED = "the proof was used before"
    OTHER_KEY = "the proof's key is not the one that is bound"


_WORDS: Final = {
    Fault.MISSING: "A DPoP proof is needed.",
    Fault.TIME: "The DPoP proof's time is not now; use the nonce that comes with this answer.",
    Fault.NONCE: "Use the DPoP nonce that comes with this answer.",
}


class DpopRefused(Refused):
    """A refusal that is told with the challenge of the scheme DPoP (section 7.1)."""


class BadProof(DpopRefused):
    """A proof that proves nothing. With a *nonce* the client is told to come again with that one (section 8)."""

    def __init__(self, fault: Fault, nonce: str = "") -> None:
        code = Code.USE_DPOP_NONCE if nonce else Code.INVALID_DPOP_PROOF
        said = _WORDS[fault] if nonce or fault is Fault.MISSING else "The DPoP proof is not valid."
        headers = (("dpop-nonce", nonce),) if nonce else ()
        super().__init__(code, said, fault.value, headers=headers)
        self.fault: Final = fault


class Proof(NamedTuple):
    """A proof as it claims to be. *jwk* holds the thumbprint's members alone; *jkt* is that thumbprint (RFC 7638).

    *ath* and *nonce* are empty where they were absent. *message* and *signature* are what the key is to verify.
    """

    alg: str
    jwk: dict[str, str]
    jkt: str
    method: str
    url: str
    issued_at: float
    jti: str
    ath: str
    nonce: str
    message: bytes
    signature: bytes


class Wanted(NamedTuple):
    """What a proof must be for. *url*: as configured, never from a Host header; *token*: the one presented with it."""

    method: str
    url: str
    token: str = ""


def parse(header: str) -> Proof:
    """The proof in the value of the one `DPoP` header of a request (section 4.3, 1 to 5 without the signature)."""
    if not header:
        raise BadProof(Fault.MISSING)
    if "," in header:  # how two headers of one name arrive through a proxy (attack P-06)
        raise BadProof(Fault.SEVERAL)
    parts = header.split(".")
    if len(header) > MAX_PROOF or len(parts) != 3:  # noqa: PLR2004 - RFC 7515 section 7.1
        raise BadProof(Fault.UNREADABLE)
    head, claims = _object(parts[0]), _object(parts[1])
    signature = _bytes(parts[2])
    if head.get("typ") != TYPE:
        raise BadProof(Fault.TYPE)
    alg = head.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise BadProof(Fault.ALGORITHM)
    if "crit" in head:
        raise BadProof(Fault.UNREADABLE)
    jwk = _public(head.get("jwk"), KEY_TYPES[alg])
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        raise BadProof(Fault.INCOMPLETE)
    message = f"{parts[0]}.{parts[1]}".encode("ascii")
    return Proof(
        alg, jwk, thumbprint(jwk), _text(claims, "htm"), _text(claims, "htu", MAX_PROOF), issued_at,
        _text(claims, "jti"), _text(claims, "ath", needed="ath" in claims),
        _text(claims, "nonce", MAX_NONCE, needed="nonce" in claims), message, signature,
    )  # fmt: skip


def compare(proof: Proof, wanted: Wanted) -> None:
    """Raise `BadProof` unless *proof* was made for this method, address and access token (section 4.3, 8 to 12)."""
    if proof.method != wanted.method:
        raise BadProof(Fault.METHOD)
    named = normal_url(proof.url)
    if not named or named != normal_url(wanted.url):
        raise BadProof(Fault.URL)
    if wanted.token and not compare_digest(
        proof.ath.encode("utf-8", "replace"), token_hash(wanted.token).encode("ascii")
    ):
        raise BadProof(Fault.TOKEN)


def timely(proof: Proof, now: int) -> bool:
    """Whether the proof was made just now by its own clock; the one place that says what that is (section 11.1)."""
    return now - PAST <= proof.issued_at <= now + FUTURE


def token_hash(token: str) -> str:
    """The `ath` of an access token (section 4.2)."""
    return base64url.encode(sha256(token.encode("utf-8", "replace")).digest()).decode("ascii")


def thumbprint(jwk: dict[str, str]) -> str:
    """The SHA-256 thumbprint of a public key that holds its required members (RFC 7638)."""
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":")).encode("ascii")
    return base64url.encode(sha256(canonical).digest()).decode("ascii")


def is_thumbprint(text: str) -> bool:
    """Whether *text* can be a `jkt` (RFC 9449 section 10): 43 characters of base64url."""
    return len(text) == _COORDINATE and _BASE64URL.match(text) is not None


def _public(jwk: object, kind: str) -> dict[str, str]:
    """The required members of a public key of *kind*, each in its one canonical spelling."""
    if not isinstance(jwk, dict) or jwk.get("kty") != kind or not _PRIVATE.isdisjoint(jwk):
        raise BadProof(Fault.KEY)
    if jwk.get("crv", "") != _CURVES.get(kind, ""):
        raise BadProof(Fault.KEY)
    if kind == "RSA":
        return {"e": _number(jwk, _MOST_EXPONENT), "kty": kind, "n": _number(jwk, _MOST_MODULUS, "n")}
    point = {name: _coordinate(jwk, name) for name in _MEMBERS[kind][2:]}
    return {"crv": jwk["crv"], "kty": kind, **point}


def _coordinate(jwk: dict[str, Any], name: str) -> str:
    text = _canonical(jwk.get(name))
    if len(text) != _COORDINATE:
        raise BadProof(Fault.KEY)
    return text


def _number(jwk: dict[str, Any], most: int, name: str = "e") -> str:
    text = _canonical(jwk.get(name))
    if len(text) > most or base64url.decode(text)[0] == 0:
        raise BadProof(Fault.KEY)
    return text


def _canonical(text: object) -> str:
    """Base64url in the one spelling of its bytes: one key must not have two thumbprints."""
    if not isinstance(text, str) or len(text) > _MOST_MODULUS or _BASE64URL.match(text) is None:
        raise BadProof(Fault.KEY)
    try:
        same = base64url.encode(base64url.decode(text)).decode("ascii") == text
    except ValueError:
        same = False
    if not same:
        raise BadProof(Fault.KEY)
    return text


def _text(claims: dict[str, Any], name: str, most: int = MAX_JTI, *, needed: bool = True) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > most or (needed and not value):
        raise BadProof(Fault.INCOMPLETE)
    return value


def _bytes(part: str) -> bytes:
    if _BASE64URL.match(part) is None:
        raise BadProof(Fault.UNREADABLE)
    try:
        return base64url.decode(part)
    except ValueError as error:
        raise BadProof(Fault.UNREADABLE) from error


def _object(part: str) -> dict[str, Any]:
    """A part as a JSON object without a name twice (attack J-13)."""
    raw = _bytes(part)
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadProof(Fault.UNREADABLE) from error
    if not isinstance(found, dict):
        raise BadProof(Fault.UNREADABLE)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name stands twice"
        raise ValueError(msg)
    return found


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
