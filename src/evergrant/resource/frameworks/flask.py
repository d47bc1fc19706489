"""Flask: a decorator, for views that await and views that do not.

guard = Guard(verifier)

@app.get("/orders")
@guard.requires("orders:read")
def orders(): return {"for": g.access.subject}
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, current_app, g, request

from evergrant.resource.frameworks.asgi import body_of
from evergrant.resource.frameworks.document import HEADERS, Description
from evergrant.resource.frameworks.wsgi import possession
from evergrant.resource.refused import Refused
from evergrant.resource.sync import SyncVerifier

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Protects views. *certificate* gives the `x5t#S256` of the request's client certificate, if the proxy tells it."""

    def __init__(self, verifier: SyncVerifier, certificate: Callable[[], str] | None = None) -> None:
        self._verifier, self._certificate = verifier, certificate

    def requires(self, *scopes: str, **asked: Any) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
        """A decorator: all of *scopes* are needed; *asked* as `SyncVerifier.verify` takes it. Sets `g.access`."""

        def decorate(view: Callable[P, R]) -> Callable[P, R | Response]:
            @wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
                held = possession(request.environ, self._certificate() if self._certificate else "")
                try:
                    g.access = self._verifier.verify(
                        request.environ.get("HTTP_AUTHORIZATION"), scopes=scopes, possession=held, **asked
                    )
                except Refused as refused:
                    return refusal(refused)
                answer: R | Response = current_app.ensure_sync(view)(*args, **kwargs)
                return answer

            return guarded

        return decorate


def refusal(refused: Refused) -> Response:
    """The answer to a refused request."""
    answer = Response(body_of(refused), refused.status, content_type="application/json")
    for name, value in refused.headers():
        answer.headers.add(name, value)
    return answer


def describe(app: Flask, description: Description) -> None:
    """Serve the API's metadata (RFC 9728) from *app*."""
    body = description.body()
    app.add_url_rule(description.path, "evergrant_metadata", lambda: Response(body, headers=list(HEADERS)))
