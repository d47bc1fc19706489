"""What it costs an API to verify an access token: `python -m benchmarks.resource_verify`.

A token that was seen before, and one that is new, beside PyJWT, Authlib's resource protector, joserfc, and the bare
signature check of `cryptography`. All in one process and one run, round after round, each with the same tokens and the
key at hand; nobody fetches anything. Then what a million ended families take.

What lives here: the figures. Neighbour: `resource_frameworks` measures whole requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from authlib.oauth2.rfc6749 import ResourceProtector
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jws
from joserfc.jwk import KeySet, import_key
from msgspec.json import decode as decode_json

from benchmarks import machine
from evergrant.domain.base64url import decode
from evergrant.keys.checking import checker
from evergrant.keys.signing import Signer, make
from evergrant.protocol.compact import raw
from evergrant.protocol.ending import Ending
from evergrant.resource import SyncVerifier, Verifier
from evergrant.resource.ended import Ended, Marks
from evergrant.resource.keyset import read_set

RESULTS = Path(__file__).parent / "results"
ISSUER, API = "https://login.example.com", "https://api.example.com"
ALGORITHMS = ("ES256", "RS256")
MILLION = 1_000_000


@dataclass
class Asked:
    """A request as Authlib's protector reads it."""

    headers: dict[str, str]


class Validator(JWTBearerTokenValidator):
    """Authlib's own, with the key at hand."""

    def __init__(self, key_set: KeySet) -> None:
        super().__init__(issuer=ISSUER, resource_server=API)
        self._key_set = key_set

    def get_jwks(self) -> KeySet:
        return self._key_set


def tokens_of(signer: Signer, count: int) -> list[str]:
    """Access tokens as Evergrant makes them."""
    now = int(time.time())
    made = []
    for place in range(count):
        claims = {
            "iss": ISSUER, "sub": f"usr_{place:022d}", "aud": API, "client_id": "cli_" + "c" * 22, "iat": now,
            "exp": now + 3_600, "jti": f"{place:022d}", "scope": "orders:read orders:write", "auth_time": now,
            "acr": "1", "fam": f"fam_{place:022d}", "sid": "s" * 22,
        }  # fmt: skip
        made.append(signer.sign("at+jwt", json.dumps(claims, separators=(",", ":")).encode()))
    return made


def knowing(signer: Signer, kind: type[Any] = SyncVerifier) -> Any:
    """A verifier that has its keys already."""
    verifier = kind.for_issuer(ISSUER, audience=API)
    core = (verifier._inner if kind is SyncVerifier else verifier)._core  # noqa: SLF001 - fetching is not measured
    core.take(read_set(json.dumps({"keys": [signer.public]}).encode(), core.rules.algorithms))
    core.keys_until = float("inf")
    return verifier


def bare(signer: Signer) -> Callable[[str], None]:
    """Nothing but the signature, from parts that were taken apart before."""
    key, known = jwt.PyJWK(signer.public).key, {}

    def check(token: str) -> None:
        if token not in known:
            message, _, text = token.rpartition(".")
            raw = decode(text)
            if signer.alg == "ES256":
                raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            known[token] = (raw, message.encode())
        raw, message = known[token]
        if signer.alg == "ES256":
            key.verify(raw, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())

    return check


def apart(signer: Signer) -> Callable[[str], object]:
    """The signature, and what no verifier can do without: two parts out of base64, and the claims out of JSON."""
    check = checker(signer.public, signer.alg)

    def read(token: str) -> object:
        message, _, signature = token.encode().rpartition(b".")
        check(message, raw(signature))
        return decode_json(raw(message.rpartition(b".")[2]))

    return read


def contenders(signer: Signer) -> dict[str, Callable[[str], object]]:
    """Name → what judges a token; each raises for a bad one."""
    key, other = jwt.PyJWK(signer.public).key, import_key(dict(signer.public))
    protector = ResourceProtector()
    protector.register_token_validator(Validator(KeySet.import_key_set({"keys": [signer.public]})))
    algorithms, ours = [signer.alg], knowing(signer)

    def new(token: str) -> object:
        ours._inner._core.seen.clear()  # noqa: SLF001 - so that it is new each time
        return ours.verify(f"Bearer {token}")

    return {
        "bare signature check": bare(signer),
        "signature, base64 and JSON alone": apart(signer),
        "evergrant, new": new,
        "joserfc, signature only": lambda token: jws.deserialize_compact(token, other, algorithms=algorithms),
        "PyJWT": lambda token: jwt.decode(token, key, algorithms=algorithms, audience=API, issuer=ISSUER),
        "Authlib resource protector": lambda token: protector.validate_request(
            None, Asked({"Authorization": f"Bearer {token}"})
        ),
    }


