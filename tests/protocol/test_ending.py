"""The feed's wire form: what is written is read, what cannot be read is said so, and what an ending takes."""

import pytest

from evergrant.protocol.ending import (
    START,
    Beat,
    Ending,
    Frame,
    Frames,
    Kind,
    Page,
    Unreadable,
    beat_frame,
    ending_frame,
    read_cursor,
    read_ending,
    read_page,
    reset_frame,
    write_ending,
    write_page,
)

NOW = 1_800_000_000
FAMILY = Ending(NOW, NOW + 900, families=("fam_a", "fam_b"))
TOKEN = Ending(NOW, NOW + 900, jti="one")
ACCOUNT = Ending(NOW, NOW + 900, account_id="usr_a")
CLIENT = Ending(NOW, NOW + 900, client_id="cli_a")
GRANT = Ending(NOW, NOW + 900, account_id="usr_a", client_id="cli_a")
EVERY = (FAMILY, TOKEN, ACCOUNT, CLIENT, GRANT)
CLAIMS = {"fam": "fam_a", "jti": "one", "sub": "usr_a", "client_id": "cli_a", "iat": NOW}


@pytest.mark.parametrize("ending", EVERY)
def test_an_ending_comes_back_as_it_was_written(ending: Ending) -> None:
    assert read_ending(write_ending(ending)) == ending


def test_an_ending_is_a_short_line() -> None:
    assert write_ending(FAMILY) == b'{"at":1800000000,"until":1800000900,"fam":["fam_a","fam_b"]}'


@pytest.mark.parametrize("ending", EVERY)
def test_a_token_is_dead_when_every_member_agrees(ending: Ending) -> None:
    assert ending.takes(CLAIMS)
    names = {"fam": ending.families, "jti": ending.jti, "sub": ending.account_id, "client_id": ending.client_id}
    for name, given in names.items():
        if given:
            assert not ending.takes({**CLAIMS, name: "other"})
            assert not ending.takes({key: value for key, value in CLAIMS.items() if key != name})


@pytest.mark.parametrize("ending", [ACCOUNT, CLIENT, GRANT])
def test_what_goes_on_ends_only_what_was_issued_before(ending: Ending) -> None:
    assert not ending.takes({**CLAIMS, "iat": NOW + 1})
    assert ending.takes({name: value for name, value in CLAIMS.items() if name != "iat"})


@pytest.mark.parametrize("ending", [FAMILY, TOKEN])
def test_a_family_or_a_token_is_dead_whatever_its_time_of_issue(ending: Ending) -> None:
    assert ending.takes({**CLAIMS, "iat": NOW + 10_000})


@pytest.mark.parametrize("ending", [CLIENT, GRANT])
def test_an_exchanged_token_dies_with_the_client_of_its_family(ending: Ending) -> None:
    exchanged = {**CLAIMS, "client_id": "cli_service", "fam_client": "cli_a"}
    assert ending.takes(exchanged)
    assert ending._replace(client_id="cli_service").takes(exchanged)
    assert not ending._replace(client_id="cli_b").takes(exchanged)


def test_an_exchanged_token_dies_with_each_token_that_it_comes_from() -> None:
    exchanged = {**CLAIMS, "jti": "three", "jti_from": ["two", "one"]}
    for jti in ("three", "two", "one"):
        assert TOKEN._replace(jti=jti).takes(exchanged)
    assert not TOKEN._replace(jti="three").takes(CLAIMS)
    assert not TOKEN.takes({**exchanged, "jti_from": "one"})


def test_an_ending_that_names_nothing_takes_nothing_and_is_not_read() -> None:
    assert not Ending(NOW, NOW + 900).takes(CLAIMS)
    with pytest.raises(Unreadable):
        read_ending(b'{"at":1,"until":2,"planet":"earth"}')


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"\xff", b'{"at":"1","until":2,"jti":"x"}', b"[" * 10_000, b'{"at":1,"until":2,"fam":"x"}'],
)
def test_what_is_no_ending_is_unreadable(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_ending(text)


def test_a_stream_is_read_however_it_is_cut() -> None:
    stream = reset_frame() + b"".join(ending_frame(f"{n}.c", ending) for n, ending in enumerate(EVERY))
    stream += b": a comment\n\nevent: later\ndata: unknown\n\n" + beat_frame("4.c", Beat(NOW, 1.0))
    wanted = [Frame(Kind.RESET, START), *(Frame(Kind.ENDING, f"{n}.c", ending) for n, ending in enumerate(EVERY))]
    wanted.append(Frame(Kind.BEAT, "4.c", beat=Beat(NOW, 1.0)))
    for size in (1, 2, 7, 64, len(stream)):
        frames = Frames()
        parts = (stream[place : place + size] for place in range(0, len(stream), size))
        assert [frame for part in parts for frame in frames.feed(part)] == wanted


@pytest.mark.parametrize(
    "block",
    [
        b"event: ending\nid: 1.c\ndata: {}\n\n",
        b"event: ending\ndata: " + write_ending(TOKEN) + b"\n\n",
        b"event: beat\nid: 1.c\ndata: {}\n\n",
        b'event: beat\nid: 1.c\ndata: {"now":1,"every":0}\n\n',
        b"event: ending\nid: 1.\xff\ndata: {}\n\n",
        b"x" * 70_000,
    ],
)
def test_a_frame_that_cannot_be_read_is_not_passed_over(block: bytes) -> None:
    with pytest.raises(Unreadable):
        list(Frames().feed(block))


def test_a_page_comes_back_as_it_was_written() -> None:
    page = Page("7.abc", EVERY, Beat(NOW, 1.0), more=True, reset=True)
    assert read_page(write_page(page)) == page
    with pytest.raises(Unreadable):
        read_page(b'{"cursor":"7.abc"}')
    with pytest.raises(Unreadable):
        read_page(write_page(page._replace(cursor="no cursor")))


@pytest.mark.parametrize("text", ["", "1", "1.", ".a", "a.b", "1.a b", "1.a\r\nx", "1." + "a" * 70, "١.a", "1.ä"])
def test_what_is_no_cursor_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_cursor(text)


@pytest.mark.parametrize("text", [START, "12.aB-_9"])
def test_a_cursor_is_a_number_and_a_check(text: str) -> None:
    assert read_cursor(text) == text
