"""Connect links, and the visits that begin with one: sealed by us, so that nothing of them needs a row.

A link is good once and for minutes. It says for whom it was made; whoever opens it becomes a visitor as that user, so
an application hands it at once to the browser in which that user is signed in. A visit is a cookie of that browser.
"""

import json
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeVar

from evergrant.domain.base64url import decode, encode
from evergrant.domain.secret import digest
from evergrant.keeper.connection import Pending
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.sealing import Place, Unreadable
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.settings import ServingSettings
from evergrant.keeper.vault.port import Taken

T = TypeVar("T")
PARAM: Final = "link"
LONGEST: Final = 3_500
"""A visit must fit into a cookie, which browsers cut off at 4,096."""

_USED: Final = "keeper connect link"
_LINK: Final = Place("", "", "connect link")
_VISIT: Final = Place("", "", "connect visit")
MOST_BEGUN: Final = 5


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a link allows: one user of one tenant, some clients (all when empty), and what to ask for."""

    tenant: str
    user: str
    label: str
    clients: tuple[str, ...] = ()
    account: str = ""
    scopes: tuple[str, ...] = ()
    return_to: str = ""
    connection: str = ""
    """Set when one connection is to be allowed again."""
    once: str = ""
    until: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that came with a link. *begun*: marks of the authorizations that it was sent away for (K-05)."""

    invitation: Invitation
    until: int
    begun: tuple[str, ...] = ()

    def sent_away(self, state: str) -> "Visit":
        """The same browser after it was sent away with *state*; its latest few count."""
        return replace(self, begun=(*self.begun, mark(state))[-MOST_BEGUN:])

    def was_sent_away(self, state: str) -> bool:
        return bool(state) and mark(state) in self.begun


class Links:
    """Makes and reads both."""

    def __init__(self, keeper: Keeper, settings: ServingSettings) -> None:
        self._keeper = keeper
        self._settings = settings

    async def made(self, invitation: Invitation) -> tuple[str, int]:
        """The address to send the user's browser to, and until when it works."""
        ground = await self._ground()
        until = ground.clock.now() + self._settings.link_seconds
        said = replace(invitation, once=ground.draw(16), until=until)
        token = _sealed(ground, asdict(said), _LINK)
        if len(token) > LONGEST:
            msg = "that is too much for one link; name fewer scopes or clients"
            raise BadRequest(msg)
        return f"{self._settings.url('/connect')}?{PARAM}={token}", until

    async def read(self, token: str) -> Invitation | None:
        """What a link says, None when it is changed or over; whether it was used is another question."""
        ground = await self._ground()
        said = _opened(ground, token, _LINK, _invitation)
        return said if said is not None and said.until > ground.clock.now() else None

    async def spend(self, invitation: Invitation) -> Visit | None:
        """The visit that the link begins; None when it was used before."""
        ground = await self._ground()
        now = ground.clock.now()
        used = digest(_USED, invitation.once)
        try:
            await ground.vault.await_callback(
                Pending(used, invitation.tenant, "", "", invitation.user, now, invitation.until, b"")
            )
        except Taken:
            return None
        return Visit(invitation, now + self._settings.visit_seconds)

    async def known(self, person_tenant: str, user: str, label: str) -> Visit:
        """A visit of somebody whom the application itself has told."""
        ground = await self._ground()
        invitation = Invitation(person_tenant, user, label or user, account=user)
        return Visit(invitation, ground.clock.now() + self._settings.visit_seconds)

    async def written(self, visit: Visit) -> str:
        """The text of a visit's cookie."""
        return _sealed(await self._ground(), asdict(visit), _VISIT)

    async def visit(self, text: str) -> Visit | None:
        """The visit behind a cookie; None when it is changed or over."""
        ground = await self._ground()
        found = _opened(ground, text, _VISIT, _visit)
        return found if found is not None and found.until > ground.clock.now() else None

    async def _ground(self) -> Ground:
        return (await self._keeper.rooms()).ground


def mark(state: str) -> str:
    """What a visit keeps of a state: enough to know it again, nothing to use it with."""
    return digest("keeper begun", state).hex()[:24]


def _sealed(ground: Ground, said: dict[str, Any], place: Place) -> str:
    return encode(ground.sealer.seal(json.dumps(said).encode(), place)).decode("ascii")


def _opened(ground: Ground, text: str, place: Place, build: Callable[[dict[str, Any]], T]) -> T | None:
    if not text or len(text) > LONGEST or not text.isascii():
        return None
    try:
        return build(json.loads(ground.sealer.unseal(decode(text), place)))
    except (Unreadable, NotBase64, ValueError, TypeError, KeyError):
        return None


def _invitation(said: dict[str, Any]) -> Invitation:
    return Invitation(**{**said, "clients": tuple(said["clients"]), "scopes": tuple(said["scopes"])})


def _visit(said: dict[str, Any]) -> Visit:
    return Visit(_invitation(said["invitation"]), said["until"], tuple(said["begun"]))
