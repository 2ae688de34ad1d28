"""The MCP SDK's OAuthClientProvider: it finds the server by the API's metadata, registers itself, and gets a token for the API."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx2
from driver import ISSUER, SETTINGS, open_browser, result
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

POSTS = f"{ISSUER}/api/posts"


class Storage:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Browser:
    answer = ""

    async def open(self, address):
        self.answer = open_browser(address)

    async def callback(self):
        query = parse_qs(urlsplit(self.answer).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])


async def main():
    storage, browser = Storage(), Browser()
    provider = OAuthClientProvider(
        server_url=POSTS,
        client_metadata=OAuthClientMetadata(client_name="MCP test", redirect_uris=[SETTINGS["redirectUri"]]),
        storage=storage,
        redirect_handler=browser.open,
        callback_handler=browser.callback,
    )
    async with httpx2.AsyncClient(auth=provider) as client:
        read = await client.get(POSTS)
    first = storage.tokens.access_token
    # The token has ended: the next request refreshes it.
    provider.context.token_expiry_time = 1
    async with httpx2.AsyncClient(auth=provider) as client:
        again = await client.get(POSTS)
    result(
        statuses=[read.status_code, again.status_code],
        scope=storage.client.scope,
        refreshed=storage.tokens.access_token != first,
    )


asyncio.run(main())
