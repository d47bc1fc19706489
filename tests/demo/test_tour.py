"""The whole tour over HTTP, as a newcomer with a browser takes it, and the ways aside."""

import re

import pytest

from tests.demo.demonstration import Demonstration, Walker, origin

pytestmark = pytest.mark.long


def fingerprints(rows: list[list[str]]) -> set[str]:
    return {row[2] for row in rows}


def test_a_newcomer_takes_the_tour_from_sign_in_to_the_notice_of_theft(walker: Walker, demo: Demonstration) -> None:
    start = walker.get("/")
    assert (start.status, start.heading, start.here) == (200, "Sign in once", "1 Sign in")
    assert demo.said["username"] in start.words
    assert demo.said["password"] not in start.text

    issuer_page = walker.get("/sign-in")
    assert origin(issuer_page.url) == demo.said["issuer"]
    assert issuer_page.heading == "Sign in"

    look = walker.sign_in()
    assert (look.heading, look.here) == ("Look at what you were given", "2 Look")
    assert "Ada Lovelace" in look.words
    assert "Good right now." in look.words
    assert "UserInfo 200" in look.words
    assert "active: true" in look.words
    assert "Token 0: the newest, unspent" in look.told

    refreshed = walker.act("/refresh")
    assert refreshed.outcome == "One step on: token 0 is spent, token 1 is the newest"
    assert "Token 0: spent, and may still come again" in refreshed.told

    repeated = walker.act("/repeat")
    assert repeated.outcome == "The retry got the same successor"
    lost, again = repeated.rows()
    assert (lost[1], again[1]) == ("200", "200")
    assert lost[2] == again[2] != ""
    assert "Token 1: spent, and may still come again; spent" in repeated.told
    assert "came again at" in repeated.told

    raced = walker.act("/race")
    assert raced.outcome == "10 of 10 answered 200, with 1 successor"
    assert [row[1] for row in raced.rows()] == ["200"] * 10
    assert len(fingerprints(raced.rows())) == 1
    assert "came again 9 times" in raced.told

    stolen = walker.steal(0)
    assert stolen.outcome == "The thief got nothing, and the stolen sign-in is dead"
    assert stolen.rows() == [["The thief", "400 invalid_grant", "none"]]
    assert re.search(r"Token 0: spent; .*presented again at [0-9:]{8} by curl from 127\.0\.0\.66\.", stolen.told)
    assert stolen.told.endswith("a spent token came back.")

    after = walker.get("/aftermath")
    assert "a spent token came back" in after.words
    assert "UserInfo 401" in after.words
    assert "active: false" in after.words
    assert "A spent token was presented outside the overlap" in after.words
    assert "One family ended, with the reason" in after.words
    assert "curl from 127.0.0.66" in after.words
    assert "Void. Its family has ended." in after.words

    notice = walker.get("/sign-in")
    assert origin(notice.url) == demo.said["issuer"]
    assert notice.heading == "We ended your sign-in to Sample application"
    assert "127.0.0.66" in notice.words
    assert "Firefox on Linux" in notice.words

    anew = walker.press(notice, "/notice")
    assert anew.heading == "Look at what you were given"
    assert "That was the tour." in anew.words
    assert "Token 0: the newest, unspent" in anew.told
    assert "4 tokens, ended" in anew.words


def test_the_honest_application_is_refused_too_once_its_family_has_ended(walker: Walker) -> None:
    walker.sign_in()
    walker.act("/refresh")
    walker.act("/refresh")
    walker.steal(0)
    refused = walker.act("/refresh")
    assert refused.outcome == "The issuer refused, and this sign-in is over"
    assert refused.rows() == [["The application", "400 invalid_grant", "none"]]
    assert "refused at" in refused.told
    assert "(the family had ended)" in refused.told
    assert "Sign in again" in refused.words


