"""The search that ends every run finds what it is there to find, and nothing else."""

import base64
import random
import sqlite3
from pathlib import Path

import pytest

from tests.secrecy import SHAPES
from tests.secret_grep import grep

DICE = random.Random(20_261_121)


def coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


FAMILY = DICE.randbytes(16)
SECRET = DICE.randbytes(32)
REFRESH = "egr_" + coded(b"\x01" + FAMILY + (7).to_bytes(4, "big") + SECRET + DICE.randbytes(16))
OPAQUE = "ega_" + coded(DICE.randbytes(32))
SIGNATURE = DICE.randbytes(64)
JWT = ".".join(map(coded, (b'{"alg":"ES256"}', b'{"sub":"a user whose claims may be shown"}', SIGNATURE)))
PASSWORD = "correct horse"
ALL = (REFRESH, OPAQUE, JWT, PASSWORD)


@pytest.mark.parametrize(
    ("secret", "leaked"),
    [
        (REFRESH, REFRESH.encode()),
        (REFRESH, SECRET),
        (REFRESH, SECRET.hex().encode()),
        (REFRESH, coded(SECRET).encode()),
        (REFRESH, REFRESH[24:].encode()),
        (OPAQUE, OPAQUE.encode()),
        (OPAQUE, OPAQUE[4:30].encode()),
        (OPAQUE, base64.urlsafe_b64decode(OPAQUE[4:] + "=")),
        (JWT, JWT.encode()),
        (JWT, SIGNATURE),
        (PASSWORD, PASSWORD.encode()),
    ],
    ids=lambda value: "" if isinstance(value, str) else f"{len(value)} bytes",
)
@pytest.mark.parametrize("offset", range(9))
def test_a_secret_is_found_in_every_spelling_wherever_it_stands(
    tmp_path: Path, secret: str, leaked: bytes, offset: int
) -> None:
    (tmp_path / "log").write_bytes(b"." * (100_000 + offset) + leaked + b"." * 1000)
    assert {hit.secret for hit in grep([tmp_path], ALL)} == {secret}


def test_a_secret_across_the_border_of_two_blocks_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tests.secret_grep._BLOCK", 1024)
    for offset in range(1024 - 120, 1024 + 8, 3):
        (tmp_path / "log").write_bytes(DICE.randbytes(offset) + REFRESH.encode() + DICE.randbytes(3000))
        assert grep([tmp_path / "log"], [REFRESH]), offset


def test_what_may_be_shown_of_a_token_is_not_a_hit(tmp_path: Path) -> None:
    shown = (
        FAMILY + b"\n" + FAMILY.hex().encode() + b"\n" + REFRESH[:12].encode() + b"\n" + JWT.rpartition(".")[0].encode()
    )
    (tmp_path / "log").write_bytes(shown + DICE.randbytes(50_000))
    assert grep([tmp_path], ALL) == []


def test_a_secret_in_a_database_row_is_found(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store") as database:
        database.execute("create table family (id blob, head blob)")
        database.execute("insert into family values (?, ?)", (FAMILY, SECRET))
    database.close()
    assert [(hit.spelling, hit.secret) for hit in grep([tmp_path], ALL)] == [("bytes", REFRESH)]


def test_the_shapes_of_secrets_are_recognised_in_an_answer() -> None:
    answer = f'{{"access_token":"{JWT}","refresh_token":"{REFRESH}","scope":"openid"}} Set-Cookie: s={OPAQUE}; Path=/'
    assert SHAPES.findall(answer) == [JWT, REFRESH, OPAQUE]
