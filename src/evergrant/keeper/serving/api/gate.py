"""The way from a request to an operation and back: who asks, may they, what do they say, what came of it."""

import logging
from typing import Final

from msgspec import Struct

from evergrant.keeper.serving.api import problems, reading
from evergrant.keeper.serving.api.bodies import Nothing
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.serving.api.operation import Operation
from evergrant.keeper.serving.api_keys import Scope
from evergrant.keeper.serving.house import House
from evergrant.keeper.serving.routing import parts, pattern
from evergrant.keeper.vault.port import ApiKey
from evergrant.observe.log import fields
from evergrant.web.answer import Answer, secret_json
from evergrant.web.app import Handler
from evergrant.web.ask import Ask

_LOG: Final = logging.getLogger("evergrant.keeper.api")
_CHALLENGE: Final = (b"www-authenticate", b'Bearer realm="evergrant keeper"')
_BEARER: Final = "bearer "
_EMPTY: Final = Nothing()


def handler(house: House, operation: Operation) -> Handler:
    """What answers *operation*."""
    shape, names = pattern(operation.path), parts(operation.path)

    async def answered(ask: Ask) -> Answer:
        try:
            key = await _asker(house, ask)
            if key is None:
                return _stranger()
            if operation.scope not in key.scopes and Scope.ADMIN not in key.scopes:
                return _forbidden(operation)
            found = shape.fullmatch(ask.path) if names else None
            named = dict(zip(names, found.groups(), strict=True)) if found else {}
            query = reading.query(ask, operation.query) if ask.query or operation.query is not Nothing else _EMPTY
            body = reading.body(ask, operation.body) if operation.body is not None else _EMPTY
            said = await operation.run(Call(house, key, named, query, body))
        except problems.TOLD as error:
            return _refused(house, operation, error)
        return _answer(said, operation.status)

    return answered


async def _asker(house: House, ask: Ask) -> ApiKey | None:
    header = ask.header(b"authorization")
    if header[: len(_BEARER)].lower() != _BEARER:
        return None
    return await house.keys.known(header[len(_BEARER) :].strip())


def _answer(said: Struct, status: int) -> Answer:
    return secret_json(said, status)


def _stranger() -> Answer:
    sentence = "an API key is needed: Authorization: Bearer egp_…, one that is known here and was not revoked"
    return problems.answer(problems.Problem(status=401, code="unauthorized", sentence=sentence), _CHALLENGE)


def _forbidden(operation: Operation) -> Answer:
    sentence = f"this needs a key with the scope {operation.scope}"
    return problems.answer(problems.Problem(status=403, code="forbidden", sentence=sentence))


def _refused(house: House, operation: Operation, error: Exception) -> Answer:
    problem = problems.of(error)
    house.metrics.problems.add(problem.code)
    if operation.scope is Scope.LEASES:
        house.metrics.leases.add(problem.code)
    # The sentence names accounts, which belong to the caller's users: the log tells the code alone.
    _LOG.debug("call refused", extra=fields(operation=operation.name, code=problem.code, reason=problem.reason))
    return problems.answer(problem)
