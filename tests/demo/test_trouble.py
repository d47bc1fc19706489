"""What goes wrong is told kindly, and nothing is lost or taken over."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.demo.demonstration import Demonstration, Walker, demonstration

pytestmark = pytest.mark.long


def test_a_no_at_the_consent_page_is_told_kindly(tmp_path) -> None:
    with demonstration(tmp_path) as demo:
        page = demo.walker().sign_in(decision="deny")
        assert (page.status, page.heading) == (200, "You said no, and that is fine")
        assert "It got no token" in page.words
        assert "access_denied" in page.words
        assert 'href="/sign-in">Ask me again' in page.text


def test_an_answer_that_nobody_asked_for_is_refused_with_its_state(walker: Walker) -> None:
    page = walker.get("/callback?code=egc_x&state=planted&iss=http://127.0.0.1:1")
    assert (page.status, page.heading) == (400, "You are not signed in")
    assert "does not belong to a sign-in that this browser began here" in page.words


def test_an_answer_for_another_browser_is_refused(walker: Walker, demo: Demonstration) -> None:
    page = walker.get("/sign-in")
    page = walker.press(page, "/sign-in", username=walker.username, password=walker.password)
    form = page.fields("/consent") if page.has_form("/consent") else None
    if form is None:  # remembered: the code went straight to the callback, so ask for another one by hand
        answer = code_for(walker)
    else:
        reply = walker.http.post(f"{demo.said['issuer']}/consent", data={**form, "decision": "allow"})
        answer = reply.headers["location"]
    other = demo.walker()
    stolen = other.get(answer)
    assert (stolen.status, stolen.heading) == (400, "You are not signed in")
    assert other.get("/look").heading == "Sign in once"


def code_for(walker: Walker) -> str:
    """The answer that the issuer sends the browser with, not followed into the application."""
    begun = walker.http.get(f"{walker.application}/sign-in").headers["location"]
    reply = walker.http.get(begun)
    while not reply.headers["location"].startswith(walker.application):
        reply = walker.http.get(httpx2.URL(begun).join(reply.headers["location"]))
    return reply.headers["location"]


def test_an_answer_from_another_issuer_is_refused(walker: Walker) -> None:
    walker.sign_in()
    answer = code_for(walker)
    mixed = answer.replace("iss=http%3A%2F%2F127.0.0.1", "iss=http%3A%2F%2F127.0.0.2")
    assert mixed != answer
    page = walker.get(mixed)
    assert (page.status, page.heading) == (400, "You are not signed in")
    assert "another issuer than the one that was asked" in page.words


def test_the_same_answer_twice_is_refused(walker: Walker) -> None:
    walker.sign_in()
    answer = code_for(walker)
    assert walker.get(answer).heading == "Look at what you were given"
    assert walker.get(answer).status == 400


def test_a_sign_in_asks_for_everything_that_protects_it(walker: Walker, demo: Demonstration) -> None:
    url = urlsplit(walker.http.get(f"{walker.application}/sign-in").headers["location"])
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == demo.said["application"] + "/callback"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    again = parse_qs(urlsplit(walker.http.get(f"{walker.application}/sign-in").headers["location"]).query)
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & {
        again[name][0] for name in ("state", "nonce", "code_challenge")
    }


@pytest.mark.parametrize("path", ["/refresh", "/repeat", "/race", "/theft", "/time", "/sign-out"])
def test_a_form_without_the_browsers_own_mark_changes_nothing(walker: Walker, path: str) -> None:
    walker.sign_in()
    page = walker.post(path, {"csrf": "forged", "seconds": "61", "token": "0"})
    assert (page.status, page.heading) == (400, "This did not work")
    assert "Token 0: the newest, unspent" in walker.get("/look").told


def test_whoever_is_not_signed_in_is_led_to_the_first_step(walker: Walker) -> None:
    for path in ("/look", "/refresh", "/repeat", "/race", "/theft", "/aftermath"):
        assert walker.get(path).heading == "Sign in once"


@pytest.mark.parametrize("token", ["", "-1", "x", "99", "1" * 40, "٣"])
def test_a_token_that_the_thief_cannot_have_is_no_act(walker: Walker, token: str) -> None:
    walker.sign_in()
    page = walker.press(walker.get("/theft"), "/theft", token=token)
    assert page.status == 200
    assert page.outcome == ""
    assert "Token 0: the newest, unspent" in page.told


@pytest.mark.parametrize(("seconds", "back"), [("60", "/look"), ("-61", "/look"), ("61", "http://127.0.0.1:1/")])
def test_the_clock_moves_by_the_offered_steps_and_leads_back_into_the_tour(
    walker: Walker, demo: Demonstration, seconds: str, back: str
) -> None:
    page = walker.sign_in()
    fields = page.fields("/time")
    reply = walker.http.post(f"{walker.application}/time", data={**fields, "seconds": seconds, "back": back})
    assert reply.headers["location"] == "/look"


def test_another_host_name_gets_nothing(demo: Demonstration) -> None:
    with httpx2.Client(trust_env=False) as http:
        assert http.get(demo.said["application"], headers={"host": "evil.example"}).status_code == 421


def test_an_unknown_address_leads_back_to_the_tour(walker: Walker) -> None:
    for path in ("/nowhere", "/static/", "/static/../site.py", "/static/evergrant.css"):
        page = walker.get(path)
        assert (page.status, page.heading) == (404, "There is nothing here")


def test_a_method_that_is_not_offered_is_told_as_a_page(walker: Walker) -> None:
    reply = walker.http.request("POST", f"{walker.application}/look", data={})
    assert reply.status_code == 405
    assert "This did not work" in reply.text


def test_the_pages_load_what_they_name_and_it_may_be_kept(walker: Walker) -> None:
    page = walker.get("/")
    for path in ("/static/evergrant.", "/static/demo.", "/static/mark."):
        found = page.text.split(f'"{path}', 1)[1].split('"', 1)[0]
        reply = walker.http.get(f"{walker.application}{path}{found}")
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]


def test_a_browser_gets_another_cookie_when_it_signs_in(walker: Walker) -> None:
    walker.http.get(f"{walker.application}/sign-in")
    name = f"evergrant-sample-{urlsplit(walker.application).port}"
    before = walker.http.cookies[name]
    walker.sign_in()
    assert walker.http.cookies[name] != before


def test_two_browsers_do_not_see_each_other(demo: Demonstration) -> None:
    one, other = demo.walker(), demo.walker()
    one.sign_in()
    one.act("/refresh")
    other.sign_in()
    assert "Token 0: the newest, unspent" in other.get("/look").told
    assert "Token 1: the newest, unspent" in one.get("/look").told
