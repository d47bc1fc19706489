"""Leases for sessions of requests: `requests.get(url, auth=keeper.auth_requests("hubspot", account=…))`.

The library is optional: this file is imported when it is asked for.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urljoin

from requests import PreparedRequest, Response
from requests.auth import AuthBase

from evergrant.keeper.auth.asking import Blocking
from evergrant.keeper.auth.header import Meaning, guard, meaning, same_origin
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.wire.bearer import header
from evergrant.keeper.wire.proof import NONCE_HEADER


class KeeperRequestsAuth(AuthBase):
    """The rules of `evergrant.keeper.auth.httpx2.KeeperAuth`, for requests."""

    def __init__(self, blocking: Blocking, *, hosts: Collection[str] = (), raise_missing_scope: bool = True) -> None:
        self._blocking = blocking
        self._hosts = tuple(hosts)
        self._raises = raise_missing_scope

    def __repr__(self) -> str:
        return f"<keeper auth for {', '.join(self._hosts) or 'any host'}>"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        guard(request.url or "", self._hosts)
        _Once(self, request, self._blocking.lease())
        return request

    def judged(self, once: "_Once", answer: Response) -> Lease | None:
        """The newer lease to repeat with, None when the answer is to be handed on."""
        newer = once.lease.heard(once.url, {NONCE_HEADER: answer.headers.get(NONCE_HEADER, "")})
        said, scope = meaning(answer.status_code, answer.headers.get("www-authenticate", ""))
        if said is Meaning.NONCE:
            return once.lease if newer else None
        if said is Meaning.SCOPE and self._raises:
            raise self._blocking.missing(once.lease, scope)
        return self._blocking.renewed(once.lease) if said is Meaning.STALE else None


class _Once:
    """One request and its one repetition."""

    def __init__(self, auth: KeeperRequestsAuth, request: PreparedRequest, lease: Lease) -> None:
        self._auth = auth
        self.url = request.url or ""
        body: Any = request.body
        self._body = body
        self._from = body.tell() if hasattr(body, "seekable") and body.seekable() else None
        self._done = False
        self.lease = lease
        shown = _shown(lease, request)
        self._names = tuple(shown)
        request.headers.update(shown)
        request.register_hook("response", self.answered)

    def answered(self, answer: Response, **more: Any) -> Response:
        """Called with every answer, those on the way through redirects too."""
        sent = answer.request
        if answer.is_redirect and not same_origin(self.url, _target(answer)):
            # requests takes only `Authorization` off on the way to another host.
            for name in self._names:
                sent.headers.pop(name, None)
            return answer
        if self._done or not same_origin(self.url, sent.url or "") or self._names[0] not in sent.headers:
            return answer
        try:
            newer = self._auth.judged(self, answer)
        except KeeperError:
            answer.close()
            raise
        if newer is None or not self._rewound():
            return answer
        self._done = True
        return self._repeated(answer, newer, more)

    def _repeated(self, answer: Response, newer: Lease, more: dict[str, Any]) -> Response:
        answer.content  # noqa: B018 - reads it to the end, so that the connection can be used again
        answer.close()
        again = answer.request.copy()
        again.headers.update(_shown(newer, again))
        fresh: Response = answer.connection.send(again, **more)
        fresh.history.append(answer)
        fresh.request = again
        return fresh

    def _rewound(self) -> bool:
        """Whether the body can be sent again: text and bytes as they are, a file from where it began."""
        if self._body is None or isinstance(self._body, str | bytes):
            return True
        if self._from is None:
            return False
        self._body.seek(self._from)
        return True


def _shown(lease: Lease, request: PreparedRequest) -> dict[str, str]:
    if lease.prover is None:
        return dict([header(lease.bearer, lease.token)])
    return lease.headers(request.method or "", request.url or "")


def _target(answer: Response) -> str:
    return urljoin(answer.url, answer.headers.get("location", ""))
