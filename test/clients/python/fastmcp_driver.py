"""What the drivers of FastMCP share: a browser that the test plays, and a call as FastMCP's client makes it by default."""

import threading
import warnings
import webbrowser
from urllib.parse import parse_qs, urlsplit

from driver import open_browser, reachable
from fastmcp import Client

# It warns that its tokens end with the process: here they should.
warnings.filterwarnings("ignore", message="Using in-memory token storage")


class Browser(webbrowser.BaseBrowser):
    """FastMCP opens the browser before it listens for the answer, so the visit must not hold it up."""

    def open(self, url, new=0, autoraise=True):
        redirect_uri = parse_qs(urlsplit(url).query)["redirect_uri"][0]

        def visit():
            reachable(urlsplit(redirect_uri).port)
            open_browser(url)

        threading.Thread(target=visit).start()
        return True


webbrowser.register("test", None, Browser("test"), preferred=True)


async def ask(address, tool="whoami"):
    """Calls the tool as a client that knows the address of the MCP server alone. Returns its structured answer, or else its text."""
    async with Client(address, auth="oauth") as client:
        answer = await client.call_tool(tool)
    return answer.data if answer.data is not None else answer.content[0].text
