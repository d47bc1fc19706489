"""Django REST framework: an authentication class and a permission class, over the verifier of `frameworks.django`.

class Orders(APIView):
    authentication_classes = [Bearer]
    permission_classes = [needs("orders:read")]
    def get(self, request): return Response({"for": request.auth.subject})
"""

from typing import Any, Final

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from evergrant.resource.access import Access
from evergrant.resource.frameworks.asgi import joined, word_of
from evergrant.resource.frameworks.django import verified
from evergrant.resource.refused import Refused

_CHALLENGE: Final = "WWW-Authenticate"


class Denied(APIException):
    """A refusal as the framework answers it; `refused` is for the operator's handler."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(detail=word_of(refused), code=word_of(refused))
        self.status_code = refused.status
        self.refused: Final = refused
        self.headers: Final = joined(refused)
        self.auth_header: Final = self.headers.pop(_CHALLENGE, "")
        """The framework's own name: what becomes the WWW-Authenticate header."""


class Caller:
    """Who calls, for code that asks for `request.user`. It is no row of any table."""

    is_authenticated: Final = True
    is_active: Final = True
    is_anonymous: Final = False

    def __init__(self, access: Access) -> None:
        self.access: Final = access
        self.pk: Final = access.subject or access.client_id

    def __str__(self) -> str:
        return self.pk


class Bearer(BaseAuthentication):
    """Takes the token of a request. `request.user` is a `Caller`, `request.auth` the `Access`. Raises `Denied`."""

    def authenticate(self, request: Request) -> tuple[Caller, Access]:
        """As the framework asks it."""
        access = _verified(request)
        return Caller(access), access

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's signature
        """The challenge where the framework refuses by itself."""
        return "Bearer"


def needs(*scopes: str, **asked: Any) -> type[BasePermission]:
    """A permission class: all of *scopes*, and what *asked* says as `SyncVerifier.verify` takes it."""

    class Needs(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - the framework's signature
            _verified(request, scopes, **asked)
            return True

    return Needs


def _verified(request: Request, scopes: tuple[str, ...] = (), **asked: Any) -> Access:
    try:
        return verified(request._request, scopes, **asked)  # noqa: SLF001 - the framework's way to Django's request
    except Refused as refused:
        denied = Denied(refused)
        # The framework takes no further header from an exception; what a view holds goes into its answer.
        getattr(request.parser_context.get("view"), "headers", {}).update(denied.headers)
        raise denied from refused
