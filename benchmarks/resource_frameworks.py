"""What verifying costs a request in FastAPI and Django: `python -m benchmarks.resource_frameworks`.

The same view three times in one process: open to all, guarded by `evergrant.resource`, and guarded the way people do it
by hand with PyJWT (a key set that is cached, one decode for each request). No socket and no HTTP parser: the frameworks
are called as their servers call them, so what differs is the check. Tokens: one that comes again and again, as clients
send them, and one that is new each time.

What lives here: the figures. Neighbour: `resource_verify` measures the verifier alone.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django
import jwt
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from fastapi import Depends, FastAPI, HTTPException, Request, Security

from benchmarks import machine
from evergrant.resource import Verifier
from evergrant.testing.token_issuer import TokenIssuer, token_issuer

RESULTS = Path(__file__).parent / "results"
RUNS = 7
SCOPE = "orders:read"
WAYS = ("open", "evergrant", "pyjwt")


class ByHand:
    """What a careful team writes with PyJWT."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._keys = jwt.PyJWKClient(f"{issuer.url}/jwks", cache_keys=True, lifespan=3_600)
        self._issuer, self._audience = issuer.url, issuer.audience

    def claims(self, header: str) -> dict[str, Any]:
        token = header.removeprefix("Bearer ")
        key = self._keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["ES256"], audience=self._audience, issuer=self._issuer,
            options={"require": ["exp", "iat", "sub"]},
        )  # fmt: skip
        if SCOPE not in claims["scope"].split():
            raise PermissionError(SCOPE)
        return claims


def fastapi_app(issuer: TokenIssuer, verifier: Verifier) -> FastAPI:
    from evergrant.resource.frameworks.fastapi import Protect  # noqa: PLC0415 - one framework at a time

    app, protect, by_hand = FastAPI(), Protect(verifier, issuer=issuer.url), ByHand(issuer)

    async def checked(request: Request) -> dict[str, Any]:
        try:
            return by_hand.claims(request.headers["authorization"])
        except (jwt.PyJWTError, KeyError, PermissionError) as error:
            raise HTTPException(401) from error

    @app.get("/open")
    async def everybody() -> dict[str, str]:
        return {"for": "everybody"}

    @app.get("/evergrant")
    async def guarded(access: Any = Security(protect, scopes=[SCOPE])) -> dict[str, str]:  # noqa: B008, FAST002 - a local name
        return {"for": access.subject}

    @app.get("/pyjwt")
    async def hand_made(claims: Any = Depends(checked)) -> dict[str, str]:  # noqa: B008, FAST002 - a local name
        return {"for": claims["sub"]}

    return app


def django_app(issuer: TokenIssuer) -> WSGIHandler:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, MIDDLEWARE=[], LOGGING_CONFIG=None,
        EVERGRANT={"issuer": issuer.url, "audience": issuer.audience},
    )  # fmt: skip
    django.setup()
    from evergrant.resource.frameworks.django import protected  # noqa: PLC0415 - after its settings

    by_hand = ByHand(issuer)

    def everybody(_: HttpRequest) -> HttpResponse:
        return JsonResponse({"for": "everybody"})

    @protected(SCOPE)
    def guarded(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"for": request.access.subject})

    def hand_made(request: HttpRequest) -> HttpResponse:
        try:
            claims = by_hand.claims(request.headers["Authorization"])
        except (jwt.PyJWTError, KeyError, PermissionError):
            return HttpResponse(status=401)
        return JsonResponse({"for": claims["sub"]})

    urlpatterns.extend([path("open", everybody), path("evergrant", guarded), path("pyjwt", hand_made)])
    return WSGIHandler()


urlpatterns: list[Any] = []


def asked_fastapi(
    app: FastAPI, loop: asyncio.AbstractEventLoop, way: str, tokens: Iterator[str]
) -> Callable[[int], None]:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": f"/{way}",
        "raw_path": f"/{way}".encode(), "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"{way}: {message}")

    async def several(times: int) -> None:
        for _ in range(times):
            header = f"Bearer {next(tokens)}".encode()
            await app({**scope, "headers": [(b"host", b"127.0.0.1"), (b"authorization", header)]}, receive, send)

    return lambda times: loop.run_until_complete(several(times))


def asked_django(app: WSGIHandler, way: str, tokens: Iterator[str]) -> Callable[[int], None]:
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": f"/{way}", "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
    }  # fmt: skip

    def start(status: str, _: Any) -> None:
        if not status.startswith("200"):
            raise RuntimeError(f"{way}: {status}")

    def several(times: int) -> None:
        for _ in range(times):
            given = {**environ, "wsgi.input": io.BytesIO(), "HTTP_AUTHORIZATION": f"Bearer {next(tokens)}"}
            app(given, start).close()

    return several


def microseconds(once: Callable[[int], None], times: int) -> float:
    """The median of some runs of *times* requests, for each."""
    found = []
    for _ in range(RUNS):
        began = time.perf_counter()
        once(times)
        found.append((time.perf_counter() - began) / times * 1e6)
    return statistics.median(found)


def measured(issuer: TokenIssuer, times: int, fresh: int) -> dict[str, dict[str, float]]:
    """Microseconds a request: framework, then way and kind of token."""
    loop = asyncio.new_event_loop()
    verifier = Verifier.for_issuer(issuer.url, audience=issuer.audience)
    apps = {"FastAPI": fastapi_app(issuer, verifier), "Django": django_app(issuer)}
    known = issuer.token(scope=SCOPE)
    found: dict[str, dict[str, float]] = {}
    for name, app in apps.items():
        rows = found[name] = {}
        for way in WAYS:
            for kind, count in (("seen", times), ("new", fresh)):
                tokens = itertools.repeat(known) if kind == "seen" else iter(
                    [issuer.token(scope=SCOPE) for _ in range(RUNS * fresh + 1)]
                )  # fmt: skip
                ask = asked_fastapi(app, loop, way, tokens) if name == "FastAPI" else asked_django(app, way, tokens)
                ask(1)
                rows[f"{way}, {kind}"] = microseconds(ask, count)
    loop.run_until_complete(verifier.close())
    loop.close()
    return found


def shown(found: dict[str, dict[str, float]], facts: dict[str, str]) -> str:
    """The figures for people."""
    lines = ["# What a check costs a request", "", *(f"- {name}: {fact}" for name, fact in facts.items()), ""]
    lines += ["| framework | token | open | evergrant | PyJWT by hand | evergrant adds | PyJWT adds |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|"]
    for name, rows in found.items():
        for kind in ("seen", "new"):
            bare, ours, theirs = (rows[f"{way}, {kind}"] for way in WAYS)
            lines.append(
                f"| {name} | {kind} | {bare:.0f} µs | {ours:.0f} µs | {theirs:.0f} µs | {ours - bare:+.1f} µs "
                f"| {theirs - bare:+.1f} µs |"
            )
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resource_frameworks")
    parser.add_argument("--smoke", action="store_true", help="a second: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for resource-frameworks.json and .md")
    given = parser.parse_args(arguments)
    times, fresh = (50, 5) if given.smoke else (3_000, 100)
    with token_issuer() as issuer, tempfile.TemporaryDirectory() as folder:
        facts = machine.facts(Path(folder))
        found = measured(issuer, times, fresh)
    report = shown(found, facts)
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "resource-frameworks.md").write_text(report, encoding="utf-8")
    content = json.dumps({"machine": facts, "microseconds": found}, indent=1)
    (given.results / "resource-frameworks.json").write_text(content + "\n", encoding="utf-8")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
