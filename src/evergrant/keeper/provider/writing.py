"""A provider as the file that would describe it: what was discovered, or what is in force after all overrides."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, Final

from evergrant.fetch.address import is_plain
from evergrant.keeper.provider.model import ErrorShape, Limits, Placeholder, Provider, Reply, Revoke
from evergrant.keeper.provider.rules import addresses
from evergrant.keeper.provider.schema import FACTS, LISTED

_ALWAYS: Final = frozenset({"name", "checked_on", "sources"})
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDEST: Final = 110


def written(provider: Provider) -> str:
    """The TOML of *provider*. Read again, it is the same provider.

    Facts that would be the same without the file are left out, unless they are marked as unverified. A file needs
    `checked_on` and `sources`, so whoever writes a discovered provider down says on which day that was.
    """
    lines = ["#:schema ./provider.schema.json", *_facts(provider)]
    for name in LISTED:
        shapes = [_inline(_stated(provider, name, shape, ErrorShape())) for shape in getattr(provider, name)]
        if shapes:
            lines += [f"{name} = [", *(f"  {shape}," for shape in shapes), "]"]
    lines += [line for title, table in _tables(provider) for line in ("", f"[{title}]", *_pairs(table))]
    return "\n".join(lines) + "\n"


def _facts(provider: Provider) -> Iterator[str]:
    plain = Provider("", "")
    for fact in FACTS:
        if fact.name == "loopback_http":
            if any(is_plain(address) for address in addresses(provider).values()):
                yield "loopback_http = true"
        elif fact.name == "scopes":
            continue  # a table of its own is easier to read
        else:
            value = getattr(provider, fact.name)
            if fact.name in {*_ALWAYS, *provider.unverified} or value != getattr(plain, fact.name):
                yield f"{fact.name} = {_value(value)}"


def _tables(provider: Provider) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if len(provider.records) == 1 and provider.records[0].name == "main":
        yield from _unless_empty("reply", _stated(provider, "reply", provider.records[0].reply, Reply()))
    else:
        for record in provider.records:
            title = f"records.{record.name}"
            told = {"access_token": record.reply.access_token, **_stated(provider, title, record.reply, Reply())}
            yield title, told | {"flat_on_refresh": record.flat_on_refresh}
    yield from _unless_empty("scopes", provider.scopes)
    for name, rule in provider.fills.items():
        title = f"placeholders.{name}"
        yield title, {"stands": rule.stands, **_stated(provider, title, rule, Placeholder(rule.stands))}
    yield from _unless_empty("limits", _stated(provider, "limits", provider.limits, Limits()))
    told = {"verb": provider.revoke.verb, "blast_radius": provider.revoke.blast_radius}
    yield "revoke", told | _stated(provider, "revoke", provider.revoke, Revoke())


def _unless_empty(title: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if table:
        yield title, table


def _stated(provider: Provider, title: str, part: Any, plain: Any) -> dict[str, Any]:
    """The members of a part that are not as they would be anyway, or are marked as unverified."""
    pairs = {each.name: getattr(part, each.name) for each in fields(part)}
    return {
        name: value
        for name, value in pairs.items()
        if value != getattr(plain, name) or f"{title}.{name}" in provider.unverified
    }


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{_key(name)} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | StrEnum):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return _inline(value)
    return _list(value)


def _inline(table: Mapping[str, Any]) -> str:
    inner = ", ".join(f"{_key(name)} = {_value(value)}" for name, value in table.items())
    return f"{{ {inner} }}" if inner else "{}"


def _list(values: Iterable[Any]) -> str:
    entries = [_value(value) for value in values]
    line = f"[{', '.join(entries)}]"
    return line if len(line) <= _WIDEST else "\n".join(["[", *(f"  {entry}," for entry in entries), "]"])


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)
