"""A request's body and query as one of our types, or a sentence that says which member is wrong."""

import re
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from msgspec import DecodeError, Struct, ValidationError, convert, json, structs

from evergrant.keeper.errors import BadRequest
from evergrant.protocol.error import Code, Refused
from evergrant.web.ask import Ask

S = TypeVar("S", bound=Struct)
_UNKNOWN: Final = re.compile(r"unknown field `(.{1,200}?)`")
_DEEP: Final = re.compile(r"([a-z]+)\[(.{1,255})\]")
_JSON: Final = "application/json"


def body(ask: Ask, kind: type[S]) -> S:
    """The JSON body as *kind*; an empty one stands for an object without members. Raises `BadRequest`, `Refused`."""
    if not ask.body:
        return _made({}, kind)
    if ask.header(b"content-type").partition(";")[0].strip().lower() != _JSON:
        raise Refused(Code.INVALID_REQUEST, "The body must be application/json.", status=415)
    try:
        return json.decode(ask.body, type=kind)
    except ValidationError as error:
        raise BadRequest(_sentence(error, kind)) from None
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {str(error)[:200]}") from None


def query(ask: Ask, kind: type[S]) -> S:
    """The query as *kind*; a table is written as `tag[team]=blue`. Raises `BadRequest`, `Refused`."""
    said: dict[str, Any] = {}
    for name, value in ask.parameters().values.items():
        deep = _DEEP.fullmatch(name)
        if deep is None:
            said[name] = value
        else:
            said.setdefault(deep[1], {})
            if isinstance(said[deep[1]], dict):
                said[deep[1]][deep[2]] = value
    return _made(said, kind)


def _made(said: dict[str, Any], kind: type[S]) -> S:
    try:
        return convert(said, kind, strict=False)
    except ValidationError as error:
        raise BadRequest(_sentence(error, kind)) from None


def _sentence(error: ValidationError, kind: type[Struct]) -> str:
    """What is wrong, in words; for an unknown member, what it may have been meant to be."""
    said = str(error)[:400]
    unknown = _UNKNOWN.search(said)
    if unknown is None:
        return f"{said[:1].lower()}{said[1:]}"
    known = [field.encode_name for field in structs.fields(kind)]
    near = get_close_matches(unknown[1], known, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}" if known else "; there is none"
    return f"unknown member {ascii(unknown[1])[:80]}{hint}"
