"""What the issuer counts: the port between what happens and whoever watches. Members come from closed lists only."""

from typing import Protocol

from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict


class Tally(Protocol):
    """Counts outcomes; see `observe.metrics` for the names they get."""

    def refreshed(self, verdict: Verdict, refusal: Refusal | None) -> None:
        """A presented refresh token met a verdict, and when nothing was handed out, why."""
        ...

    def issued(self, grant_type: str) -> None:
        """Tokens were issued by a grant type."""
        ...

    def signed_in(self, outcome: str) -> None:
        """A sign-in ended: `succeeded`, `wrong` or `delayed`."""
        ...

    def ended(self, reason: Reason, count: int = 1) -> None:
        """Families ended for a reason."""
        ...


class Silent:
    """Counts nothing; for commands and tests that do not watch."""

    def refreshed(self, verdict: Verdict, refusal: Refusal | None) -> None: ...
    def issued(self, grant_type: str) -> None: ...
    def signed_in(self, outcome: str) -> None: ...
    def ended(self, reason: Reason, count: int = 1) -> None: ...
