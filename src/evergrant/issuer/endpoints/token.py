"""/token (RFC 6749 section 3.2): parse, authenticate the client, check what it may and proves, let the grant answer."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.issuer.binding import Binder
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.client_auth import authenticated, known
from evergrant.issuer.tally import Tally
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import Answer, secret_json
from evergrant.web.app import Told
from evergrant.web.ask import Ask

# A token in the URL is in every log on the way (attacks C-12, RT-35); it is refused even when the body repeats it.
SECRET_PARAMETERS: Final = (
    b"refresh_token=", b"code=", b"client_secret=", b"access_token=", b"code_verifier=", b"subject_token=",
    b"actor_token=",
)  # fmt: skip


class Grant(Protocol):
    """One grant type."""

    async def answer(self, client: Client, ask: Ask, form: Form, now: int, binding: str) -> dict[str, Any]: ...


class BriefGrant(Protocol):
    """A grant type whose answer can be begun in step and told later: its members, or what went wrong."""

    @property
    def name(self) -> str: ...

    def begin(
        self, client: Client, ask: Ask, form: Form, now: int, done: Callable[[dict[str, Any] | BaseException], None]
    ) -> None:
        """Raises `Refused`; then *done* is never called."""
        ...


class TokenEndpoint:
    """The token endpoint with the grants that are switched on."""

    def __init__(
        self, catalog: Catalog, grants: Mapping[str, Grant], brief: BriefGrant, binder: Binder, clock: Clock,
        tally: Tally,
    ) -> None:  # fmt: skip
        self._binder = binder
        self._catalog, self._grants, self._brief, self._clock, self._tally = catalog, grants, brief, clock, tally

    async def __call__(self, ask: Ask) -> Answer:
        refuse_secrets_in_query(ask)
        form = ask.form()
        name = form.get("grant_type")
        if name is None:
            raise Refused(Code.INVALID_REQUEST, "The parameter grant_type is missing.")
        now = self._clock.now()
        client = await authenticated(self._catalog, ask, form, now)
        grant = self._grants.get(name)
        if grant is None:
            raise Refused(Code.UNSUPPORTED_GRANT_TYPE, "This grant type is not offered.")
        if not client.may(name):
            raise Refused(Code.UNAUTHORIZED_CLIENT, "This client may not use that grant type.")
        bound = self._binder.of_request(client, ask, form, now)
        members = await grant.answer(client, ask, form, now, bound.binding)
        self._tally.issued(name)
        return secret_json(members, nonce=bound.nonce)

    def brief(self, ask: Ask, told: Told) -> bool:
        """Begin a refresh whose client is known at this moment and has nothing to prove; leave the rest to the call."""
        name = self._brief.name
        if ask.query or self._catalog.stale:
            return False
        try:
            form, now = ask.form(), self._clock.now()
            client = known(self._catalog, ask, form, now) if form.get("grant_type") == name else None
            if client is None or not client.may(name) or self._binder.concerns(client, ask):
                return False

            def done(outcome: dict[str, Any] | BaseException) -> None:
                if isinstance(outcome, BaseException):
                    told(outcome)
                else:
                    self._tally.issued(name)
                    told(secret_json(outcome))

            self._brief.begin(client, ask, form, now, done)
        except Refused as error:
            told(error)
        return True


def refuse_secrets_in_query(ask: Ask) -> None:
    """Raise `Refused` when the query holds what belongs in a body."""
    if ask.query and any(name in ask.query for name in SECRET_PARAMETERS):
        raise Refused(Code.INVALID_REQUEST, "Tokens, codes and secrets are never sent in a URL.")
