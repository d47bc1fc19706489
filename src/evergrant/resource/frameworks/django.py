"""Django: a decorator for views, synchronous or not. The verifier is made once, by the setting `EVERGRANT`.

    # settings.py
    EVERGRANT = {"issuer": "https://id.example.com", "audience": "https://api.example.com"}

    @protected("orders:read")
    def orders(request): return JsonResponse({"for": request.access.subject})

Django REST framework has a file of its own, `frameworks.rest_framework`.
"""

import asyncio
from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from evergrant.resource.access import Access
from evergrant.resource.frameworks import asgi, wsgi
from evergrant.resource.frameworks.asgi import body_of, joined
from evergrant.resource.frameworks.document import HEADERS, Description
from evergrant.resource.possession import Possession
from evergrant.resource.refused import Refused
from evergrant.resource.sync import SyncVerifier

View = Callable[..., Any]
SETTING: Final = "EVERGRANT"
_making: Final = Lock()


def verifier() -> SyncVerifier:
    """The process's verifier: the setting's members are the arguments of `SyncVerifier.for_issuer`.

    Raises `ImproperlyConfigured`.
    """
    with _making:  # the first requests come side by side, and a second one would follow the feed for nobody
        return _made()


@cache
def _made() -> SyncVerifier:
    said = dict(getattr(settings, SETTING, {}))
    try:
        return SyncVerifier.for_issuer(said.pop("issuer"), audience=said.pop("audience"), **said)
    except KeyError as error:
        raise ImproperlyConfigured(f"the setting {SETTING} needs {error}") from error
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"the setting {SETTING}: {error}") from error


def verified(request: HttpRequest, scopes: tuple[str, ...] = (), **asked: Any) -> Access:
    """What *request* is allowed. Raises `Refused`."""
    header = request.META.get("HTTP_AUTHORIZATION")
    return verifier().verify(header, scopes=scopes, possession=_possession(request), **asked)


def protected(*scopes: str, **asked: Any) -> Callable[[View], View]:
    """A decorator: all of *scopes* are needed; *asked* as `SyncVerifier.verify` takes it. Sets `request.access`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                request.access = verified(request, scopes, **asked)
            except Refused as refused:
                return refusal(refused)
            answer: HttpResponseBase = view(request, *args, **kwargs)
            return answer

        @wraps(view)
        async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                # A token that is new may wait for the issuer, and must not hold up the event loop meanwhile.
                request.access = await asyncio.to_thread(verified, request, scopes, **asked)
            except Refused as refused:
                return refusal(refused)
            answer: HttpResponseBase = await view(request, *args, **kwargs)
            return answer

        return awaited if asyncio.iscoroutinefunction(view) else guarded

    return decorate


def refusal(refused: Refused) -> HttpResponse:
    """The answer to a refused request. Django keeps one header of a name, so challenges share it (RFC 9110 11.6.1)."""
    answer = HttpResponse(body_of(refused), status=refused.status, content_type="application/json")
    for name, value in joined(refused).items():
        answer[name] = value
    return answer


def metadata(description: Description) -> View:
    """A view that serves the API's metadata (RFC 9728); its path is `description.path`."""
    body = description.body()

    def document(_: HttpRequest) -> HttpResponse:
        return HttpResponse(body, headers=dict(HEADERS))

    return document


def _possession(request: HttpRequest) -> Possession:
    """The address as it was sent, where the server tells it: Django has decoded its own."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        return asgi.possession(scope)
    meta = request.META
    raw = meta.get("RAW_URI") or meta.get("REQUEST_URI") or request.get_full_path()
    proved = meta.setdefault(asgi.PROVED, set())
    sent = {"REQUEST_METHOD": request.method, "HTTP_DPOP": meta.get("HTTP_DPOP", ""), asgi.PROVED: proved}
    return wsgi.possession({**sent, "RAW_URI": raw})
