"""What every driver shares: its settings, a browser that the test plays, and its result."""

import json
import os
import socket

SETTINGS = json.loads(os.environ["CLIENT_SETTINGS"])
ISSUER = SETTINGS["issuer"]
# The documented switch of oauthlib for http on loopback; the others need none.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def open_browser(address):
    """Has the user visit an address, sign in and press Allow. Returns the address where the browser ends."""
    print("open", address, flush=True)
    return input()


def result(**values):
    print("result", json.dumps(values, ensure_ascii=True), flush=True)


def port():
    """The port of the client's redirect URI."""
    return SETTINGS["port"]


def reachable(at):
    """Returns once a server of this process accepts connections."""
    while socket.socket().connect_ex(("127.0.0.1", at)):
        pass
