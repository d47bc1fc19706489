"""What arrives on the wire before it is a request: too much, too slow, or readable in two ways. A real server process.

Limits in seconds are made short in that process; nothing else about it is changed.
"""

import socket
import threading
import time

import pytest

from tests.served import answer_on, served, status, until_closed

pytestmark = pytest.mark.long

SECONDS = 1
SILENCE = 4
PATCH = {
    "evergrant.serving.REQUEST_SECONDS": SECONDS,
    "evergrant.serving.KEEP_ALIVE_SECONDS": SILENCE,
    "evergrant.web.app.BODY_SECONDS": SECONDS,
}
FORM = b"content-type: application/x-www-form-urlencoded\r\n"
# A closed connection is noticed at the second look at the latest.
SOON = 4 * SECONDS


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("wire"), PATCH) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def head(server, line=b"POST /token HTTP/1.1", *headers):
    return b"\r\n".join([line, b"host: " + server.host.encode(), *headers]) + b"\r\n"


def alive(server):
    return status(server.exchange(head(server, b"GET /healthz HTTP/1.1", b"connection: close") + b"\r\n")) == 200


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


def test_a_03_a_declared_body_beyond_the_limit_is_refused_before_it_is_read(server):
    answer = server.exchange(head(server) + FORM + b"content-length: 1000000000\r\nconnection: close\r\n\r\n")
    assert status(answer) == 413
    assert b"too large" in answer


def test_a_03_an_endless_chunked_body_is_cut_off(server):
    sent, started = 0, time.monotonic()
    with server.connect() as link:
        link.sendall(head(server) + FORM + b"transfer-encoding: chunked\r\n\r\n")
        chunk = b"2000\r\n" + b"a" * 0x2000 + b"\r\n"
        try:
            while time.monotonic() - started < 2 * SOON:
                link.sendall(chunk)
                sent += len(chunk)
                if sent > 1_000_000:
                    time.sleep(0.05)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("the server read for ever")
    assert alive(server)


def test_a_03_an_endless_chunked_body_gets_413_where_anybody_listens(server):
    with server.connect() as link:
        link.sendall(head(server) + FORM + b"transfer-encoding: chunked\r\n\r\n")
        link.sendall((b"2000\r\n" + b"a" * 0x2000 + b"\r\n") * 9)
        assert status(answer_on(link)) == 413


def test_a_03_a_megabyte_of_header_is_refused_without_being_kept(server):
    before = server.memory()
    with server.connect() as link:
        link.sendall(head(server, b"GET / HTTP/1.1")[:-2] + b"\r\nx-long: ")
        try:
            for _ in range(2_000):
                link.sendall(b"a" * 8_192)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("the server took sixteen megabytes of one header line")
    assert server.memory() - before < 4_000_000
    assert alive(server)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /?" + b"a" * 1_000_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 40_000 + b": b\r\n\r\n",
    ],
    ids=["address", "value", "count", "name"],
)
def test_a_03_a_request_head_beyond_the_limit_gets_431(server, request_):
    with server.connect() as link:
        try:
            link.sendall(request_)
        except (BrokenPipeError, ConnectionResetError):
            return
        answer = until_closed(link)
    assert status(answer) in {431, 0}  # 0: the reset overtook the answer, for more was on its way
    assert alive(server)


def test_a_03_headers_within_the_door_and_beyond_the_configuration_get_431_as_a_page(server):
    long = b"x: " + b"a" * 20_000
    answer = server.exchange(head(server, b"GET /account HTTP/1.1", long, b"connection: close") + b"\r\n")
    assert status(answer) == 431
    assert b"<!doctype html>" in answer


def test_a_03_a_hundred_thousand_fields_are_refused(server):
    body = b"&".join(b"a%d=1" % n for n in range(100_000))
    assert status(server.exchange(_posted(server, body))) == 413
    small = b"&".join(b"%x=" % n for n in range(8_000))
    answer = server.exchange(_posted(server, small))
    assert status(answer) == 400
    assert b"more than 100 parameters" in answer


