"""JupyterHub with GenericOAuthenticator. The hub alone is used, so nothing proxies to it, and no notebook server starts."""

import json
import os

from jupyterhub.proxy import Proxy

SETTINGS = json.loads(os.environ["CLIENT_SETTINGS"])
ISSUER = SETTINGS["issuer"]


class NoProxy(Proxy):
    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


c = get_config()  # noqa: F821
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = f"http://127.0.0.1:{SETTINGS['unused']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{SETTINGS['port']}"
c.JupyterHub.db_url = "sqlite:///:memory:"

c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = SETTINGS["clientId"]
c.GenericOAuthenticator.client_secret = SETTINGS["clientSecret"]
c.GenericOAuthenticator.oauth_callback_url = SETTINGS["redirectUri"]
c.GenericOAuthenticator.authorize_url = f"{ISSUER}/oauth/authorize"
c.GenericOAuthenticator.token_url = f"{ISSUER}/oauth/token"
c.GenericOAuthenticator.update(SETTINGS["more"])
# Who may use the hub: it lets in nobody by default.
c.GenericOAuthenticator.allow_all = True
