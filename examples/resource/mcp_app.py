"""An MCP server: uvicorn mcp_app:app"""

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from verifiers import AUDIENCE, ISSUER, verifier

from evergrant.resource.frameworks.document import described
from evergrant.resource.frameworks.mcp import guarded

server = MCPServer("Orders")


@server.tool()
def orders() -> str:
    """Whose orders these are."""
    caller = get_access_token()
    return f"orders of {caller.subject}" if caller else "nobody asked"


description = described(AUDIENCE, ISSUER, ["orders:read"])
checking = verifier(description.url)
app = guarded(server.streamable_http_app(), checking, description, scopes=["orders:read"])
