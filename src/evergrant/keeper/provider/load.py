"""From facts to a `Provider`: a whole file, or an override on top of one.

What lives here: how the tables of a file become the parts of the model, and how an override is laid over them. What
must not: what a file may say (`schema`), where files lie (`catalog`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from evergrant.keeper.provider.address import NAME, gaps
from evergrant.keeper.provider.document import Document, read_document
from evergrant.keeper.provider.kinds import Table, shown
from evergrant.keeper.provider.model import ErrorShape, Placeholder, Provider, Reply, Revoke, TokenRecord
from evergrant.keeper.provider.problem import BadProvider, Problem, Trail
from evergrant.keeper.provider.reading import Stated, read_facts
from evergrant.keeper.provider.rules import addresses, contradictions
from evergrant.keeper.provider.schema import BY_NAME

_MERGED: Final = frozenset(name for name, fact in BY_NAME.items() if isinstance(fact.kind, Table))
_FLAG: Final = "loopback_http"


def load_file(path: Path) -> Provider:
    """Load the provider whose id is the file's name. Raises `BadProvider` with everything that is wrong."""
    return provider_of(read_document(path), path.stem)


def provider_of(document: Document, provider_id: str) -> Provider:
    """The provider that a document describes. Raises `BadProvider`."""
    provider, problems = judged(document, provider_id)
    if problems:
        raise BadProvider(problems)
    return provider


def judged(document: Document, provider_id: str) -> tuple[Provider, tuple[Problem, ...]]:
    """What can be understood of a document, and everything that is wrong with it."""
    facts = read_facts(document.values, document.place, whole=True)
    provider = _laid_over(Provider(provider_id, provider_id), facts)
    problems = [*facts.problems, *_unknown_unverified(facts, document)]
    if not re.fullmatch(NAME, provider_id):
        says = f"is named {shown(provider_id)}; its name is the provider's id: lower-case letters, digits and _"
        problems.append(Problem((), says, document.place(())))
    if not facts.problems:
        loopback = facts.values.get(_FLAG) is True
        found = contradictions(provider, loopback=loopback)
        problems += [Problem(trail, says, document.place(trail)) for trail, says in found]
    return provider, tuple(problems)


def overridden(provider: Provider, override: Mapping[str, object], whose: str) -> Provider:
    """*provider* with the facts of *override* in place of its own. Raises `BadProvider`, whose places are *whose*.

    Tables are merged, and an empty text removes an entry; everything else is replaced. Whoever overrides a fact vouches
    for it, so it is no longer among the unverified ones.
    """

    def place(_trail: Trail) -> str:
        return whose

    facts = read_facts(override, place, whole=False)
    if facts.problems:
        raise BadProvider(facts.problems)
    if "reply" in facts.values and len(provider.records) > 1:
        names = ", ".join(record.name for record in provider.records)
        raise BadProvider([Problem(("reply",), f"is ambiguous: override records.<name>, one of {names}", whose)])
    changed = _laid_over(provider, facts)
    stated = facts.names
    changed = replace(changed, unverified=tuple(name for name in changed.unverified if name not in stated))
    loopback = facts.values.get(_FLAG) is True or _has_plain(provider)
    before = set(contradictions(provider, loopback=True))
    found = [each for each in contradictions(changed, loopback=loopback) if each not in before]
    if found:
        raise BadProvider(Problem(trail, says, whose) for trail, says in found)
    return changed


def _has_plain(provider: Provider) -> bool:
    return any(address.startswith("http:") for address in addresses(provider).values())


def _laid_over(base: Provider, facts: Stated) -> Provider:
    values = facts.values
    fields: dict[str, Any] = {name: value for name, value in values.items() if name in BY_NAME and name != _FLAG}
    for name in _MERGED & fields.keys():
        merged = {**getattr(base, name), **fields[name]}
        fields[name] = {key: value for key, value in merged.items() if value != ""}
    if "revoke" in values:
        fields["revoke"] = _revoke(base.revoke, values["revoke"])
    if "limits" in values:
        fields["limits"] = replace(base.limits, **values["limits"])
    for name in ("dead_grant", "client_errors"):
        if name in values:
            fields[name] = tuple(ErrorShape(**shape) for shape in values[name])
    fields["records"] = _records(base.records, values)
    fills = dict(base.fills)
    for name, said in values.get("placeholders", {}).items():
        if name in fills:
            fills[name] = replace(fills[name], **said)
        elif "stands" in said:
            fills[name] = Placeholder(**said)
    changed = replace(base, **fields, fills=fills)
    used = {name for address in addresses(changed).values() for name in gaps(address)}
    return replace(changed, placeholders=tuple(name for name in fills if name in used))


def _revoke(base: Revoke, said: Mapping[str, Any]) -> Revoke:
    """A verb that is overridden begins anew: the address of one verb is wrong for another."""
    anew = "verb" in said and said["verb"] is not base.verb
    return Revoke(**said) if anew else replace(base, **said)


def _records(base: tuple[TokenRecord, ...], values: Mapping[str, Any]) -> tuple[TokenRecord, ...]:
    if "records" in values:
        named = values["records"]
        known = {record.name: record for record in base if any(each.name in named for each in base)}
        for name, said in named.items():
            reply = {member: path for member, path in said.items() if member != "flat_on_refresh"}
            record = known.get(name, TokenRecord(name, Reply()))
            flat = said.get("flat_on_refresh", record.flat_on_refresh)
            known[name] = TokenRecord(name, replace(record.reply, **reply), flat)
        return tuple(known.values()) or base
    if "reply" in values:
        return (replace(base[0], reply=replace(base[0].reply, **values["reply"])), *base[1:])
    return base


def _unknown_unverified(facts: Stated, document: Document) -> list[Problem]:
    trail = ("unverified",)
    return [
        Problem(trail, f"names {name}, which the file does not state", document.place(trail))
        for name in facts.values.get("unverified", ())
        if name not in facts.names
    ]
