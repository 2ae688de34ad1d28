"""A client of Authlib that signs its assertions by Authlib's PrivateKeyJWT, and posts protected by JWT access tokens."""

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from driver import ISSUER, SETTINGS, open_browser, result

TOKEN = f"{ISSUER}/oauth/token"
POSTS = f"{ISSUER}/api/posts"


def session(**options):
    return OAuth2Session(
        SETTINGS["clientId"],
        SETTINGS["privateKey"],
        token_endpoint_auth_method=PrivateKeyJWT(TOKEN, alg="RS256"),
        **options,
    )


own = session(scope="posts:read")
own.fetch_token(TOKEN, grant_type="client_credentials")
seen = {"own": own.get(POSTS).status_code}

client = session(scope="posts:read posts:write", redirect_uri=SETTINGS["redirectUri"])
address, _state = client.create_authorization_url(f"{ISSUER}/oauth/authorize")
token = client.fetch_token(TOKEN, authorization_response=open_browser(address))
created = client.post(POSTS, json={"title": "from Authlib"})
post = created.json()
seen["parts"] = len(token["access_token"].split("."))
seen["created"] = [created.status_code, post["author"]]
seen["changed"] = client.put(f"{POSTS}/{post['id']}", json={"title": "changed", "body": "by Authlib"}).json()["title"]
seen["deleted"] = client.delete(f"{POSTS}/{post['id']}").status_code
seen["elsewhere"] = client.get(f"{ISSUER}/api/me").status_code
result(**seen)
