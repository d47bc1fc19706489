"""An authorization server with Authlib under Flask, in a process of its own, as its documentation sets one up.

A refresh gives a new refresh token and ends everything of the old pair at once; a spent token is refused, and ends
nothing. It is no OpenID provider: it is found by its RFC 8414 document.
"""

import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, request

from tests.interop.keeper.serving import Told, serve, told

METHODS = ("client_secret_basic", "client_secret_post")
PAGE = '<form method="post"><input name="username"><input name="password" type="password"><button>Allow</button></form>'
what: Told
codes: dict[str, "Code"] = {}
tokens: list["Token"] = []
lock = threading.Lock()


class TheKeeper(ClientMixin):
    """The one client there is."""

    def get_client_id(self) -> str:
        return what.client_id

    def get_default_redirect_uri(self) -> str:
        return what.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope if scope == "profile" else ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == what.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == what.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


@dataclass
class Code:
    """An authorization code."""

    code: str
    redirect_uri: str
    scope: str
    user: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token(TokenMixin):
    """A pair of tokens."""

    user: str
    access_token: str
    refresh_token: str
    scope: str
    expires_in: int
    issued_at: float
    revoked: bool = False

    def check_client(self, client: ClientMixin) -> bool:
        return isinstance(client, TheKeeper)

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return time.time() >= self.issued_at + self.expires_in

    def is_revoked(self) -> bool:
        return self.revoked


class CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code: str, request: Any) -> None:
        said = request.payload.data
        codes[code] = Code(
            code, request.payload.redirect_uri, request.payload.scope, request.user, said.get("code_challenge"),
            said.get("code_challenge_method"),
        )  # fmt: skip

    def query_authorization_code(self, code: str, client: ClientMixin) -> Code | None:
        return codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        return next((one for one in tokens if one.refresh_token == refresh_token and not one.revoked), None)

    def authenticate_user(self, refresh_token: Token) -> str:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.revoked = True


class Bearer(BearerTokenValidator):
    def authenticate_token(self, token_string: str) -> Token | None:
        return next((one for one in tokens if one.access_token == token_string), None)


class _Named:
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: str) -> Token | None:
        return next((one for one in tokens if token_string in {one.access_token, one.refresh_token}), None)


class Revocation(_Named, RevocationEndpoint):
    def revoke_token(self, token: Token, request: Any) -> None:
        token.revoked = True


class Introspection(_Named, IntrospectionEndpoint):
    def check_permission(self, token: Token, client: ClientMixin, request: Any) -> bool:
        return True

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {"active": True, "scope": token.scope, "sub": token.user}


def save_token(token: dict[str, Any], request: Any) -> None:
    pair = token["access_token"], token["refresh_token"]
    tokens.append(Token(request.user, *pair, token["scope"], token["expires_in"], time.time()))


def application() -> Flask:
    """The server's addresses."""
    app = Flask(__name__)
    app.config.update(
        OAUTH2_REFRESH_TOKEN_GENERATOR=True,
        OAUTH2_SCOPES_SUPPORTED=["profile"],
        OAUTH2_TOKEN_EXPIRES_IN={"authorization_code": 3600, "refresh_token": 3600},
    )
    server = AuthorizationServer(app, lambda _: TheKeeper(), save_token)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(RefreshGrant)
    server.register_endpoint(Revocation)
    server.register_endpoint(Introspection)
    protected = ResourceProtector()
    protected.register_token_validator(Bearer())

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> dict[str, Any]:
        named = {
            "authorization_endpoint": "authorize", "token_endpoint": "token", "revocation_endpoint": "revoke",
            "introspection_endpoint": "introspect", "userinfo_endpoint": "me",
        }  # fmt: skip
        return {
            "issuer": what.issuer, "scopes_supported": ["profile"], "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": METHODS,
            **{name: f"{what.issuer}/{path}" for name, path in named.items()},
        }  # fmt: skip

    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        if request.method == "POST" and request.form["password"] == what.password:
            grant = server.get_consent_grant(end_user=request.form["username"])
            return server.create_authorization_response(grant_user=request.form["username"], grant=grant)
        return PAGE

    @app.post("/token")
    def token() -> Any:
        with lock:  # one refresh after the other, as a database would have it
            return server.create_token_response()

    @app.post("/revoke")
    def revoke() -> Any:
        return server.create_endpoint_response("revocation")

    @app.post("/introspect")
    def introspect() -> Any:
        return server.create_endpoint_response("introspection")

    @app.get("/me")
    @protected("profile")
    def me() -> dict[str, str]:
        return {"sub": current_token.user}

    return app


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # on loopback, as everything here
    what = told()
    serve(application())
