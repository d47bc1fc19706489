"""MCP servers: protected resource metadata and the challenges that MCP clients understand, around the official SDK.

    app = guarded(server.streamable_http_app(), verifier, described("https://mcp.example.com/mcp", issuer, ["tools"]))

Tools ask the SDK's own `get_access_token()`; the verifier's `Access` is under `request.state`, as `access`.
A client that lacks scopes is told which (RFC 6750 section 3.1), so that it can ask its user for them and come back.
"""

from collections.abc import Iterable

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials

from evergrant.resource.access import Access
from evergrant.resource.frameworks.asgi import App, Guard, Receive, Scope, Send
from evergrant.resource.frameworks.document import Description
from evergrant.resource.verifier import Verifier


def guarded(app: App, verifier: Verifier, description: Description, scopes: Iterable[str] = ()) -> Guard:
    """*app* behind a guard that serves *description*; *scopes* are needed by every call."""
    return Guard(_InContext(app), verifier, scopes=scopes, description=description)


class _InContext:
    """Shows the SDK who calls, the way its own middleware does."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found: Access | None = scope.get("state", {}).get("access")
        if found is None:
            return await self._app(scope, receive, send)
        user = AuthenticatedUser(access_token(found))
        scope["user"], scope["auth"] = user, AuthCredentials(sorted(found.scopes))
        held = auth_context_var.set(user)
        try:
            return await self._app(scope, receive, send)
        finally:
            auth_context_var.reset(held)


def access_token(found: Access) -> AccessToken:
    """The SDK's word for an access. The token itself is not in it: a tool that passed it on would let others act."""
    return AccessToken(
        token="", client_id=found.client_id, scopes=sorted(found.scopes), expires_at=found.expires_at,
        resource=found.audience[0] if found.audience else None, subject=found.subject or None,
        claims={"iss": found.issuer},
    )  # fmt: skip