def test_a_03_one_megabyte_in_one_field_is_refused(server):
    assert status(server.exchange(_posted(server, b"code=" + b"a" * 1_000_000))) in {413, 0}
    assert status(server.exchange(_posted(server, b"code=" + b"a" * 60_000))) == 400


def _posted(server, body):
    return head(server) + FORM + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    "drip",
    [
        [b"GET / HTT"],
        [b"GET / HTTP/1.1\r\n", b"a: b\r\n"],
        [b"\r\n"],
        [b"POST /token HTTP/1.1\r\ncontent-length: 100\r\n\r\n", b"a"],
        [b"POST /token HTTP/1.1\r\ncontent-length: 100\r\n\r\n"],
        [b"POST /token HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;", b"x"],
    ],
    ids=["half a line", "headers", "empty lines", "a body", "no body", "a chunk's extension"],
)
def test_a_03_a_slow_loris_is_shut_out(server, drip):
    started = time.monotonic()
    with server.connect() as link:
        link.sendall(drip[0].replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nhost: " + server.host.encode() + b"\r\n"))
        link.settimeout(0.2)
        while time.monotonic() - started < 3 * SOON:
            try:
                if not link.recv(65_536):
                    break
            except TimeoutError:
                try:
                    link.sendall(drip[-1] if len(drip) > 1 or drip == [b"\r\n"] else b"")
                except (BrokenPipeError, ConnectionResetError):
                    break
            except ConnectionResetError:
                break
    assert time.monotonic() - started < SOON


def test_a_03_empty_lines_after_an_answer_do_not_hold_the_connection(server):
    started = time.monotonic()
    with server.connect() as link:
        link.sendall(head(server, b"GET /healthz HTTP/1.1") + b"\r\n")
        assert status(answer_on(link)) == 200
        link.settimeout(0.2)
        while time.monotonic() - started < 3 * SOON:
            try:
                link.sendall(b"\r\n")
                if not link.recv(65_536):
                    break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
    assert time.monotonic() - started < SOON


def test_a_03_fifty_lorises_keep_nobody_out(server):
    links = [server.connect() for _ in range(50)]
    try:
        for link in links:
            link.sendall(b"GET / HTTP/1.1\r\nhost: ")
        started = time.monotonic()
        assert alive(server)
        assert time.monotonic() - started < SECONDS
    finally:
        for link in links:
            link.close()


def test_a_03_a_quiet_connection_between_two_requests_is_left_alone(server):
    with server.connect() as link:
        link.sendall(head(server, b"GET /healthz HTTP/1.1") + b"\r\n")
        assert status(answer_on(link)) == 200
        time.sleep(2.5 * SECONDS)  # longer than a request may take: this is what is tested
        link.sendall(head(server, b"GET /healthz HTTP/1.1") + b"\r\n")
        assert status(answer_on(link)) == 200


def test_a_03_a_connection_that_stays_silent_after_an_answer_is_closed(server):
    with server.connect() as link:
        link.sendall(head(server, b"GET /healthz HTTP/1.1") + b"\r\n")
        assert status(answer_on(link)) == 200
        started = time.monotonic()
        link.settimeout(SILENCE + SOON)
        assert link.recv(65_536) == b""
    assert time.monotonic() - started >= SILENCE - SECONDS


GRANT = b"grant_type=refresh_token&client_id=x&refresh_token=y"


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5\r\ncontent-length: 5\r\n",
        b"content-length: 5, 5\r\n",
        b"content-length: +5\r\n",
        b"content-length: -1\r\n",
        b"content-length: 0x5\r\n",
        b"content-length : 5\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding : chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"x: a\r\n folded: b\r\ncontent-length: 5\r\n",
        b"x: a\rb\r\ncontent-length: 5\r\n",
        b"x: a\0b\r\ncontent-length: 5\r\n",
    ],
)
def test_a_07_a_length_that_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_answered(server, headers):
    hidden = b"0\r\n\r\n" + head(server, b"GET /healthz HTTP/1.1") + b"\r\n"
    answer = server.exchange(head(server) + FORM + headers + b"\r\n" + hidden)
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"alive" not in answer


