"""What the thief does: presents a copied refresh token from another address, under another name.

What the thief holds is copied from the application's purse; how it was copied (a backup, a log, an infected device) is
left to the reader. Everything after that is real: another connection, another address, the same endpoint.
"""

import socket
from typing import Final, NamedTuple

from evergrant.demo.acts import OK
from evergrant.demo.oidc import OidcClient, Reply
from evergrant.demo.outcome import Line, Outcome
from evergrant.demo.visitor import Purse
from evergrant.domain.family import Family
from evergrant.domain.secret import Secret, fingerprint

ADDRESS: Final = "127.0.0.66"
AGENT: Final = "curl/8.11.1"
MOST_CHOICES: Final = 5


def thief_address(issuer: str) -> str:
    """An address to reach *issuer* from that is not the application's, or nothing where the machine has only one."""
    if "[" in issuer:
        return ""
    with socket.socket(socket.AF_INET) as probe:
        try:
            probe.bind((ADDRESS, 0))
        except OSError:
            return ""
    return ADDRESS


class Choice(NamedTuple):
    """One token that may have been copied. *left*: seconds for which it may still come again."""

    place: int
    fingerprint: str
    behind: int
    left: int
    chosen: bool = False


def choices(purse: Purse, family: Family, now: int) -> tuple[Choice, ...]:
    """Every token the thief may have copied, oldest first; what is spent beyond doubt is proposed."""
    head, known = family.head, {**purse.held, **purse.stolen}
    places = sorted(place for place in known if place <= head.generation)
    if len(places) > MOST_CHOICES:
        places = [places[0], *places[1 - MOST_CHOICES :]]
    found = [
        Choice(place, fingerprint(known[place].reveal()), head.generation - place, _left(family, place, now))
        for place in places
    ]
    wanted = next((one.place for one in found if one.behind and not one.left), found[0].place if found else -1)
    return tuple(one._replace(chosen=one.place == wanted) for one in found)


def _left(family: Family, place: int, now: int) -> int:
    """For how long a token may still come again: only the immediate predecessor, until its overlap ends."""
    head = family.head
    if family.ended is not None or place != head.generation - 1 or head.sealed is None:
        return 0
    return max(head.overlap_end - now, 1) if now <= head.overlap_end else 0


async def present(purse: Purse, client: OidcClient, place: int, *, dead: bool) -> Outcome | None:
    """Present the copy of the token at *place*; None when there is no such token. *dead*: the family ended before."""
    copied = purse.held.get(place) or purse.stolen.get(place)
    if copied is None:
        return None
    newest = max({*purse.held, *purse.stolen})
    reply = await client.refresh(copied, AGENT)
    if reply.tokens is None:
        return _nothing(place, reply) if dead or reply.status >= 500 else _caught(place, reply)  # noqa: PLR2004 - HTTP
    return _served(purse, place, reply, reply.tokens.refresh, first=place == newest)


def _caught(place: int, reply: Reply) -> Outcome:
    return Outcome(
        "good",
        "The thief got nothing, and the stolen sign-in is dead",
        (
            f"Token {place} is genuine, but it was spent before, so two may hold it. The issuer ended the family.",
            "The thief is told invalid_grant and not why. Go on to see what the issuer did, and what you are told.",
        ),
        (Line("The thief", reply.status, place, remark=reply.error),),
        (reply.exchange,),
    )


def _nothing(place: int, reply: Reply) -> Outcome:
    return Outcome(
        "plain",
        "Refused, and nothing changed",
        ("The family had ended before, and an end is for ever. There is nothing left to steal.",)
        if reply.status < 500  # noqa: PLR2004 - HTTP
        else ("The issuer cannot answer right now. Try again.",),
        (Line("The thief", reply.status, place, remark=reply.error),),
        (reply.exchange,),
    )


def _served(purse: Purse, place: int, reply: Reply, token: Secret, *, first: bool) -> Outcome:
    got = place + 1
    purse.stolen[got] = token
    line = Line("The thief", OK, got, fingerprint(token.reveal()))
    if first:
        words = (
            (
                f"Token {place} was the newest, and the thief was first: nothing about that request was wrong. Now "
                f"the thief holds token {got}, and your token {place} is spent without your knowing."
            ),
            (
                "Now refresh as the application (step 3). Within a minute you get the thief's own successor. Later "
                "than that, your honest token is the reuse, and the family ends for both of you."
            ),
        )
        return Outcome("warning", "The thief was served, for now", words, (line,), (reply.exchange,))
    words = (
        (
            f"Token {place} was spent a moment ago, and inside the overlap the issuer cannot tell a thief from a lost "
            "reply. It forked nothing: the thief got the very successor that you already hold."
        ),
        "Let a minute pass and try again. The repeat is on record, with the other network beside it.",
    )
    return Outcome("warning", "Too early to tell: the thief got your own successor", words, (line,), (reply.exchange,))
