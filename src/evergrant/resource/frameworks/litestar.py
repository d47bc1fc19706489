"""Litestar: a guard for routes, and the security scheme for the OpenAPI document.

protect = Protect(verifier, issuer="https://id.example.com")

@get("/orders", guards=[protect("orders:read")], security=[protect.requirement("orders:read")])
async def orders(request: Request) -> dict[str, str]: return {"for": request.state.access.subject}
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import MediaType, Response, get
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.spec import SecurityScheme

from evergrant.resource.discovery import openid_address
from evergrant.resource.frameworks import asgi
from evergrant.resource.frameworks.document import HEADERS, Description
from evergrant.resource.refused import Refused
from evergrant.resource.verifier import Verifier

Connection = ASGIConnection[Any, Any, Any, Any]


class Denied(HTTPException):
    """A refusal as Litestar answers it; `refused` is for the operator's handler."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(asgi.word_of(refused), status_code=refused.status, headers=asgi.joined(refused))
        self.refused: Final = refused


class Protect:
    """Makes guards. A guarded route finds the `Access` in `connection.state.access`."""

    def __init__(
        self, verifier: Verifier, *, issuer: str, name: str = "evergrant", certificate: asgi.Certificate | None = None
    ) -> None:
        self._verifier, self._certificate = verifier, certificate
        self._name, self._issuer = name, issuer

    def __call__(self, *scopes: str, **asked: Any) -> Callable[[Connection, BaseRouteHandler], Awaitable[None]]:
        """A guard: all of *scopes* are needed; *asked* as `Verifier.verify` takes it."""

        async def guard(connection: Connection, _: BaseRouteHandler) -> None:
            try:
                scope: Any = connection.scope
                connection.state.access = await asgi.verified(self._verifier, scope, scopes, self._certificate, **asked)
            except Refused as refused:
                raise Denied(refused) from refused

        return guard

    def requirement(self, *scopes: str) -> dict[str, list[str]]:
        """What a route's `security` says."""
        return {self._name: list(scopes)}

    @property
    def schemes(self) -> dict[str, SecurityScheme]:
        """What the OpenAPI document's components say."""
        scheme = SecurityScheme(type="openIdConnect", open_id_connect_url=openid_address(self._issuer))
        return {self._name: scheme}


def metadata_route(description: Description) -> HTTPRouteHandler:
    """The route of the API's metadata (RFC 9728)."""
    body, headers = description.body(), dict(HEADERS)

    @get(description.path, include_in_schema=False, media_type=MediaType.JSON, sync_to_thread=False)
    def document() -> Response[bytes]:
        return Response(body, media_type=MediaType.JSON, headers=headers)

    return document