def test_a_07_two_host_headers_are_refused(server):
    raw = head(server, b"GET /account HTTP/1.1", b"host: " + server.host.encode(), b"connection: close") + b"\r\n"
    assert status(server.exchange(raw)) == 400


def test_a_07_u_13_a_foreign_host_header_is_misdirected(server):
    raw = b"GET /account HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    assert status(server.exchange(raw)) == 421
    assert status(server.exchange(b"GET /account HTTP/1.0\r\n\r\n")) == 421


@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.example/account",
        b"http://evil.example@127.0.0.1/account",
        b"https://evil.example",
        b"ftp://HOST/account",
        b"@evil.example/account",
        b"evil.example/account",
        b"*",
        b"HOST",
        b"?a=b",
        b"\\account",
    ],
)
def test_a_07_a_target_that_is_no_path_of_ours_is_refused(server, target):
    line = b"GET " + target.replace(b"HOST", server.host.encode()) + b" HTTP/1.1"
    answer = server.exchange(head(server, line, b"connection: close") + b"\r\n")
    assert status(answer) == 400
    assert b"evil" not in answer


def test_a_07_an_absolute_target_that_names_the_same_host_is_read(server):
    line = b"GET http://" + server.host.encode() + b"/healthz HTTP/1.1"
    answer = server.exchange(head(server, line, b"connection: close") + b"\r\n")
    assert body_of(answer) == b"alive\n"


@pytest.mark.parametrize("path", [b"/@evil.example", b"//evil.example/account", b"/account@evil.example", b"/\xff"])
def test_a_07_a_path_that_looks_like_a_host_is_a_path_that_is_not_there(server, path):
    raw = head(server, b"GET " + path + b" HTTP/1.1", b"accept: text/html", b"connection: close") + b"\r\n"
    answer = server.exchange(raw)
    assert status(answer) in {400, 404}
    assert b"\r\nlocation:" not in answer.lower()


def test_a_07_what_follows_a_chunked_body_is_no_header(server):
    trailed = (
        head(server)
        + b"transfer-encoding: chunked\r\nconnection: close\r\ntrailer: content-type\r\n\r\n"
        + b"%x\r\n" % len(GRANT)
        + GRANT
        + b"\r\n0\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n"
    )
    answer = server.exchange(trailed)
    assert status(answer) == 400
    assert b"must be application/x-www-form-urlencoded" in answer


def test_a_07_an_offer_of_http_2_is_answered_in_http_1_and_the_connection_goes_on(server):
    with server.connect(5) as link:
        for _ in range(2):
            raw = head(server, b"GET /healthz HTTP/1.1", b"connection: upgrade", b"upgrade: h2c") + b"\r\n"
            link.sendall(raw)
            assert status(answer_on(link)) == 200
    assert status(server.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == 400


def test_a_07_pipelined_requests_are_answered_in_their_order(server):
    raw = head(server, b"GET /healthz HTTP/1.1") + b"\r\n" + head(server, b"GET /nowhere HTTP/1.1") + b"\r\n"
    last = head(server, b"GET /healthz HTTP/1.1", b"connection: close") + b"\r\n"
    answer = server.exchange(raw + last)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_a_07_garbage_behind_a_request_that_is_being_answered_is_not_answered_before_it(server):
    body = b"grant_type=x&client_id=y"
    raw = head(server) + FORM + b"content-length: %d\r\n\r\n" % len(body) + body + b"\x00\x01garbage\r\n\r\n"
    answer = server.exchange(raw)
    assert not answer or answer.split(b"HTTP/1.1 ")[1].startswith(b"401")


def test_a_11_garbage_is_not_logged_line_by_line(server):
    before = len(server.log.read_bytes())
    threads = [threading.Thread(target=_garbage, args=(server,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.log.read_bytes()) - before < 2_000


def _garbage(server):
    for _ in range(50):
        with server.connect() as link, socket.socket() as _:
            link.sendall(b"\x16\x03\x01 not http\r\n\r\n")
            until_closed(link)
