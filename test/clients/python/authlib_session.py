"""Authlib's OAuth2Session by its defaults: client_secret_basic, no PKCE; with a scope and without one."""

from authlib.integrations.requests_client import OAuth2Session
from driver import ISSUER, SETTINGS, open_browser, result

TOKEN = f"{ISSUER}/oauth/token"


def sign_in(scope):
    client = OAuth2Session(SETTINGS["clientId"], SETTINGS["clientSecret"], scope=scope, redirect_uri=SETTINGS["redirectUri"])
    address, _state = client.create_authorization_url(f"{ISSUER}/oauth/authorize")
    token = client.fetch_token(TOKEN, authorization_response=open_browser(address))
    return client, dict(token)


def guard(token, scope):
    """What a resource server does with an opaque token: introspection as itself, then the scope decides."""
    api = OAuth2Session(SETTINGS["apiId"], SETTINGS["apiSecret"])
    seen = api.introspect_token(f"{ISSUER}/oauth/introspect", token=token).json()
    if not seen["active"]:
        return 401
    return 200 if scope in seen["scope"].split() else 403


plain, token = sign_in(None)
seen = {"plain": {"scope": token.get("scope"), "user": plain.get(f"{ISSUER}/api/user").json()}}

client, token = sign_in("openid profile email api")
seen["scoped"] = {
    "scope": token.get("scope"),
    "id_token": "id_token" in token,
    "me": client.get(f"{ISSUER}/api/me").json(),
    "data": client.get(f"{ISSUER}/api/data").status_code,
    "restricted": client.get(f"{ISSUER}/api/restricted").status_code,
}
access = token["access_token"]
seen["guard"] = [guard(access, "api"), guard(access, "restricted")]
refreshed = client.refresh_token(TOKEN, refresh_token=token["refresh_token"])
seen["refreshed"] = client.get(f"{ISSUER}/api/me").status_code
revoked = client.revoke_token(f"{ISSUER}/oauth/revoke", token=refreshed["access_token"], token_type_hint="access_token")
seen["revoked"] = [revoked.status_code, guard(refreshed["access_token"], "api"), client.get(f"{ISSUER}/api/me").status_code]
result(**seen)
