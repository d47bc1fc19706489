"""What the application does with its refresh token: use it, lose a reply and try again, race with itself.

Each act presents tokens to the issuer over HTTP and tells what came of it. What the thief does is next door (`theft`).
"""

import asyncio
from typing import Final

from evergrant.demo.oidc import OidcClient, Reply
from evergrant.demo.outcome import Line, Outcome
from evergrant.demo.visitor import Purse
from evergrant.domain.secret import fingerprint

RACERS: Final = 10
OK: Final = 200


async def refresh(purse: Purse, client: OidcClient, agent: str) -> Outcome:
    """Present the newest token, once."""
    before = purse.current
    reply = await client.refresh(purse.head, agent, purse.tokens)
    if reply.tokens is None:
        return refused(purse, reply)
    place = purse.take(reply.tokens)
    line = _line("The application", purse, reply)
    if place in purse.stolen:
        return Outcome(
            "warning",
            "You got the very token that the thief got",
            (
                (
                    f"Your token {before} was spent by the thief a moment ago. Inside the overlap the issuer "
                    "cannot tell that from a lost reply, so it gave you the same successor: one chain, in two hands."
                ),
                "Whichever of you presents a spent token outside the overlap ends it for both.",
            ),
            (line,),
            (reply.exchange,),
        )
    return Outcome(
        "good",
        f"One step on: token {before} is spent, token {place} is the newest",
        ("The spent token is good for nothing now but a retry of this very request, for a minute.",),
        (line,),
        (reply.exchange,),
    )


async def repeat(purse: Purse, client: OidcClient, agent: str) -> Outcome:
    """Present the newest token, take the reply for lost, and present the same token again."""
    presented, before = purse.head, purse.current
    lost = await client.refresh(presented, agent, purse.tokens)
    if lost.tokens is None:
        return refused(purse, lost)
    again = await client.refresh(presented, agent, purse.tokens)
    if again.tokens is None:
        return refused(purse, again)
    purse.take(again.tokens)
    lines = (_line("The reply that was lost", purse, lost), _line("The reply to the retry", purse, again))
    same = lost.tokens.refresh == again.tokens.refresh
    return Outcome(
        "good" if same else "bad",
        "The retry got the same successor" if same else "The retry got another successor",
        (
            f"Token {before} was presented twice. Both answers carry the same refresh token: compare the fingerprints.",
            "The application goes on as if nothing had been lost, and nobody was signed out.",
        ),
        lines,
        (lost.exchange, again.exchange),
    )


async def race(purse: Purse, client: OidcClient, agent: str) -> Outcome:
    """Present the newest token ten times at once."""
    presented, before = purse.head, purse.current
    replies = await asyncio.gather(*(client.refresh(presented, agent, purse.tokens) for _ in range(RACERS)))
    good = [reply for reply in replies if reply.tokens is not None]
    if not good or good[-1].tokens is None:
        return refused(purse, replies[0])
    place = purse.take(good[-1].tokens)
    successors = {reply.tokens.refresh for reply in good if reply.tokens is not None}
    lines = tuple(_line(f"Request {number}", purse, reply) for number, reply in enumerate(replies, 1))
    whole = len(good) == RACERS and len(successors) == 1
    return Outcome(
        "good" if whole else "bad",
        f"{len(good)} of {RACERS} answered 200, with {len(successors)} successor" + ("" if whole else "s"),
        (
            f"One request spent token {before}; the others came a moment too late and were recognised as repeats.",
            f"All hold token {place}. The picture shows one chain, and how often token {before} came again.",
        ),
        lines,
        (good[-1].exchange,),
    )


def refused(purse: Purse, reply: Reply) -> Outcome:
    """The issuer gave no tokens: what an application can know, and what it has to do."""
    if reply.status >= 500:  # noqa: PLR2004 - HTTP
        return Outcome(
            "warning",
            "The issuer cannot answer right now",
            ("Nothing was changed, and a retry is safe.",),
            (Line("The application", reply.status, remark=reply.error),),
            (reply.exchange,),
        )
    purse.refused = True
    return Outcome(
        "bad",
        "The issuer refused, and this sign-in is over",
        (
            "The application is told invalid_grant and no more: start again. So it has to ask you to sign in.",
            "Why it was refused, the issuer's own records tell: the picture, and the list of what it wrote down.",
        ),
        (Line("The application", reply.status, remark=reply.error),),
        (reply.exchange,),
    )


def _line(who: str, purse: Purse, reply: Reply) -> Line:
    if reply.tokens is None:
        return Line(who, reply.status, remark=reply.error)
    token = reply.tokens.refresh
    place = next((place for place, held in purse.held.items() if held == token), -1)
    return Line(who, reply.status, place, fingerprint(token.reveal()))
