"""The port to whoever keeps people's tokens at other providers: an exchange may end there (RFC 8693).

What lives here: what the issuer asks of it. What must not: the keeper; that is another side, joined in `assembly`.
"""

from typing import NamedTuple, Protocol

from evergrant.domain.secret import Secret


class Lent(NamedTuple):
    """An access token of a provider. *expires_in* in seconds, None when nobody knows; *scope* as the provider said."""

    token: Secret
    token_type: str
    expires_in: int | None
    scope: str


class CannotLend(Exception):
    """There is no token for now. *uri*: where the person can repair it; *later*: whether waiting may."""

    def __init__(self, message: str, *, uri: str = "", later: bool = False) -> None:
        super().__init__(message)
        self.uri, self.later = uri, later


class Lender(Protocol):
    """Lends access tokens, never refresh tokens."""

    async def lend(self, provider: str, account_id: str, caller: str, /) -> Lent:
        """A fresh access token of *account_id* at *provider*, taken by the client *caller*. Raises `CannotLend`."""
        ...


class Nobody:
    """Lends nothing: no keeper is joined to this issuer."""

    async def lend(self, *_: str) -> Lent:
        raise CannotLend("no keeper is joined to this issuer; see keeper.lend in the configuration")
