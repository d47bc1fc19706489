"""Keys about people: their sessions, their passwords, their failures, and the name on the pages."""

from __future__ import annotations

from dataclasses import dataclass

from evergrant.config import rules
from evergrant.config.key import DAY, HOUR, MINUTE, YEAR, key
from evergrant.config.kinds import Matching, Text
from evergrant.config.numbers import Duration, Whole


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The browser's session at the issuer."""

    idle_lifetime: int = key(
        Duration(1 * MINUTE, 1 * YEAR),
        14 * DAY,
        "How long a session lives without being used.",
        "Two weeks outlast a holiday's beginning and not a lost laptop.",
    )
    absolute_lifetime: int = key(
        Duration(1 * MINUTE, 1 * YEAR),
        90 * DAY,
        "How long a session lives altogether.",
        "A password is asked for four times a year on a device in daily use.",
    )
    cookie_name: str = key(
        Matching(rule=rules.require_cookie_name, wanted="a cookie name"),
        "",
        "The session cookie's name; empty means `__Host-evergrant` over https and `evergrant` on loopback.",
        "The __Host- prefix makes the browser refuse a cookie planted by a neighbouring subdomain.",
    )


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """How passwords are hashed (Argon2id) and what they must be."""

    memory_kib: int = key(
        Whole(7168, 4 * 1024 * 1024),
        65536,
        "The memory of one hash, in KiB.",
        "RFC 9106 section 4, second recommended option: 64 MiB; more of it would only limit sign-ins per second.",
    )
    iterations: int = key(Whole(1, 100), 3, "The passes over that memory.", "RFC 9106 section 4, second option.")
    parallelism: int = key(Whole(1, 64), 4, "The lanes of one hash.", "RFC 9106 section 4, second option.")
    workers: int = key(
        Whole(1, 64),
        2,
        "How many hashes run at once in one process.",
        "Two hold 128 MiB while they run; hashing never takes every core from refreshing.",
    )
    queue_limit: int = key(
        Whole(1, 10_000),
        32,
        "How many sign-ins may wait for a hash in one process; more are told to come back.",
        "At 50 to 100 ms a hash on two threads the last in the queue waits about a second and a half.",
    )
    queue_timeout: int = key(
        Duration(1, 1 * MINUTE),
        5,
        "How long a sign-in waits for its turn before it is told to come back.",
        "People reload a page that has not answered for five seconds, which would queue them twice.",
    )
    min_length: int = key(
        Whole(8, 64),
        12,
        "The shortest password that can be set, in characters.",
        "Twelve random lower-case letters are 2^56 guesses, out of reach at the ten thousand a second that a rack of "
        "graphics cards makes against stolen Argon2id hashes of this cost; eight letters (2^38) last eight months. "
        "NIST SP 800-63B-4 asks for fifteen where the password stands alone.",
    )
    max_length: int = key(
        Whole(64, 4096),
        256,
        "The longest password that is accepted, in characters.",
        "NIST SP 800-63B asks for at least 64; a bound keeps a megabyte from being hashed.",
    )


@dataclass(frozen=True, slots=True)
class ThrottleConfig:
    """How failed sign-ins are slowed down, per account and per network."""

    free_failures: int = key(
        Whole(0, 100),
        5,
        "How many failures of one account cost nothing.",
        "People mistype, try the old password, and find the caps-lock key.",
    )
    base_delay: int = key(
        Duration(1, 1 * HOUR),
        1,
        "The delay after the first failure that is not free; it doubles with each one more.",
        "Unnoticed by a person, and doubling makes it prohibitive within ten guesses.",
    )
    max_delay: int = key(
        Duration(1, 1 * DAY),
        15 * MINUTE,
        "The longest delay.",
        "96 guesses a day at most; and a stranger who fails on purpose locks nobody out for longer than a coffee.",
    )
    window: int = key(
        Duration(1 * MINUTE, 7 * DAY),
        1 * HOUR,
        "How long a failure is remembered.",
        "Four times the longest delay, so that waiting it out does not reset the count.",
    )
    network_limit: int = key(
        Whole(1, 1_000_000),
        100,
        "How many failures one network (an IPv4 address, an IPv6 /64) may make within the window.",
        "An office behind one address stays below it; a list of stolen passwords tried from one host does not.",
    )


@dataclass(frozen=True, slots=True)
class BrandingConfig:
    """What people read on the pages."""

    name: str = key(
        Text(64),
        "Evergrant",
        "The name on the pages.",
        "Something has to be there until it is yours.",
    )
    support_url: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "Where people who are stuck are sent; empty shows no link.",
        "No address is better than a wrong one.",
    )
