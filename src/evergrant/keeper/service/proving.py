"""Sending a request with a proof of the key that its tokens are, or are to be, bound to (RFC 9449).

A server that wants a nonce says so before it looks at anything else: nothing was spent, so the same request is sent
again, once, under the same intent. That answer is not journalled: kept, it would say "nothing was spent" of a
repetition whose own answer is lost.
"""

from collections.abc import Callable
from dataclasses import replace

from evergrant.domain.secret import Secret
from evergrant.keeper.exchange import Answer, Asked
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.wire.bearer import header
from evergrant.keeper.wire.proof import HEADER, Prover, asks_for_nonce
from evergrant.keys.port import KeyUnusable


def prover(ground: Ground, key: Secret | None) -> Prover | None:
    """What makes proofs with *key*, None without one. Raises `Unreadable` for what is no key."""
    if key is None:
        return None
    try:
        return Prover(key, ground.nonces, ground.clock, ground.entropy)
    except KeyUnusable as error:
        msg = "the key that these tokens are bound to cannot be read"
        raise Unreadable(msg) from error


async def send(ground: Ground, asked: Asked, key: Secret | None, seconds: Callable[[], float]) -> Answer:
    """The answer to *asked*, within *seconds* as they are when it leaves. Raises `NotSent`, `Lost`, `Unreadable`."""
    held = prover(ground, key)
    if held is None:
        return await ground.transport.send(asked, seconds())
    answer = await ground.transport.send(_proved(asked, held), seconds())
    if held.nonces.heard(asked.url, answer.headers) and asks_for_nonce(answer):
        answer = await ground.transport.send(_proved(asked, held), seconds())
        held.nonces.heard(asked.url, answer.headers)
    return answer


async def call(ground: Ground, asked: Asked, token: Secret, key: Secret | None, seconds: float) -> Answer:
    """The answer to a call with an access token, which is presented as bearer unless it is bound to *key*.

    Raises `NotSent`, `Lost`, `Unreadable`.
    """
    held = prover(ground, key)
    if held is None:
        return await ground.transport.send(asked, seconds)
    answer = await ground.transport.send(_presented(asked, held, token), seconds)
    if held.nonces.heard(asked.url, answer.headers) and asks_for_nonce(answer):
        answer = await ground.transport.send(_presented(asked, held, token), seconds)
        held.nonces.heard(asked.url, answer.headers)
    return answer


def bearer(provider: Provider, token: Secret, key: Secret | None) -> dict[str, str]:
    """The header that presents a token which is bound to nothing; none for one that `call` presents with its proof."""
    return dict([header(provider.bearer, token)]) if key is None else {}


def _proved(asked: Asked, held: Prover) -> Asked:
    return replace(asked, headers={**asked.headers, HEADER: held.proof(asked.method, asked.url)})


def _presented(asked: Asked, held: Prover, token: Secret) -> Asked:
    return replace(asked, headers={**asked.headers, **held.presented(asked.method, asked.url, token)})
