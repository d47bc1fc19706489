"""The keeper as an issuer sees it: it lends a person's token at a provider to a service that may have it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from evergrant.clock import Clock
from evergrant.config import Config
from evergrant.issuer.service.lending import CannotLend, Lent
from evergrant.keeper.errors import KeeperError, NeedsReauth, TryLater, UnknownConnection
from evergrant.keeper.keeper import Keeper
from evergrant.keeping.configured import catalog, keeper
from evergrant.keeping.issuers import add_issuers

_LOG: Final = logging.getLogger("evergrant.keeper")


class KeeperLender:
    """Leases from one keeper. A connection's account is the issuer's account id, its caller the client's id."""

    def __init__(self, keeper: Keeper, clock: Clock, tenant: str) -> None:
        self._keeper, self._clock, self._tenant = keeper, clock, tenant

    async def lend(self, provider: str, account_id: str, caller: str, /) -> Lent:
        """As `issuer.service.lending.Lender`."""
        try:
            lease = await self._keeper.lease(provider, account_id, tenant=self._tenant, caller=caller)
        except NeedsReauth as error:
            raise CannotLend(str(error), uri=error.reconnect) from error
        except UnknownConnection as error:
            raise CannotLend(f"the account is not connected at {provider}") from error
        except TryLater as error:
            raise CannotLend(str(error), later=True) from error
        except KeeperError as error:
            raise CannotLend(str(error)) from error
        if lease.prover is not None:
            raise CannotLend(f"the token at {provider} is bound to a key that stays in the keeper")
        rest = max(lease.safe_until - self._clock.now(), 0) if lease.safe_until else None
        return Lent(lease.token, lease.bearer.partition(" ")[0], rest, " ".join(lease.scope))


@asynccontextmanager
async def lender(config: Config, clock: Clock) -> AsyncIterator[KeeperLender]:
    """A lender on the configuration's vault for as long as the block runs. Raises `VaultUnusable`, `KeyUnusable`."""
    known = catalog(config)
    await add_issuers(known, config, lambda text: _LOG.warning("%s", text))
    async with keeper(config, known) as opened:
        yield KeeperLender(opened, clock, config.keeper.lend_tenant)
