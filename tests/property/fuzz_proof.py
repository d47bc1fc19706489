"""What the fuzzer calls: `python -m tests.property.fuzz_proof FOLDER -max_total_time=10`.

An input is a header, a payload and a signature before they are encoded, apart by zero bytes; or, with the first byte
`!`, the header field itself. It is read, compared and judged; a `BadProof` or a proof comes back, or the run ends.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["evergrant.protocol", "evergrant.proof", "evergrant.keys.possession"]):
    from evergrant.keys.possession import holds
    from evergrant.proof.judge import Proofs
    from evergrant.proof.nonce import Nonces
    from evergrant.protocol.certificate import certificate_thumbprint
    from evergrant.protocol.dpop import BadProof, Wanted, compare, parse
    from evergrant.protocol.same_url import normal_url
    from tests.proving import b64

NOW = 1_800_000_000
WANTED = Wanted("POST", "https://id.example/token", "ega_x")
PROOFS = Proofs(Nonces(lambda _: (b"k" * 32,)))


def one(data: bytes) -> None:
    """One input."""
    if data[:1] == b"!":
        text = data[1:].decode("latin-1")
        certificate_thumbprint(text)
        normal_url(text)
    else:
        parts = [*data.split(b"\0"), b"", b""][:3]
        text = ".".join(map(b64, parts))
    with suppress(BadProof):
        PROOFS.judge(text, WANTED, NOW)
    with suppress(BadProof):
        proof = parse(text)
        holds(proof)
        compare(proof, WANTED)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
