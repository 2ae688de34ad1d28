"""FastMCP's client with `auth="oauth"`: it registers itself, signs a user in and calls a tool of an MCP server that the test serves."""

import asyncio
import json

from driver import SETTINGS, result
from fastmcp_driver import ask

result(**json.loads(asyncio.run(ask(SETTINGS["api"]))))