def rounds(judges: dict[str, Callable[[str], object]], tokens: list[str], count: int) -> dict[str, float]:
    """The best of *count* rounds for each, in microseconds per token; in turn, so that all meet the same machine."""
    best = dict.fromkeys(judges, float("inf"))
    for _ in range(count):
        for name, judge in judges.items():
            began = time.perf_counter()
            for token in tokens:
                judge(token)
            best[name] = min(best[name], (time.perf_counter() - began) / len(tokens) * 1e6)
    return best


def seen(signer: Signer, token: str, times: int, count: int) -> dict[str, float]:
    """A token that was seen before, by a header that was just received: bytes, not the very same text."""
    header, blocking, awaiting = f"Bearer {token}".encode(), knowing(signer), knowing(signer, Verifier)
    best = {"evergrant, seen before": float("inf"), "evergrant, seen before, with await": float("inf")}

    async def loop() -> float:
        began = time.perf_counter()
        for _ in range(times):
            await awaiting.verify(header)
        return time.perf_counter() - began

    for _ in range(count):
        began = time.perf_counter()
        for _ in range(times):
            blocking.verify(header)
        for name, spent in zip(best, (time.perf_counter() - began, asyncio.run(loop())), strict=True):
            best[name] = min(best[name], spent / times * 1e6)
    return best


def ended(many: int, count: int) -> dict[str, float]:
    """Memory of *many* ended families in MiB, and a lookup among them in microseconds."""
    now, known = int(time.time()), Ended()
    for place in range(0, many, 100):
        known.add(Ending(now, now + 900, tuple(f"fam_{each:022d}" for each in range(place, place + 100))), now)
    marks: Marks = known._marks["fam",]  # noqa: SLF001 - the very structure is measured
    held = sys.getsizeof(marks._buckets) + sum(map(sys.getsizeof, marks._buckets))  # noqa: SLF001
    found = {"ended_mib": held / (1 << 20)}
    asked = {kind: [f"{kind}_{place * 7919 % many:022d}" for place in range(10_000)] for kind in ("fam", "ses")}
    for kind, names in asked.items():
        best = float("inf")
        for _ in range(count):
            began = time.perf_counter()
            for name in names:
                marks.at(name)
            best = min(best, (time.perf_counter() - began) / len(names) * 1e6)
        found["ended_us" if kind == "fam" else "alive_us"] = best
    return found


def shown(found: dict[str, Any], facts: dict[str, str]) -> str:
    """The figures for people."""
    lines = ["# Verifying an access token", "", *(f"- {name}: {fact}" for name, fact in facts.items()), ""]
    for alg in ALGORITHMS:
        figures = found[alg]
        before, new = figures["evergrant, seen before"], figures["evergrant, new"]
        least = figures["bare signature check"]
        peers = min(figures["PyJWT"], figures["Authlib resource protector"])
        lines += [f"## {alg}", "", "| | microseconds |", "|---|--:|"]
        lines += [f"| {name} | {value:.1f} |" for name, value in figures.items()]
        lines += ["", "| | measured | wanted | met |", "|---|--:|--:|---|"]
        for name, value, wanted, met in (
            ("seen before", f"{before:.1f} µs", "≤ 5 µs", before <= 5),
            (
                "seen before, against the faster peer",
                f"{peers / before:.0f} times less",
                "10 times",
                peers / before >= 10,
            ),
            ("new, against the bare signature check", f"{new / least:.2f} times", "≤ 1.3 times", new / least <= 1.3),
        ):
            lines.append(f"| {name} | {value} | {wanted} | {'yes' if met else 'NO'} |")
        lines.append("")
    memory, hit, miss = (found["ended"][name] for name in ("ended_mib", "ended_us", "alive_us"))
    lines += [f"A million ended families: {memory:.1f} MiB; a lookup {hit:.2f} µs found, {miss:.2f} µs not found.", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resource_verify", description=__doc__.split(":")[0])
    parser.add_argument("--smoke", action="store_true", help="a second: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for resource-verify.json and .md")
    given = parser.parse_args(arguments)
    many, times, count = (20, 500, 2) if given.smoke else (20, 500, 100)
    found: dict[str, Any] = {}
    for alg in ALGORITHMS:
        signer = Signer(make(alg), alg)
        tokens = tokens_of(signer, many)
        found[alg] = seen(signer, tokens[0], times, count) | rounds(contenders(signer), tokens, count)
    found["ended"] = ended(10_000 if given.smoke else MILLION, count)
    with tempfile.TemporaryDirectory(prefix="evergrant-bench-") as name:
        facts = machine.facts(Path(name))
    target = given.results / "smoke" if given.smoke else given.results
    target.mkdir(parents=True, exist_ok=True)
    (target / "resource-verify.json").write_text(
        json.dumps({**found, "machine": facts}, indent=2) + "\n", encoding="utf-8"
    )
    (target / "resource-verify.md").write_text(shown(found, facts), encoding="utf-8")
    print(shown(found, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
