"""Leases for clients of httpx2, asynchronous and not: `httpx2.AsyncClient(auth=keeper.auth("hubspot", account=…))`."""

from collections.abc import AsyncGenerator, Collection, Generator

import httpx2

from evergrant.keeper.auth.asking import Awaited, Blocking
from evergrant.keeper.auth.header import Meaning, guard, meaning, same_origin
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.wire.bearer import AUTHORIZATION, header
from evergrant.keeper.wire.proof import NONCE_HEADER


class KeeperAuth(httpx2.Auth):
    """Sets the header that the provider wants, and after a 401 asks once more with a newer token.

    *hosts*: where the token may go, `api.example.com` or `.example.com`; without any, to whichever host is asked first,
    and never on to another. The request is repeated once at most, and only if its body can be sent again; then, and for
    anything else than a token that is not taken any more, the API's answer is handed on. A 403 (or 401) that says
    `insufficient_scope` raises `NeedsReauth` with SCOPE_MISSING, unless *raise_missing_scope* is off.
    """

    def __init__(
        self,
        awaited: Awaited | None,
        blocking: Blocking | None = None,
        *,
        hosts: Collection[str] = (),
        raise_missing_scope: bool = True,
    ) -> None:
        self._awaited = awaited
        self._blocking = blocking
        self._hosts = tuple(hosts)
        self._raises = raise_missing_scope

    def __repr__(self) -> str:
        return f"<keeper auth for {', '.join(self._hosts) or 'any host'}>"

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """For `httpx2.AsyncClient`."""
        if self._awaited is None:
            msg = "this keeper is for httpx2.Client; open evergrant.keeper.Keeper for an AsyncClient"
            raise TypeError(msg)
        guard(str(request.url), self._hosts)
        lease = await self._awaited.lease()
        answer = yield _with(request, lease)
        said, scope = _said(request, answer, lease)
        if said is Meaning.NONCE and _repeatable(request):
            answer = yield _with(request, lease)
            said, scope = _said(request, answer, lease)
        if said is Meaning.SCOPE and self._raises:
            raise await self._awaited.missing(lease, scope)
        if said is Meaning.STALE:
            lease = await self._awaited.renewed(lease)
            if _repeatable(request):
                yield _with(request, lease)

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """For `httpx2.Client`."""
        if self._blocking is None:
            msg = "this keeper is for httpx2.AsyncClient; open evergrant.keeper.SyncKeeper for a Client"
            raise TypeError(msg)
        guard(str(request.url), self._hosts)
        lease = self._blocking.lease()
        answer = yield _with(request, lease)
        said, scope = _said(request, answer, lease)
        if said is Meaning.NONCE and _repeatable(request):
            answer = yield _with(request, lease)
            said, scope = _said(request, answer, lease)
        if said is Meaning.SCOPE and self._raises:
            raise self._blocking.missing(lease, scope)
        if said is Meaning.STALE:
            lease = self._blocking.renewed(lease)
            if _repeatable(request):
                yield _with(request, lease)


class _Carried(httpx2.Headers):
    """Headers with one more on the wire that no copy takes along.

    The client copies a request's headers when it follows a redirect, and leaves out `Authorization` alone when the
    origin changes: a token in a header of the provider's own would go to whichever host an API redirects to.
    """

    def __init__(self, headers: httpx2.Headers, name: str, value: str) -> None:
        super().__init__(headers)
        self._carried = (name.encode("ascii"), value.encode("ascii"))

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        return [*super().raw, self._carried]


def _with(request: httpx2.Request, lease: Lease) -> httpx2.Request:
    if lease.prover is not None:
        # A proof is for this address and no other, so it may travel: elsewhere it proves nothing.
        request.headers.update(lease.headers(request.method, str(request.url)))
        return request
    name, value = header(lease.bearer, lease.token)
    if name == AUTHORIZATION:
        request.headers[name] = value
    else:
        plain = httpx2.Headers(request.headers)
        plain.pop(name, None)
        request.headers = _Carried(plain, name, value)
    return request


def _said(request: httpx2.Request, answer: httpx2.Response, lease: Lease) -> tuple[Meaning, tuple[str, ...]]:
    """What the answer says about our token; nothing, if it comes from where the token was not sent."""
    if not same_origin(str(request.url), str(answer.request.url)):
        return Meaning.FINE, ()
    newer = lease.heard(str(request.url), {NONCE_HEADER: answer.headers.get(NONCE_HEADER, "")})
    said, scope = meaning(answer.status_code, answer.headers.get("www-authenticate", ""))
    return (Meaning.FINE, ()) if said is Meaning.NONCE and not newer else (said, scope)


def _repeatable(request: httpx2.Request) -> bool:
    try:
        return request.content is not None
    except httpx2.RequestNotRead:
        return False
