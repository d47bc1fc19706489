"""What a route asks of a token beyond being good: scopes, and how and when its user signed in (RFC 9470)."""

from collections.abc import Iterable

from evergrant.resource.access import Access
from evergrant.resource.core import Core
from evergrant.resource.refused import Refused, Why


def met(access: Access, scopes: Iterable[str], acr: Iterable[str], max_age: int | None, core: Core) -> None:
    """Raise `Refused` unless *access* has all of *scopes*, one of *acr*, and a sign-in no older than *max_age*."""
    needed = scopes.split() if isinstance(scopes, str) else tuple(scopes)
    if not access.scopes.issuperset(needed):
        missing = sorted(set(needed) - access.scopes)
        raise Refused(Why.SCOPE, f"the token lacks {' '.join(missing)}", scopes=needed)
    levels = (acr,) if isinstance(acr, str) else tuple(acr)
    if levels and access.acr not in levels:
        raise Refused(Why.SIGN_IN_TOO_WEAK, "acr is none of those needed", acr=levels, max_age=max_age)
    if max_age is not None:
        since = None if access.auth_time is None else core.clock.now() - access.auth_time
        if since is None or since > max_age + core.rules.leeway:
            detail = "auth_time is missing" if since is None else f"the sign-in was {since} seconds ago"
            raise Refused(Why.SIGN_IN_TOO_OLD, detail, acr=levels, max_age=max_age)
