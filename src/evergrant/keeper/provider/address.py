"""Addresses with placeholders: what is a good one, and what may fill a gap so that nothing leaves its place.

A client's secret and a user's code go wherever these addresses lead, and what fills them may come from a form or a
callback. So a value is one label, one host, one segment or one known origin, in plain lower ASCII, and nothing else.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from evergrant.fetch import address as fetch
from evergrant.fetch.address import LABEL, LONGEST_HOST, is_host, is_loopback
from evergrant.keeper.provider.model import Placeholder, Stands
from evergrant.keeper.provider.problem import Unfit

GAP: Final = re.compile(r"\{([^{}]*)\}")
NAME: Final = r"[a-z][a-z0-9_]{0,39}"
GIVEN: Final = frozenset({"client_id", "client_secret", "token", "redirect_uri"})
"""What is put in when a request is made; nobody declares these."""

_SHAPES: Final = {
    Stands.LABEL: re.compile(LABEL, re.ASCII),
    Stands.HOST: re.compile(rf"(?:{LABEL}\.){{1,8}}[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?", re.ASCII),
    Stands.SEGMENT: re.compile(r"(?!\.{1,2}$)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}", re.ASCII),
}
_EXPECTED: Final = {
    Stands.LABEL: "letters, digits and hyphens of a host name, such as my-shop",
    Stands.HOST: "a host name such as login.example.com",
    Stands.SEGMENT: "letters, digits, dots, hyphens, underscores and tildes",
    Stands.ORIGIN: "https:// and a host, such as https://accounts.example.com",
}


def gaps(address: str) -> tuple[str, ...]:
    """The names of the placeholders in *address*, in their order."""
    return tuple(GAP.findall(address))


def check_address(address: str) -> None:
    """Raise `Unfit` with a clause unless *address* is absolute, https, and clear about where it leads."""
    for name in gaps(address):
        if not re.fullmatch(NAME, name):
            raise Unfit(f"has a placeholder {{{ascii(name)[1:40]}}} whose name is not lower-case letters, digits, _")
    sample = GAP.sub(lambda gap: "https://x.example" if gap.start() == 0 else "x", address)
    if "{" in sample or "}" in sample:
        raise Unfit("has a brace that belongs to no placeholder")
    try:
        fetch.check_address(sample)
    except ValueError as error:
        raise Unfit(str(error)) from error


def fitting(rule: Placeholder, value: object) -> str:
    """*value* as it goes into an address. Raises `Unfit` with a clause that follows the placeholder's name."""
    if not isinstance(value, str) or not value:
        raise Unfit(f"must be {_EXPECTED[rule.stands]}")
    if len(value) > LONGEST_HOST:
        raise Unfit(f"is {len(value)} characters long; at most {LONGEST_HOST} are allowed")
    said = value if rule.stands is Stands.SEGMENT else value.lower()
    if rule.stands is Stands.ORIGIN:
        said = _origin(said, rule)
    elif not _SHAPES[rule.stands].fullmatch(said) and said not in rule.values:
        raise Unfit(f"must be {_EXPECTED[rule.stands]}, and nothing else")
    elif rule.stands is Stands.HOST and rule.hosts and not _below(said, rule.hosts):
        raise Unfit(_elsewhere(rule))
    if rule.values and said not in rule.values:
        raise Unfit(f"must be one of {', '.join(rule.values)}")
    return said


def _origin(value: str, rule: Placeholder) -> str:
    expected = f"must be {_EXPECTED[Stands.ORIGIN]}, and nothing else"
    if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+/?", value, re.ASCII):
        raise Unfit(expected)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unfit(expected) from error
    if not _below(host, rule.hosts):
        raise Unfit(_elsewhere(rule))
    if not is_loopback(host) and (parts.scheme != "https" or port not in {None, 443}):
        raise Unfit(expected)
    return value.rstrip("/")


def _below(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host == each or (each.startswith("*.") and host.endswith(each[1:]) and is_host(host)) for each in hosts)


def _elsewhere(rule: Placeholder) -> str:
    return f"must be at {', '.join(rule.hosts) or 'a host that the provider declares'}"
