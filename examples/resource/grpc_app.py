"""A gRPC service without generated code: python grpc_app.py 127.0.0.1:50051"""

import asyncio
import json
import sys

import grpc
from verifiers import verifier

from evergrant.resource.frameworks.grpc import AsyncGuard, access

NAME = "orders.Orders"


async def everybody(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
    return json.dumps({"for": "everybody"}).encode()


async def orders(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
    return json.dumps({"for": access().subject}).encode()


async def main(address: str) -> None:
    async with verifier() as checking:
        guard = AsyncGuard(checking, scopes={f"/{NAME}/List": ["orders:read"]}, public=[f"/{NAME}/Open"])
        server = grpc.aio.server(interceptors=[guard])
        methods = {"Open": everybody, "List": orders}
        handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(NAME, handlers)])
        port = server.add_insecure_port(address)
        await server.start()
        print(f"listening on {port}", flush=True)
        await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
