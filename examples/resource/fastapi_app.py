"""uvicorn fastapi_app:app"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Security
from verifiers import AUDIENCE, ISSUER, verifier

from evergrant.resource import Access
from evergrant.resource.frameworks.document import described
from evergrant.resource.frameworks.fastapi import Protect, metadata_route

description = described(AUDIENCE, ISSUER, ["orders:read"])
checking = verifier(description.url)
protect = Protect(checking, issuer=ISSUER)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with checking:
        yield


app = FastAPI(lifespan=lifespan)
app.router.routes.append(metadata_route(description))


@app.get("/open")
async def everybody() -> dict[str, str]:
    return {"for": "everybody"}


@app.get("/orders")
async def orders(access: Annotated[Access, Security(protect, scopes=["orders:read"])]) -> dict[str, str]:
    return {"for": access.subject}
