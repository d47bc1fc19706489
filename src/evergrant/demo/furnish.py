"""What a demo begins with: one account, the sample application and the sample API, registered as an operator would.

Run again on a directory that was kept, it gives the account a new password and the clients their new addresses.
"""

from dataclasses import dataclass
from typing import Any, Final

from evergrant.assembly import House
from evergrant.domain.client import AuthMethod, Client, ClientType
from evergrant.domain.registration import GRANTS_OF, PRESET_OF
from evergrant.domain.secret import Secret
from evergrant.entropy import Entropy
from evergrant.issuer.service.accounts import NoSuchAccount
from evergrant.issuer.service.clients import NoSuchClient

USERNAME: Final = "ada@example.com"
FULL_NAME: Final = "Ada Lovelace"
SAMPLE: Final = "Sample application"
API: Final = "Sample API"
SCOPES: Final = ("openid", "profile", "email", "offline_access")

_CONSONANTS: Final = "bdfghklmnprstvwz"
_VOWELS: Final = "aeio"
_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Furnished:
    """Who can sign in, and the two clients. *api_secret* authenticates the API where it asks about tokens."""

    username: str
    password: str
    sample: Client
    api: Client
    api_secret: Secret


async def furnish(house: House, app: str) -> Furnished:
    """Account and clients for a sample application at the address *app*."""
    password = pronounceable(house.entropy)
    await _account(house, password)
    sample = await _client(
        house, SAMPLE, ClientType.SPA, AuthMethod.NONE,
        redirect_uris=(f"{app}/callback",), post_logout_redirect_uris=(f"{app}/",), scopes=SCOPES,
    )  # fmt: skip
    await _client(house, API, ClientType.SERVICE, AuthMethod.BASIC, resources=(house.config.default_resource,))
    api, secret = await house.clients.rotate_secret(API, overlap=0)
    return Furnished(USERNAME, password, sample, api, secret)


async def _account(house: House, password: str) -> None:
    try:
        await house.accounts.set_password(USERNAME, password)
    except NoSuchAccount:
        await house.accounts.add(USERNAME, password, claims={"name": FULL_NAME}, email_verified=True)


async def _client(house: House, name: str, type_: ClientType, method: AuthMethod, **addresses: Any) -> Client:
    try:
        return await house.clients.update(name, **addresses)
    except NoSuchClient:
        shape: dict[str, Any] = {"redirect_uris": (), "scopes": (), **addresses}
        fresh = Client(
            id=house.clients.new_id(), name=name, type=type_, auth_method=method, created_at=house.clock.now(),
            grant_types=GRANTS_OF[type_], preset=PRESET_OF[type_], **shape,
        )  # fmt: skip
        added, _ = await house.clients.add(fresh)
        return added


def pronounceable(entropy: Entropy) -> str:
    """A password of 48 random bits that can be read aloud and typed: four words of two syllables."""
    raw = entropy.draw(2 * _WORDS)
    syllables = [_CONSONANTS[byte & 15] + _VOWELS[byte >> 4 & 3] for byte in raw]
    return "-".join(syllables[at] + syllables[at + 1] for at in range(0, len(syllables), 2))
