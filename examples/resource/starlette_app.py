"""uvicorn starlette_app:app"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from verifiers import AUDIENCE, ISSUER, verifier

from evergrant.resource.frameworks.asgi import Guard
from evergrant.resource.frameworks.document import described

description = described(AUDIENCE, ISSUER, ["orders:read"])
checking = verifier(description.url)


async def everybody(_: Request) -> JSONResponse:
    return JSONResponse({"for": "everybody"})


async def orders(request: Request) -> JSONResponse:
    return JSONResponse({"for": request.state.access.subject})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with checking:
        yield


guard = Middleware(Guard, verifier=checking, scopes=["orders:read"], public=["/open"], description=description)
app = Starlette(routes=[Route("/open", everybody), Route("/orders", orders)], middleware=[guard], lifespan=lifespan)
