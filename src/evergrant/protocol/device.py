"""The device authorization grant as a client sees it: the first answer, and what each poll means (RFC 8628)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from evergrant.domain.secret import Secret

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL: Final = 5
SLOWER: Final = 5
LONGEST_INTERVAL: Final = 60
LONGEST_LIFE: Final = 86_400


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the user is shown and what is polled with. *until* in seconds since the epoch, *interval* in seconds."""

    device_code: Secret
    user_code: str
    verification_uri: str
    complete_uri: str
    until: int
    interval: int


class Poll(StrEnum):
    """What the answer to a poll means (section 3.5)."""

    ANSWERED = "answered"
    """Neither waiting nor ended: tokens, or an error like that of any token request."""
    PENDING = "authorization_pending"
    SLOWER = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


def read_device_code(members: Mapping[str, object], now: int) -> DeviceCode:
    """The first answer (section 3.2). Raises `ValueError` naming what is missing or strange.

    A missing lifetime counts as ten minutes. Google's `verification_url` is an older spelling of the same member.
    """
    code, user_code = _text(members, "device_code"), _text(members, "user_code")
    address = _address(members.get("verification_uri", members.get("verification_url")), "verification_uri")
    complete = members.get("verification_uri_complete")
    return DeviceCode(
        device_code=Secret(code),
        user_code=user_code,
        verification_uri=address,
        complete_uri=_address(complete, "verification_uri_complete") if complete else "",
        until=now + _seconds(members.get("expires_in"), 600, LONGEST_LIFE),
        interval=_seconds(members.get("interval"), DEFAULT_INTERVAL, LONGEST_INTERVAL),
    )


def poll_of(error: str) -> Poll:
    """What an error code, or its absence, says about waiting."""
    return Poll(error) if error in set(Poll) - {Poll.ANSWERED} else Poll.ANSWERED


def slower(code: DeviceCode) -> DeviceCode:
    """The same code, polled five seconds less often from now on (section 3.5)."""
    return replace(code, interval=min(code.interval + SLOWER, LONGEST_INTERVAL))


def backed_off(code: DeviceCode) -> DeviceCode:
    """The same code after trouble on the way: twice the interval, which never ends the waiting (section 3.5)."""
    return replace(code, interval=min(code.interval * 2, LONGEST_INTERVAL))


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value or len(value) > 4_096 or not value.isprintable():  # noqa: PLR2004
        msg = f"the device answer has no usable {name}"
        raise ValueError(msg)
    return value


def _address(value: object, name: str) -> str:
    # A person is asked to open this: `javascript:` or a control sequence for their terminal must not get that far.
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        msg = f"the device answer has no usable {name}"
        raise ValueError(msg)
    return _text({name: value}, name)


def _seconds(value: object, default: int, most: int) -> int:
    try:
        given = int(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else default
    except (ValueError, OverflowError):
        given = default
    return min(given, most) if given > 0 else default
