"""uvicorn litestar_app:app"""

from litestar import Litestar, Request, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components
from verifiers import AUDIENCE, ISSUER, verifier

from evergrant.resource.frameworks.document import described
from evergrant.resource.frameworks.litestar import Protect, metadata_route

description = described(AUDIENCE, ISSUER, ["orders:read"])
checking = verifier(description.url)
protect = Protect(checking, issuer=ISSUER)


@get("/open", sync_to_thread=False)
def everybody() -> dict[str, str]:
    return {"for": "everybody"}


@get("/orders", guards=[protect("orders:read")], security=[protect.requirement("orders:read")])
async def orders(request: Request) -> dict[str, str]:
    return {"for": request.state.access.subject}


app = Litestar(
    [everybody, orders, metadata_route(description)],
    on_shutdown=[checking.close],
    openapi_config=OpenAPIConfig("Orders", "1", components=[Components(security_schemes=protect.schemes)]),
)
