"""The judge of the storms finds every kind of wrong in a history that has it, and none in one that has not."""

import apsw
import pytest

from evergrant.domain.secret import digest
from evergrant.domain.token import RefreshToken, write_refresh
from evergrant.issuer.service.refresh import HEAD_DIGEST
from evergrant.store.sqlite.migrate import migrate
from tests.faults.history import Answer, History, stored_wrongs, wrongs

FAMILY = b"f" * 16


def token(generation, sibling=0, family=FAMILY):
    return write_refresh(RefreshToken(1, family, generation, bytes([generation, sibling]) * 16), b"k" * 32)


def history(*answers, rotates=True, **more):
    return History(FAMILY, rotates, [Answer(at, at + 0.5, *each) for at, each in enumerate(answers)], **more)


TURN = (token(0), 200, token(1))
AGAIN = (token(1), 200, token(2))
REFUSED = (token(1), 400, "", "invalid_grant")


def test_turns_repeats_and_a_reusable_token_are_a_linear_history():
    assert wrongs(history(TURN, TURN, AGAIN, AGAIN)) == []
    assert wrongs(history((token(0), 200, token(0)), rotates=False)) == []


@pytest.mark.parametrize(
    ("wrong", "answers", "more"),
    [
        ("2 successors of generation 0", [TURN, (token(0), 200, token(1, sibling=1))], {}),
        ("2 tokens of generation 1", [TURN, (token(1, sibling=1), 200, token(2))], {}),
        ("generation 0 was followed by 2", [(token(0), 200, token(2))], {}),
        ("generation 0 was followed by 0", [(token(0), 200, token(0))], {}),
        ("another family's token", [(token(0), 200, token(1, family=b"g" * 16))], {}),
        ("an honest client was refused with 400: invalid_grant", [TURN, REFUSED], {}),
        ("an honest client was refused with 500", [(token(0), 500, "")], {}),
        ("an honest client was refused", [TURN, REFUSED], {"ending": 2.0, "ended": 3.0}),
        ("refreshed 0.500 s after it was ended", [TURN, AGAIN], {"ending": 0.4, "ended": 0.5}),
    ],
)
def test_every_wrong_is_found(wrong, answers, more):
    found = wrongs(history(*answers, **more))
    assert any(wrong in each for each in found), found


def test_a_refusal_once_somebody_set_out_to_end_the_family_is_right():
    assert wrongs(history(TURN, REFUSED, ending=1.2, ended=1.4)) == []
    assert wrongs(history(TURN, AGAIN, ending=0.4, ended=1.1)) == [], "asked before the end was told"


@pytest.fixture
def stored(tmp_path):
    """A database in which the family turned twice."""
    path = tmp_path / "evergrant.db"
    migrate(path)
    connection = apsw.Connection(str(path))
    holds = {"id": FAMILY, "generation": 2, "ended_at": None, "reason": None, "sealed": None}
    for column, number in (("digest", 2), ("predecessor", 1)):
        holds[column] = digest(HEAD_DIGEST, bytes([number, 0]) * 16)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(family)")]
    connection.execute(
        f"INSERT INTO family ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        [holds.get(name, 0) for name in columns],
    )
    tell(connection, 1, 2)
    yield path, connection
    connection.close()


def tell(connection, *generations):
    for generation in generations:
        connection.execute(
            "INSERT INTO event (at, what, client_id, account_id, family_id, session_id, reason, generation, network,"
            " agent, detail) VALUES (0, 'family.rotated', '', '', ?, '', '', ?, '', '', '')",
            (history().name, generation),
        )


def test_what_was_seen_and_is_stored_is_right(stored):
    assert stored_wrongs(stored[0], [history(TURN, AGAIN)]) == []
    assert stored_wrongs(stored[0], [history(TURN)]) == [], "an answer may be lost on its way"


@pytest.mark.parametrize(
    ("wrong", "answers", "harm"),
    [
        ("a client saw generation 3, stored is 2", [(token(2), 200, token(3))], ""),
        ("not the one that is stored", [(token(1), 200, token(2, sibling=1))], ""),
        ("not the one that is stored", [(token(0), 200, token(1, sibling=1))], ""),
        ("its row is gone", [TURN], "DELETE FROM family"),
        ("ended, though nobody set out to end it", [TURN], "UPDATE family SET ended_at = 1"),
        ("the events tell [2] last", [TURN], "DELETE FROM event WHERE generation = 1"),
        ("the events tell [1] last", [TURN], "DELETE FROM event WHERE generation = 2"),
        ("the events tell [1, 1] last", [TURN], "UPDATE event SET generation = 1"),
    ],
)
def test_every_wrong_in_the_database_is_found(stored, wrong, answers, harm):
    if harm:
        stored[1].execute(harm)
    found = stored_wrongs(stored[0], [history(*answers)])
    assert len(found) == 1
    assert wrong in found[0]


def test_an_end_that_was_told_and_is_not_stored_is_found(stored):
    found = stored_wrongs(stored[0], [history(TURN, ending=5.0, ended=6.0)])
    assert len(found) == 1
    assert "alive, though an operator was told" in found[0]
    assert stored_wrongs(stored[0], [history(TURN, ending=5.0)]) == [], "whoever was not told may find either"
