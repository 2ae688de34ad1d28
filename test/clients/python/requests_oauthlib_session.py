"""requests-oauthlib by its defaults. oauthlib raises a Warning as an error when the granted scope differs from the asked one."""

from driver import ISSUER, SETTINGS, open_browser, result
from requests_oauthlib import OAuth2Session

seen = []
for scope in (["openid", "profile", "email", "posts:read"], ["profile", "email"], None):
    client = OAuth2Session(SETTINGS["clientId"], redirect_uri=SETTINGS["redirectUri"], scope=scope)
    address, _state = client.authorization_url(f"{ISSUER}/oauth/authorize")
    token = client.fetch_token(
        f"{ISSUER}/oauth/token",
        client_secret=SETTINGS["clientSecret"],
        authorization_response=open_browser(address),
    )
    userinfo = client.get(f"{ISSUER}/oauth/userinfo")
    user = client.get(f"{ISSUER}/api/user")
    seen.append({"scope": token.get("scope"), "user": user.json() if user.ok else user.status_code, "userinfo": userinfo.status_code})
result(seen=seen)
