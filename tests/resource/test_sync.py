"""Without `await`: one verifier for many threads, one thread of its own, and a forked process that begins anew."""

import os
import threading

import pytest

from evergrant.resource import Follow, Refused, SyncVerifier, Why
from evergrant.testing.token_issuer import TokenIssuer

NAME = "evergrant-verifier"


def running() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_its_thread_begins_when_it_is_needed_and_ends_with_it(issuer: TokenIssuer) -> None:
    before = running()
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience, follow=Follow(*issuer.credentials)) as verifier:
        assert running() == before
        for _ in range(3):
            verifier.verify_token(issuer.token())
        assert running() == before + 1
    assert running() == before


def test_what_needs_nobody_is_answered_on_the_thread_that_asks(issuer: TokenIssuer) -> None:
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience) as verifier:
        token = issuer.token()
        access = verifier.verify_token(token)
        loop = verifier._own.running()
        held = threading.Event()
        loop.call_soon_threadsafe(held.wait)  # the verifier's own thread stands still
        try:
            assert verifier.verify_token(token) is access
            assert verifier.verify_token(issuer.token()).subject == access.subject
        finally:
            held.set()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of forks with threads
def test_a_forked_process_verifies_with_a_thread_of_its_own(issuer: TokenIssuer) -> None:
    follow = Follow(*issuer.credentials)
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience, follow=follow) as verifier:
        seen, new, dead = issuer.token(), issuer.token(), issuer.token()
        verifier.verify_token(seen)
        issuer.end(dead)
        child = os.fork()
        if child == 0:
            os._exit(_in_child(verifier, (seen, new), dead))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert verifier.verify_token(new).family


def _in_child(verifier: SyncVerifier, good: tuple[str, ...], dead: str) -> int:
    try:
        for token in good:
            verifier.verify_token(token)
    except Refused:
        return 1
    try:
        verifier.verify_token(dead)
    except Refused as refused:
        return 0 if refused.why is Why.ENDED else 2
    return 3
