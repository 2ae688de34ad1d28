"""Authlib's Flask client as its documentation shows it: sign-in, and the user's details kept from the token."""

import threading

from authlib.integrations.flask_client import OAuth
from driver import ISSUER, SETTINGS, open_browser, port, result
from flask import Flask, redirect, session, url_for
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = "a secret of this test alone"
oauth = OAuth(app)
oauth.register(
    name="munjigi",
    client_id=SETTINGS["clientId"],
    client_secret=SETTINGS["clientSecret"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email"},
)
users = {}


@app.route("/login")
def login():
    return oauth.munjigi.authorize_redirect(url_for("auth", _external=True))


@app.route("/auth")
def auth():
    token = oauth.munjigi.authorize_access_token()
    user = token["userinfo"]
    users[user["sub"]] = {"email": user["email"], "name": user["name"]}
    session["user"] = user["sub"]
    me = oauth.munjigi.get(f"{ISSUER}/api/me", token=token)
    users[user["sub"]]["me"] = me.json()
    return redirect("/")


@app.route("/")
def home():
    return users[session["user"]]


server = make_server("localhost", port(), app)
threading.Thread(target=server.serve_forever, daemon=True).start()
open_browser(f"http://localhost:{port()}/login")
result(users=users)
server.shutdown()
