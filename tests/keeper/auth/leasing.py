"""A keeper in miniature: hands out the last of its tokens, and knows how often it was asked for a newer one."""

from dataclasses import dataclass, field

from evergrant.domain.secret import Secret
from evergrant.keeper.auth.asking import Asking, Awaited, Blocking
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import NeedsReauth
from evergrant.keeper.service.lease import Lease


@dataclass
class Leasing:
    """*next* is what a renewal brings; none left: the connection is dead."""

    token: str = "tok_old_000000000000"
    next: list[str] = field(default_factory=list)
    bearer: str = "Bearer {token}"
    version: int = 1
    reported: list[int] = field(default_factory=list)

    def lease(self) -> Lease:
        return Lease(
            token=Secret(self.token), version=self.version, safe_until=0, scope=("read",), connection_id="con_1",
            tenant="", client="plain", account="ada", record="main", health=Health.ACTIVE, bearer=self.bearer,
        )  # fmt: skip

    def renewed(self, lease: Lease) -> Lease:
        self.reported.append(lease.version)
        if not self.next:
            raise NeedsReauth("ada at plain has to be connected again", Reason.GRANT_DEAD, "https://app.example/again")
        self.token, self.version = self.next.pop(0), self.version + 1
        return self.lease()

    def missing(self, lease: Lease, scope: tuple[str, ...]) -> NeedsReauth:
        return NeedsReauth(
            f"{lease.account} has to allow {' '.join(scope)}", Reason.SCOPE_MISSING, "https://app.example"
        )

    def blocking(self) -> Blocking:
        return Asking(self.lease, self.renewed, self.missing)

    def awaited(self) -> Awaited:
        async def lease() -> Lease:
            return self.lease()

        async def renewed(given: Lease) -> Lease:
            return self.renewed(given)

        async def missing(given: Lease, scope: tuple[str, ...]) -> NeedsReauth:
            return self.missing(given, scope)

        return Asking(lease, renewed, missing)
