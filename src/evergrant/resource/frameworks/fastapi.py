"""FastAPI and Starlette: a security dependency that fills in the OpenAPI document.

    protect = Protect(verifier, issuer="https://id.example.com")

    @app.get("/orders")
    async def orders(access: Annotated[Access, Security(protect, scopes=["orders:read"])]): ...

For a whole application, or for Starlette, there is the middleware in `frameworks.asgi`.
"""

from collections.abc import Iterable
from typing import Final

from fastapi import HTTPException, Request
from fastapi.openapi.models import OpenIdConnect
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route

from evergrant.resource.access import Access
from evergrant.resource.discovery import openid_address
from evergrant.resource.frameworks import asgi
from evergrant.resource.frameworks.document import HEADERS, Description
from evergrant.resource.refused import Refused
from evergrant.resource.verifier import Verifier


class Denied(HTTPException):
    """A refusal as FastAPI answers it; `refused` is for the operator's handler."""

    def __init__(self, refused: Refused) -> None:
        headers = Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in refused.headers()])
        super().__init__(refused.status, asgi.word_of(refused), headers)
        self.refused: Final = refused


class Protect(SecurityBase):
    """A dependency that gives the `Access` of a request, with the scopes that `Security` names. Raises `Denied`."""

    def __init__(
        self, verifier: Verifier, *, issuer: str, name: str = "evergrant", acr: Iterable[str] = (),
        max_age: int | None = None, certificate: asgi.Certificate | None = None,
    ) -> None:  # fmt: skip
        self.model = OpenIdConnect(openIdConnectUrl=openid_address(issuer))
        self.scheme_name = name
        self._verifier, self._acr, self._max_age, self._certificate = verifier, tuple(acr), max_age, certificate

    async def __call__(self, request: Request, wanted: SecurityScopes) -> Access:
        """The dependency itself; FastAPI calls it."""
        try:
            access = await asgi.verified(
                self._verifier, request.scope, wanted.scopes, self._certificate, acr=self._acr, max_age=self._max_age
            )
        except Refused as refused:
            raise Denied(refused) from refused
        request.state.access = access
        return access


def metadata_route(description: Description) -> Route:
    """The route of the API's metadata (RFC 9728): `app.router.routes.append(metadata_route(description))`."""
    body, headers = description.body(), dict(HEADERS)

    async def document(_: Request) -> Response:
        return Response(body, headers=headers)

    return Route(description.path, document, methods=["GET"], include_in_schema=False)
