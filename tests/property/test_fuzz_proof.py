"""The fuzzer at proofs of possession, for some seconds; and proofs of every wrong kind over HTTP, never a 500."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bound import hold_bound
from tests.issuing import issuing
from tests.protocol.test_dpop import CLAIMS, HEADS
from tests.proving import Prover, part
from tests.tools import ROOT

SECONDS = int(os.environ.get("EVERGRANT_TEST_FUZZ_SECONDS", "5"))
NOW = 1_800_000_000


def test_p_05_no_bytes_bring_the_judge_of_proofs_down(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    prover = Prover()
    good = prover.proof("POST", "https://id.example/token", NOW, token="ega_x")
    head = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": prover.jwk}).encode()
    said = json.dumps({"jti": "a", "htm": "POST", "htu": "https://id.example/token", "iat": NOW}).encode()
    (corpus / "whole").write_bytes(b"!" + good.encode())
    (corpus / "parts").write_bytes(b"\0".join([head, said, bytes(range(1, 65))]))
    (corpus / "certificate").write_bytes(b"!:MIIBCg==:")
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.property.fuzz_proof", str(corpus), f"-max_total_time={SECONDS}", "-seed=1",
            "-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={tmp_path}/",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=120 + SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "Done" in done.stderr


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
async def test_inv_14_and_inv_11_no_proof_over_http_is_a_500_or_changes_anything(tmp_path: Path, path: str) -> None:
    """The issuer of these tests forbids a 500; what is refused leaves every row as it was."""
    texts = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=300)
    headers = texts | st.builds(lambda head, claims: f"{part(head)}.{part(claims)}.AAAA", HEADS, CLAIMS)
    found: list[str] = []

    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(headers)
    def draw(header: str) -> None:
        found.append(header)

    draw()
    async with issuing(tmp_path) as issuer:
        await issuer.person()
        held = await hold_bound(issuer)
        for header in found:
            if path == "/token":
                reply = await held.sent(held.refresh, {"dpop": header})
                assert (reply.status, reply.json()["error"]) == (400, "invalid_dpop_proof")
            else:
                reply = await held.userinfo(dpop=header)
                assert reply.status == 401
        await held.turn()