def test_a_thief_inside_the_overlap_gets_the_successor_and_is_caught_a_minute_later(walker: Walker) -> None:
    walker.sign_in()
    mine = walker.act("/refresh").rows()[0][2]
    page = walker.get("/theft")
    assert "may still come again for" in page.words
    early = walker.steal(0)
    assert early.outcome == "Too early to tell: the thief got your own successor"
    assert early.rows()[0][1:] == ["200", mine]
    assert "by curl from 127.0.0.66" in early.told
    later = walker.press(early, "/time", seconds="61")
    assert later.url.endswith("/theft")
    assert "spent, and the overlap is over" in later.words
    assert walker.steal(0).outcome == "The thief got nothing, and the stolen sign-in is dead"


def test_a_thief_who_comes_first_dies_with_the_next_late_honest_refresh(walker: Walker) -> None:
    walker.sign_in()
    first = walker.steal(0)
    assert first.outcome == "The thief was served, for now"
    walker.let_pass(61)
    honest = walker.act("/refresh")
    assert honest.outcome == "The issuer refused, and this sign-in is over"
    assert "a spent token came back" in honest.told
    dead = walker.steal(1)
    assert dead.outcome == "Refused, and nothing changed"
    assert dead.rows() == [["The thief", "400 invalid_grant", "none"]]


def test_a_thief_who_comes_first_shares_the_one_chain_inside_the_overlap(walker: Walker) -> None:
    walker.sign_in()
    thief = walker.steal(0).rows()[0][2]
    honest = walker.act("/refresh")
    assert honest.outcome == "You got the very token that the thief got"
    assert honest.rows()[0][2] == thief


def test_the_access_token_runs_out_after_ten_minutes_and_a_refresh_brings_a_good_one(walker: Walker) -> None:
    walker.sign_in()
    late = walker.let_pass(600)
    assert "Dead right now. Its time is over." in late.words
    assert "UserInfo 401" in late.words
    walker.act("/refresh")
    assert "Good right now." in walker.get("/look").words


def test_a_family_that_is_not_used_for_a_month_runs_out(walker: Walker) -> None:
    walker.sign_in()
    over = walker.let_pass(31 * 86_400)
    assert "Token 0: void" in over.told
    assert over.told.endswith("it was not used for too long.")
    assert walker.act("/refresh").outcome == "The issuer refused, and this sign-in is over"


def test_signing_in_anew_gives_back_the_family_that_is_still_alive(walker: Walker) -> None:
    walker.sign_in()
    again = walker.sign_in()
    assert "the application gave it back" in again.words


def test_signing_out_gives_the_family_back_and_asks_at_the_issuer(walker: Walker, demo: Demonstration) -> None:
    page = walker.sign_in()
    asked = walker.press(page, "/sign-out")
    assert origin(asked.url) == demo.said["issuer"]
    assert asked.heading == "Sign out?"
    back = walker.press(asked, "/end_session", decision="sign_out")
    assert back.url == demo.said["application"] + "/"
    assert back.heading == "Sign in once"
    assert walker.get("/look").heading == "Sign in once"


def test_what_the_user_ends_at_the_issuer_shows_in_the_picture(walker: Walker, demo: Demonstration) -> None:
    page = walker.sign_in()
    family = re.search(r"fam_[A-Za-z0-9_-]{22}", page.text)[0]
    account = walker.get(demo.said["issuer"] + "/account")
    fields = {**account.fields("/account/family/end"), "id": family}
    walker.post("/account/family/end", fields, account.url)
    assert walker.get("/look").told.endswith("its user ended it.")


def test_a_long_chain_leaves_the_middle_out_of_its_picture(walker: Walker) -> None:
    walker.sign_in()
    for _ in range(7):
        page = walker.act("/refresh")
    assert "2 spent tokens not shown." in page.told
    assert "2 more spent tokens" in page.text
    assert len(re.findall(r'<input type="radio"', walker.get("/theft").text)) == 5


def test_every_step_shows_a_picture_that_is_named_for_screen_readers(walker: Walker) -> None:
    walker.sign_in()
    for path in ("/look", "/refresh", "/repeat", "/race", "/theft", "/aftermath", "/"):
        page = walker.get(path)
        assert page.status == 200
        assert 'role="img" aria-labelledby="family-title family-desc"' in page.text, path
        assert re.search(r'<title id="family-title">A family of 1 token, alive</title>', page.text), path
        identities = re.findall(r'\bid="([^"]*)"', page.text)
        assert len(identities) == len(set(identities)), path
