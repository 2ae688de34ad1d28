"""Authlib's Starlette client as its documentation shows it."""

import threading

import uvicorn
from authlib.integrations.starlette_client import OAuth
from driver import ISSUER, SETTINGS, open_browser, port, reachable, result
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

oauth = OAuth()
oauth.register(
    name="munjigi",
    client_id=SETTINGS["clientId"],
    client_secret=SETTINGS["clientSecret"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email"},
)
users = {}


async def login(request):
    return await oauth.munjigi.authorize_redirect(request, request.url_for("auth"))


async def auth(request):
    token = await oauth.munjigi.authorize_access_token(request)
    user = token["userinfo"]
    users[user["sub"]] = {"email": user["email"], "name": user["name"]}
    request.session["user"] = user["sub"]
    return RedirectResponse("/")


async def home(request):
    return JSONResponse(users[request.session["user"]])


app = Starlette(
    routes=[Route("/login", login), Route("/auth", auth), Route("/", home)],
    middleware=[Middleware(SessionMiddleware, secret_key="a secret of this test alone")],
)
server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port(), log_level="warning"))
threading.Thread(target=server.run, daemon=True).start()
reachable(port())
open_browser(f"http://localhost:{port()}/login")
result(users=users)
server.should_exit = True
