"""FastMCP's server, guarded in one of two ways, and its client that calls it."""

import asyncio
import threading

import uvicorn
from driver import ISSUER, SETTINGS, port, reachable, result
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.oidc_proxy import OIDCProxy
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from fastmcp_driver import ask
from key_value.aio.stores.memory import MemoryStore

ORIGIN = f"http://localhost:{port()}"


def resource_server():
    """Accepts this server's JWT access tokens for an API that stands in the portal; clients register at this server."""
    return RemoteAuthProvider(
        token_verifier=JWTVerifier(
            jwks_uri=f"{ISSUER}/oauth/jwks",
            issuer=ISSUER,
            audience=f"{ORIGIN}/mcp",
            required_scopes=[SETTINGS["scope"]],
            # What the portal says of the API. FastMCP expects RS256.
            algorithm="ES256",
        ),
        authorization_servers=[ISSUER],
        base_url=ORIGIN,
    )


def proxy():
    """Clients register at FastMCP, which is one client of this server and passes its sign-in on."""
    return OIDCProxy(
        config_url=f"{ISSUER}/.well-known/openid-configuration",
        client_id=SETTINGS["clientId"],
        client_secret=SETTINGS["clientSecret"],
        base_url=ORIGIN,
        required_scopes=["openid", "email"],
        client_storage=MemoryStore(),
        # The ID token has the e-mail; an access token of this server has none.
        verify_id_token=True,
    )


mcp = FastMCP("books", auth=proxy() if SETTINGS.get("clientId") else resource_server())


@mcp.tool
def whoami() -> dict:
    """Who asks."""
    claims = get_access_token().claims
    return {name: claims.get(name) for name in ("sub", "email", "scope")}


server = uvicorn.Server(uvicorn.Config(mcp.http_app(), host="127.0.0.1", port=port(), log_level="warning"))
threading.Thread(target=server.run, daemon=True).start()
reachable(port())
result(**asyncio.run(ask(f"{ORIGIN}/mcp")))
server.should_exit = True
